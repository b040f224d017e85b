"""An HMI image deconvolved and twice as finely sampled: the verb `enhance_hmi`."""

from dataclasses import replace
from typing import Any

import astropy.units as u
import numpy as np
from astropy.nddata import StdDevUncertainty

from sunpy_ml.enhancement.consistency import consistency_map
from sunpy_ml.enhancement.kinds import observed_kind, with_unit
from sunpy_ml.enhancement.limb import without_limb_darkening
from sunpy_ml.enhancement.running import UNCERTAINTIES, deconvolve
from sunpy_ml.inference import choose_device, choose_precision
from sunpy_ml.observations import Prepared, as_map, prepare, quiet_headers, wrap
from sunpy_ml.weights import Card, resolve

__all__ = ["TASK", "enhance_hmi"]

TASK = "enhancement"


def enhance_hmi(
    m: Any,
    *,
    kind: str | None = None,
    weights: Any = None,
    card: Card | None = None,
    device: Any = None,
    precision: str = "float32",
    tile: int | None = None,
    uncertainty: str = "variance",
    strict: bool = False,
    progress: bool = True,
) -> Any:
    """Free an HMI continuum image or magnetogram of the telescope's blur, on a grid twice as fine.

    The result is what an ideal telescope of 28 cm, twice HMI's aperture, would probably show. Structures finer than
    HMI's limit of resolution, 0.9 arcsec, are not measured: they are what the training images make likely.

    Parameters
    ----------
    m : sunpy.map.GenericMap, ndcube.NDCube, str or pathlib.Path
        An image (y, x), a cut-out or the full disk, helioprojective or on the grid of SHARPs (CEA). Of a Map whose data
        are a dask array, the result is lazy. It is not changed.
    kind : {"continuum", "magnetogram"}, optional
        What ``m`` shows, where its header tells it neither by unit nor by CONTENT, as those of SHARPs do not.
    weights : str, pathlib.Path or torch.nn.Module, optional
        A name from `sunpy_ml.weights.list_weights`, the path of a file written by `sunpy_ml.weights.save_weights`, or
        a network, with its ``card``. By default the weights that are part of the package; ``"enhance-intensity"`` and
        ``"enhance-blos"`` are those of Díaz Baso & Asensio Ramos.
    card : sunpy_ml.weights.Card, optional
        Of a network that is given as a module.
    device : str or torch.device, optional
        By default the first there is of cuda, mps and cpu.
    precision : {"float32", "bfloat16"}
        What the network computes in.
    tile : int, optional
        Rows and columns that are computed at a time, 320 by default: memory grows with it, and the result does not
        depend on it. The blocks of dask arrays are their tiles.
    uncertainty : {"variance", "ensemble", "none"}
        Attach the standard deviation that the network tells itself, where it tells one (the published ones do not);
        or compute the mean over the eight turns and reflections of the image, with the spread of these, for eight times
        the work; or attach nothing.
    strict : bool
        Raise instead of warn where the observation is not known to lie inside the network's domain.
    progress : bool
        Show a bar when the work lasts longer than two seconds.

    Returns
    -------
    sunpy.map.GenericMap or ndcube.NDCube
        With twice the pixels along each axis over the same field, float32, in the unit of ``m``, of its class, with its
        mask and a true WCS. ``uncertainty`` is an `~astropy.nddata.StdDevUncertainty`. The meta hold ``consistency``,
        a Map of what HMI would see of the result less what it saw (`~sunpy_ml.enhancement.consistency_map`), and its
        rms as ``consrms``; sunpy saves the latter alone, and warns. Maps that are made of the result, by submap say,
        carry both on as they are. A lazy result has neither.

    Raises
    ------
    sunpy_ml.exceptions.ObservationError
        If ``m`` cannot be read, is not an image, has no valid pixel, has pixels over 30 times finer than HMI's, or is
        neither a continuum image nor a magnetogram for all that is known.
    sunpy_ml.exceptions.WeightsError
        If there are no such weights for this kind of image.
    sunpy_ml.exceptions.DomainError
        With ``strict``, if the observation is not known to be of the kind that the network was trained on.
    ValueError
        If ``kind``, ``uncertainty``, the device, the precision or the tile cannot be used.

    Warns
    -----
    sunpy_ml.exceptions.DomainWarning
        In the same case without ``strict``.
    sunpy_ml.exceptions.HeaderWarning
        If the header has no unit, so that it is taken from ``kind``.

    Notes
    -----
    A continuum image is divided by the level of its quiet Sun, and by its limb darkening where that matters, before the
    network sees it, and multiplied by both afterwards. Where the sky beyond the limb is missing, it is taken as what
    HMI would see of a disk with the radius in the header. Opposite polarities that cancel within HMI's resolution
    separate when the blur is undone, so that the unsigned flux of a magnetogram grows.

    References
    ----------
    Díaz Baso & Asensio Ramos 2018, A&A 614, A5, https://doi.org/10.1051/0004-6361/201731344

    Examples
    --------
    >>> from sunpy_ml import enhance_hmi
    >>> from sunpy_ml.optics import degrade
    >>> from sunpy_ml.simulation.photosphere import photosphere_scene
    >>> seen = degrade(photosphere_scene("pores", shape=(400, 400), seed=3).continuum)
    >>> sharp = enhance_hmi(seen)
    >>> sharp.data.shape == (2 * seen.data.shape[0], 2 * seen.data.shape[1])
    True
    >>> bool(sharp.data.min() < seen.data.min())
    True
    >>> sharp.meta["consrms"] < 0.004
    True
    """
    _check(uncertainty, tile, device, precision)
    given = as_map(m)
    kind = observed_kind(given, kind)
    card = resolve(TASK, weights, card, observable=kind)
    prepared = replace(prepare(with_unit(given, kind), card), source=m)
    card.domain.check(prepared.facts).enforce(card.name, strict)
    flat = without_limb_darkening(prepared, card.output.factor) if kind == "continuum" else None
    image, level = (prepared.data, None) if flat is None else flat
    answer, deviation = deconvolve(
        image,
        card,
        weights,
        uncertainty=uncertainty,
        tile=tile,
        device=device,
        precision=precision,
        progress=progress,
    )
    if level is not None:
        answer, deviation = answer * level, None if deviation is None else deviation * level
    own = _own_unit(prepared, card)
    if deviation is not None:
        deviation = StdDevUncertainty(deviation * np.float32(own * prepared.normalisation.scale))
    result = wrap(prepared, np.float32(own) * prepared.normalisation.invert(answer), card, uncertainty=deviation)
    return _checked(result, prepared) if isinstance(answer, np.ndarray) else result


def _check(uncertainty: str, tile: int | None, device: Any, precision: str) -> None:
    if uncertainty not in UNCERTAINTIES:
        raise ValueError(f"uncertainty: got {uncertainty!r}, choose from {UNCERTAINTIES}.")
    if tile is not None and tile < 1:
        raise ValueError(f"tile: expected at least 1 pixel, got {tile}.")
    choose_device(device), choose_precision(precision)


def _own_unit(prepared: Prepared, card: Card) -> float:
    """What values in the unit of the card are multiplied by to be in that of the observation."""
    if not card.input.unit:
        return 1.0
    with quiet_headers():
        return float(u.Unit(card.input.unit).to(prepared.base.unit))


def _checked(result: Any, prepared: Prepared) -> Any:
    """The result with what the telescope would see of it, less what it saw, in its meta."""
    difference = consistency_map(as_map(result), prepared.base)
    valid = np.isfinite(difference.data)
    if difference.mask is not None:
        valid &= ~np.asarray(difference.mask, dtype=bool)
    # Of an image that was enhanced before.
    for stale in ("consistency", "consrms"):
        difference.meta.pop(stale, None)
    result.meta["consistency"] = difference
    result.meta["consrms"] = float(np.sqrt(np.mean(np.square(difference.data[valid], dtype=np.float64))))
    return result
