"""Wrapping: from what a network gives back to a Map or NDCube on the observation's own axes."""

import copy
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.nddata import NDUncertainty
from ndcube import NDCube
from sunpy.map import GenericMap

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations.headers import celestial_wcs, quiet_headers, self_contained, told
from sunpy_ml.observations.preparing import Prepared
from sunpy_ml.version import version
from sunpy_ml.weights import Card

__all__ = ["new_map", "weights_history", "wrap"]

Array = npt.NDArray[Any]


def wrap(
    prepared: Prepared,
    output: Array,
    card: Card,
    *,
    unit: u.UnitBase | str | None = None,
    uncertainty: NDUncertainty | None = None,
) -> GenericMap | NDCube:
    """A network's output as an observation: a Map, or an NDCube where one was given.

    Parameters
    ----------
    prepared : Prepared
        What the network read.
    output : numpy.ndarray or dask.array.Array
        Physical values (y, x) on the field of ``prepared.data``, with as many pixels as the network gave.
    card : Card
        Of the weights, for the history.
    unit : astropy.units.UnitBase or str, optional
        Of ``output``; that of the observation by default.
    uncertainty : astropy.nddata.NDUncertainty, optional
        Of ``output``, on its axes. The observation's own is kept only by `new_map`, where the values are.

    Returns
    -------
    sunpy.map.GenericMap or ndcube.NDCube
        In the orientation that was given, over the same field; masked where the observation was; HISTORY says
        which weights made it, whether they were validated on simulations only, and how many pixels were read across
        masked ones.

    Raises
    ------
    ObservationError
        If ``output`` is not an image.

    Examples
    --------
    >>> from sunpy_ml.observations import prepare, wrap
    >>> from sunpy_ml.simulation import halpha_scene
    >>> from sunpy_ml.weights import get_card
    >>> scene, card = halpha_scene("quiet", shape=(128, 128)), get_card("halpha-2")
    >>> prepared = prepare(scene, card)
    >>> finer = wrap(prepared, prepared.normalisation.invert(prepared.data), card)
    >>> finer.dimensions, finer.scale.axis1 / scene.scale.axis1
    (PixelPair(x=<Quantity 256. pix>, y=<Quantity 256. pix>), <Quantity 0.5>)
    """
    if output.ndim != 2:
        raise ObservationError(f"output: expected an image (y, x), got the shape {output.shape}.")
    turn, shape = prepared.turn, output.shape
    mask = None if prepared.mask is None else turn.undo(_spread(np.asarray(prepared.mask), shape))
    if uncertainty is not None:
        uncertainty = copy.copy(uncertainty)
        uncertainty.array = turn.undo(uncertainty.array)
    history = weights_history(card)
    if card.validated_on == "simulation":
        history.append("sunpy_ml: these weights were validated on simulations only")
    if mask is not None:
        touched = int(prepared.contaminated(card.input.halo).sum() - np.asarray(prepared.mask).sum())
        history.append(f"sunpy_ml: {touched} pixels were computed from neighbours of which some are masked")
    result = new_map(prepared.base, turn.undo(output), mask=mask, uncertainty=uncertainty, unit=unit, history=history)
    return _as_cube(result) if isinstance(prepared.source, NDCube) else result


def new_map(
    old: GenericMap,
    data: Array,
    *,
    mask: Array | None = None,
    uncertainty: NDUncertainty | None = None,
    unit: u.UnitBase | str | None = None,
    history: list[str] | tuple[str, ...] = (),
    step: tuple[float, ...] | None = None,
    origin: tuple[float, float] = (0.0, 0.0),
) -> GenericMap:
    """A Map of the same class with other data: over the same field, or where its pixels are said to lie.

    Parameters
    ----------
    old : sunpy.map.GenericMap
        Not changed.
    data : numpy.ndarray or dask.array.Array
        (y, x); any number of pixels.
    mask, uncertainty
        Of the new data. Those of ``old`` are kept where none is given and the pixels are the same, the uncertainty only
        if the unit is, too.
    unit : astropy.units.UnitBase or str, optional
        Of the new data, that of ``old`` by default.
    history : sequence of str
        Lines that are added to HISTORY.
    step : tuple of float, optional
        Size of a new pixel along y and x, in old ones; by default the new pixels cover the old field.
    origin : tuple of float
        Where the first new pixel begins along y and x, in its own size from the edge of the old field.

    Returns
    -------
    sunpy.map.GenericMap
        Same class, metadata and plot settings; ``crpix' = (crpix - 0.5) N - origin + 0.5`` and plate scales divided
        by N, where N new pixels are as long as an old one.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.observations import new_map
    >>> from sunpy_ml.simulation import halpha_scene
    >>> scene = halpha_scene("quiet", shape=(64, 64))
    >>> new_map(scene, np.zeros((128, 128))).meta["crpix1"] == 2 * scene.meta["crpix1"] - 0.5
    True

    Pixels of the size of 2.5 old ones, which leave the last of them uncovered:

    >>> new_map(scene, np.zeros((25, 25)), step=(2.5, 2.5)).scale.axis1 / scene.scale.axis1
    <Quantity 2.5>
    """
    if step is None:
        factors = [new / n for new, n in zip(data.shape, old.data.shape, strict=True)]
    else:
        factors = [1 / size for size in step]
    same_pixels = data.shape == old.data.shape and (*factors, *origin) == (1, 1, 0, 0)
    mask = old.mask if mask is None and same_pixels else mask
    if uncertainty is None and same_pixels and unit is None:
        uncertainty = old.uncertainty
    meta = copy.deepcopy(dict(old.meta))
    if not same_pixels:
        meta |= _scaled(meta, old.data.shape, data.shape, factors, origin)
    if unit is not None:
        meta["bunit"] = u.Unit(unit).to_string()
    if history:
        meta["history"] = "\n".join(filter(None, [str(meta.get("history", "")), *history]))
    with quiet_headers():
        return type(old)(data, meta, plot_settings=copy.deepcopy(old.plot_settings), mask=mask, uncertainty=uncertainty)


def weights_history(card: Card) -> list[str]:
    """Lines for HISTORY that say what computed an image, none longer than the 72 characters of a line in FITS."""
    return [f"sunpy_ml {version}: weights {card.name}", f"SHA-256 {card.file.sha256}"]


def _scaled(
    meta: dict[str, Any],
    old_shape: tuple[int, int],
    shape: tuple[int, int],
    factors: list[float],
    origin: tuple[float, float],
) -> dict[str, Any]:
    """What changes in a header, where ``factors`` new pixels along y and x are as long as an old one."""
    scaled: dict[str, Any] = {}
    for axis, (n, new, factor, start) in enumerate(zip(old_shape, shape, factors, origin, strict=True)):
        number = 2 - axis
        # Without CRPIX sunpy takes the centre of the image, which need not be that of the new one.
        reference = meta.get(f"crpix{number}", (n + 1) / 2)
        scaled[f"crpix{number}"] = (reference - 0.5) * factor - start + 0.5
        if f"naxis{number}" in meta:
            scaled[f"naxis{number}"] = new
        if f"cdelt{number}" in meta or "cd1_1" not in meta:
            scaled[f"cdelt{number}"] = meta.get(f"cdelt{number}", 1.0) / factor
    for i, j in ((1, 1), (1, 2), (2, 1), (2, 2)):
        if f"cd{i}_{j}" in meta:
            scaled[f"cd{i}_{j}"] = meta[f"cd{i}_{j}"] / factors[2 - j]
        if f"pc{i}_{j}" in meta:
            scaled[f"pc{i}_{j}"] = meta[f"pc{i}_{j}"] * (factors[2 - i] / factors[2 - j])
    return scaled


def _spread(mask: Array, shape: tuple[int, int]) -> Array:
    """A mask on ``shape`` pixels of the same field: True where any masked pixel is touched."""
    rows, columns = (_touched(n_old, n_new) for n_old, n_new in zip(mask.shape, shape, strict=True))
    sums = np.pad(mask.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    (top, bottom), (left, right) = rows, columns
    inside = sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)] - sums[np.ix_(bottom, left)]
    return inside + sums[np.ix_(top, left)] > 0


def _touched(n_old: int, n_new: int) -> tuple[Array, Array]:
    """First and one past the last old pixel under each new one, in whole numbers so that nothing is rounded."""
    new = np.arange(n_new)
    return new * n_old // n_new, -(-(new + 1) * n_old // n_new)


def _as_cube(m: GenericMap) -> NDCube:
    complete = self_contained(m)
    with quiet_headers():
        return NDCube(
            m.data,
            wcs=celestial_wcs(complete),
            mask=m.mask,
            uncertainty=m.uncertainty,
            unit=told(m, "unit"),
            meta=dict(m.meta),
        )
