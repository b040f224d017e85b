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
from sunpy_ml.observations.headers import celestial_wcs, quiet_headers, self_contained
from sunpy_ml.observations.preparing import Prepared
from sunpy_ml.version import version
from sunpy_ml.weights import Card

__all__ = ["new_map", "wrap"]

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
        which weights made it and how many pixels were read across masked ones.

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
    history = [f"sunpy_ml {version}: weights {card.name}, SHA-256 {card.file.sha256}"]
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
) -> GenericMap:
    """A Map of the same class over the same field, with other data.

    Parameters
    ----------
    old : sunpy.map.GenericMap
        Not changed.
    data : numpy.ndarray or dask.array.Array
        (y, x); any number of pixels.
    mask, uncertainty
        Of the new data. Those of ``old`` are kept where none is given and the shape is the same, the uncertainty only
        if the unit is, too.
    unit : astropy.units.UnitBase or str, optional
        Of the new data, that of ``old`` by default.
    history : sequence of str
        Lines that are added to HISTORY.

    Returns
    -------
    sunpy.map.GenericMap
        Same class, metadata and plot settings; ``crpix' = (crpix - 0.5) N + 0.5`` and steps divided by N, where
        the new Map has N times the pixels along an axis.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.observations import new_map
    >>> from sunpy_ml.simulation import halpha_scene
    >>> scene = halpha_scene("quiet", shape=(64, 64))
    >>> new_map(scene, np.zeros((128, 128))).meta["crpix1"] == 2 * scene.meta["crpix1"] - 0.5
    True
    """
    same_shape = data.shape == old.data.shape
    mask = old.mask if mask is None and same_shape else mask
    if uncertainty is None and same_shape and unit is None:
        uncertainty = old.uncertainty
    meta = _scaled_meta(old, data.shape)
    if unit is not None:
        meta["bunit"] = u.Unit(unit).to_string()
    if history:
        meta["history"] = "\n".join(filter(None, [str(meta.get("history", "")), *history]))
    with quiet_headers():
        return type(old)(data, meta, plot_settings=copy.deepcopy(old.plot_settings), mask=mask, uncertainty=uncertainty)


def _scaled_meta(old: GenericMap, shape: tuple[int, int]) -> dict[str, Any]:
    meta = copy.deepcopy(dict(old.meta))
    factors = [new / n for new, n in zip(shape[::-1], old.data.shape[::-1], strict=True)]
    if factors == [1, 1]:
        return meta
    for axis, factor in enumerate(factors, start=1):
        # sunpy's own default for a missing CRPIX is the centre of the image, which needs no scaling.
        if f"crpix{axis}" in meta:
            meta[f"crpix{axis}"] = (meta[f"crpix{axis}"] - 0.5) * factor + 0.5
        if f"naxis{axis}" in meta:
            meta[f"naxis{axis}"] = shape[::-1][axis - 1]
        if f"cdelt{axis}" in meta or "cd1_1" not in meta:
            meta[f"cdelt{axis}"] = meta.get(f"cdelt{axis}", 1.0) / factor
    for i, j in ((1, 1), (1, 2), (2, 1), (2, 2)):
        if f"cd{i}_{j}" in meta:
            meta[f"cd{i}_{j}"] /= factors[j - 1]
        if f"pc{i}_{j}" in meta:
            meta[f"pc{i}_{j}"] *= factors[i - 1] / factors[j - 1]
    return meta


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
            m.data, wcs=celestial_wcs(complete), mask=m.mask, uncertainty=m.uncertainty, unit=m.unit, meta=dict(m.meta)
        )
