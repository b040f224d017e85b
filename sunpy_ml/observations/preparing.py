"""Preparing: from an observation to the array that a network expects, with everything needed to come back."""

import math
from dataclasses import dataclass, replace
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS
from scipy.ndimage import binary_dilation
from sunpy.map import GenericMap

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations.disk import beyond_limb
from sunpy_ml.observations.facts import observation_facts, plate_scale
from sunpy_ml.observations.headers import celestial_wcs, self_contained, told
from sunpy_ml.observations.normalisation import SAMPLE_SIZE, Normalisation, normaliser_of
from sunpy_ml.observations.orientation import Turn, north_up_turn, turned_wcs
from sunpy_ml.observations.reading import as_map
from sunpy_ml.observations.resampling import fill_invalid, resample, resample_valid
from sunpy_ml.observations.tilt import without_tilt
from sunpy_ml.weights import Card, Facts, Input

__all__ = ["Prepared", "prepare"]

Array = npt.NDArray[Any]

# Pixels that an observed one may become along an axis: more are a wrong plate scale, and more than memory holds.
_MOST_PIXELS = 100


@dataclass(frozen=True)
class Prepared:
    """An observation as a network reads it.

    Attributes
    ----------
    data : numpy.ndarray or dask.array.Array
        float32, (y, x), normalised, finite; north up and west right where the card asks for that.
    mask : numpy.ndarray or None
        True where the observation has no valid value; None where it has one everywhere.
    wcs : astropy.wcs.WCS
        Of ``data``.
    facts : Facts
        What the header tells.
    normalisation : Normalisation
        The constants that were used.
    turn : Turn
        From ``base`` to ``data``.
    base : sunpy.map.GenericMap
        The Map that results are built on: what was given, or that with its tilt interpolated away.
    source : sunpy.map.GenericMap, ndcube.NDCube, str or pathlib.Path
        What was given.
    """

    data: Array
    mask: Array | None
    wcs: WCS
    facts: Facts
    normalisation: Normalisation
    turn: Turn
    base: GenericMap
    source: Any

    def contaminated(self, halo: int) -> Array:
        """Where a network of receptive radius ``halo`` (pixels of ``data``) reads at least one masked pixel."""
        if self.mask is None:
            return np.zeros(self.data.shape, dtype=bool)
        # A square neighbourhood is two passes along lines.
        line = np.ones((1, 2 * halo + 1), dtype=bool)
        return binary_dilation(binary_dilation(np.asarray(self.mask), line), line.T)


def prepare(observation: Any, card: Card) -> Prepared:
    """Turn, resample, fill and normalise an observation as a card says.

    Dask-backed data stay lazy where the network reads them on their own grid: they are read once here, for what is
    valid and for the normalisation. Where they must be resampled they are computed.

    Parameters
    ----------
    observation : sunpy.map.GenericMap, ndcube.NDCube, str or pathlib.Path
        An image, which is not changed.
    card : Card
        Of the weights that will read it.

    Returns
    -------
    Prepared

    Raises
    ------
    ObservationError
        If the observation cannot be read, has no valid pixel, no contrast, or not the unit that is needed.

    Examples
    --------
    >>> from sunpy_ml.observations import prepare
    >>> from sunpy_ml.simulation import halpha_scene
    >>> from sunpy_ml.weights import get_card
    >>> prepare(halpha_scene("quiet", shape=(300, 200)), get_card("halpha-2")).data.shape
    (256, 256)
    """
    rules = card.input
    given = as_map(observation)
    facts = observation_facts(self_contained(given))
    base, turn = _oriented(given, rules)
    complete = self_contained(base)
    wcs = celestial_wcs(complete)
    oriented = turned_wcs(wcs, turn, complete.data.shape)
    data: Any
    valid: Any
    data, valid = (turn.apply(array) for array in _physical(complete, rules.unit))
    dark = beyond_limb(oriented, complete)
    shape = _target_shape(data.shape, plate_scale(oriented, complete), rules)
    if isinstance(data, np.ndarray) or shape != data.shape:
        data, valid, normalisation = _on_grid(np.asarray(data), np.asarray(valid), dark, shape, rules)
    else:
        data, valid, normalisation = _lazily(data, valid, dark, rules)
    factor = (shape[0] / oriented.array_shape[0], shape[1] / oriented.array_shape[1])
    return Prepared(
        data=data,
        mask=None if valid.all() else ~valid,
        wcs=turned_wcs(wcs, turn, complete.data.shape, factor),
        facts=replace(facts, missing=1.0 - float(np.mean(valid))),
        normalisation=normalisation,
        turn=turn,
        base=base,
        source=observation,
    )


def _oriented(m: GenericMap, rules: Input) -> tuple[GenericMap, Turn]:
    if rules.orientation == "as-is":
        return m, Turn()
    complete = self_contained(m)
    turn, tilt = north_up_turn(celestial_wcs(complete))
    if abs(tilt) <= rules.max_tilt:
        return m, turn
    return without_tilt(complete), Turn()


def _physical(m: GenericMap, unit: str) -> tuple[Array, Array]:
    """Data in native float32 in the unit that the network reads, and where they are valid (both lazy for dask)."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and so invalid
        data = m.data.astype(np.float32)
    valid = np.isfinite(data)
    if m.mask is not None:
        valid = valid & ~np.asarray(m.mask, dtype=bool)
    if unit:
        found = told(m, "unit")
        if found is None:
            raise ObservationError(f"observation: its header has no unit (BUNIT), and {unit!r} is needed; set it.")
        if not found.is_equivalent(unit):
            raise ObservationError(f"observation: its unit is {str(found)!r}, which cannot become {unit!r}.")
        data = data * np.float32(found.to(unit))
    return data, valid


def _target_shape(shape: tuple[int, int], scale: u.Quantity, rules: Input) -> tuple[int, int]:
    """Rows and columns of the network's grid; ``scale`` is along x, then y."""
    if rules.geometry == "fixed-shape":
        return (rules.shape[0], rules.shape[1])
    if rules.geometry == "native" or rules.plate_scale is None:
        return shape
    factors = (scale / (rules.plate_scale * u.arcsec / u.pix)).to_value(u.one)[::-1]
    if factors.max() > _MOST_PIXELS:
        raise ObservationError(
            f"observation: its pixels are {scale.value} arcsec by its header, and the network reads such of "
            f"{rules.plate_scale}; mend its plate scale, or give an image nearer to that."
        )
    rows, columns = (max(1, round(n * float(factor))) for n, factor in zip(shape, factors, strict=True))
    return rows, columns


def _on_grid(
    data: Array, valid: Array, dark: Array | None, shape: tuple[int, int], rules: Input
) -> tuple[Array, Array, Normalisation]:
    _check_any(valid)
    normaliser = normaliser_of(rules)
    source = data, valid
    if not valid.all():
        data = fill_invalid(data, valid, dark)
    if shape != data.shape:
        data, valid = resample(data, shape), resample_valid(valid, shape)
        dark = None if dark is None else ~resample_valid(~dark, shape)
    pixels, usable = source if normaliser.on_source else (data, valid)
    normalisation = normaliser(_disk_pixels(pixels, usable, dark, normaliser.on_disk), rules.constants)
    return normalisation.apply(data), valid, normalisation


def _disk_pixels(data: Array, valid: Array, dark: Array | None, on_disk: bool) -> Array:
    if on_disk and dark is not None and (valid & ~dark).any():
        valid = valid & ~dark
    return data[valid]


def _check_any(valid: Array) -> None:
    if not valid.any():
        raise ObservationError(f"observation: none of its {valid.size} pixels is valid (all NaN, infinite or masked).")


def _lazily(data: Any, valid: Any, dark: Array | None, rules: Input) -> tuple[Any, Array, Normalisation]:
    """As `_on_grid` for dask arrays on their own grid: what is valid is known after one pass, the data stay lazy."""
    import dask.array as da

    normaliser = normaliser_of(rules)
    step = max(1, round((data.size / SAMPLE_SIZE) ** 0.5))
    thin = slice(None, None, step), slice(None, None, step)
    sample, known = da.compute(data[thin], valid)
    _check_any(known)
    pixels = _disk_pixels(sample, known[thin], None if dark is None else dark[thin], normaliser.on_disk)
    normalisation = normaliser(pixels, rules.constants)
    filled = data if known.all() else _fill_blocks(data, valid, dark, rules.halo)
    return normalisation.apply(filled), known, normalisation


def _fill_blocks(data: Any, valid: Any, dark: Array | None, halo: int) -> Any:
    """As `fill_invalid`, block by block: the same wherever a network of that halo sees it from a valid pixel."""
    import dask.array as da

    # A gap that is seen along both axes from ``halo`` pixels away has a valid pixel within the diagonal of that.
    reach = math.ceil(math.sqrt(2) * halo)
    return da.map_overlap(
        fill_invalid,
        data,
        valid,
        da.zeros_like(valid) if dark is None else da.from_array(dark, chunks=data.chunks),
        depth={axis: min(reach, length) for axis, length in enumerate(data.shape)},
        boundary="none",
        dtype=np.float32,
        meta=np.empty((0, 0), np.float32),
    )
