"""Sequences: two or more co-aligned images with the time between them and the size of their pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.time import Time, TimeDelta
from astropy.wcs import WCS
from ndcube import NDCube
from sunpy.map import GenericMap, MapSequence

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations.axes import CubeAxes, cube_axes, even_interval, observer_distance, pixel_step
from sunpy_ml.observations.headers import celestial_wcs, observation_time, self_contained, told
from sunpy_ml.observations.orientation import Turn, north_up_turn, pixel_matrix
from sunpy_ml.observations.reading import as_map
from sunpy_ml.observations.resampling import fill_invalid

__all__ = ["POINTING", "ImageSequence", "image_sequence", "pixels_apart"]

Array = npt.NDArray[Any]

#: Headers that place a pixel this far apart, in pixels, are those of different pointings.
POINTING = 0.1


@dataclass(frozen=True)
class ImageSequence:
    """Co-aligned images at even intervals, on the pixels on which they were given.

    Attributes
    ----------
    frames : numpy.ndarray
        float32, (time, y, x), finite: where ``mask`` is True, the value is that of the nearest valid pixel.
    mask : numpy.ndarray or None
        Of the shape of ``frames``, True where nothing is known; None where all is.
    unit : astropy.units.UnitBase or None
        Of ``frames``.
    start : astropy.time.Time or None
        Of the first frame.
    cadence : astropy.units.Quantity
        Time from frame to frame.
    step : numpy.ndarray
        (2, 2): km towards solar x, then y, of a step along columns, then rows. So a displacement in pixels becomes
        one along the solar axes, however the image is turned.
    wcs : astropy.wcs.WCS or None
        Celestial, of each frame; None where nothing tells it.
    scale : astropy.units.Quantity or None
        Plate scale along columns and rows, in arcsec; None where a scale in km was given for images without a WCS.
    turn : Turn
        What brings north nearest to the top, if applied to the frames.
    tilt : float
        What is then left of the rotation, in degrees, counterclockwise positive.
    meta : dict
        Of the first image.
    source : object
        What was given.
    """

    frames: Array
    mask: Array | None
    unit: u.UnitBase | None
    start: Time | None
    cadence: u.Quantity
    step: Array
    wcs: WCS | None
    scale: u.Quantity | None
    turn: Turn
    tilt: float
    meta: dict[str, Any]
    source: Any

    @property
    def pixel(self) -> u.Quantity:
        """Size of a pixel at the Sun along columns and rows, in Mm."""
        return (np.hypot(*self.step) * u.km).to(u.Mm)

    @property
    def times(self) -> Time | None:
        """Of the frames, or None where nothing tells the first."""
        return None if self.start is None else self.start + TimeDelta(np.arange(len(self.frames)) * self.cadence)


def image_sequence(
    observations: Any, *, cadence: u.Quantity | None = None, scale: u.Quantity | None = None, coaligned: bool = False
) -> ImageSequence:
    """Read two or more co-aligned images.

    Parameters
    ----------
    observations : list of sunpy.map.GenericMap, sunpy.map.MapSequence or ndcube.NDCube
        Maps (or paths of FITS files) in order of time, or an NDCube (time, y, x). Nothing is changed.
    cadence : astropy.units.Quantity, optional
        Time from image to image; by default what the headers or the WCS tell.
    scale : astropy.units.Quantity, optional
        Angle or length per pixel, one or two (columns, rows); by default what the header or the WCS tells.
    coaligned : bool
        Whether pixels show the same places whatever the headers tell, as those of tracked cut-outs do, and those that
        ``sunkit_image.coalignment`` has shifted. The pointing of the first image then counts for all.

    Returns
    -------
    ImageSequence

    Raises
    ------
    ObservationError
        If it is none of these, if shapes, units or pointings differ, if times do not rise evenly, or if neither the
        observation nor a keyword tells the cadence or the scale.

    Notes
    -----
    Kilometres are counted across the line of sight at the distance of the Sun's centre, as everywhere in this package:
    725.27 km for an arcsec from 1 au. Nothing is foreshortened. Where the observer is not told he is on the Earth, and
    at 1 au where there is no date either. On heliographic grids a degree is a length on the solar surface.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.observations import image_sequence
    >>> from sunpy_ml.simulation.motion import moving_granulation
    >>> frames = moving_granulation(shape=(64, 96), scale=0.1 * u.arcsec / u.pix, cadence=20 * u.s).frames
    >>> sequence = image_sequence(frames)
    >>> sequence.frames.shape, sequence.cadence, sequence.pixel
    ((2, 64, 96), <Quantity 20. s>, <Quantity [0.07252709, 0.07252709] Mm>)
    """
    if isinstance(observations, NDCube):
        images, unit, meta = _cube_images(observations), observations.unit, dict(observations.meta or {})
        axes = cube_axes(observations)
    else:
        maps = _maps(observations)
        units = {told(m, "unit") for m in maps}
        if len(units) > 1:
            raise ObservationError(f"observations: their units differ ({', '.join(map(str, units))}).")
        images, unit, meta = [(m.data, m.mask) for m in maps], units.pop(), dict(maps[0].meta)
        axes = _map_axes(maps, cadence, coaligned)
    step = axes.step if scale is None else _given_step(scale, axes)
    if step is None:
        raise ObservationError(
            "observations: nothing tells the size of their pixels; give scale=, in arcsec or km/pix."
        )
    interval = axes.cadence if cadence is None else _positive("cadence", cadence, u.s)
    if interval is None:
        raise ObservationError("observations: nothing tells the time between them; give cadence=, in seconds.")
    frames, mask = _stacked(images)
    turn, tilt = (Turn(), 0.0) if axes.wcs is None else north_up_turn(axes.wcs)
    return ImageSequence(
        frames,
        mask,
        unit,
        axes.start,
        interval,
        step,
        axes.wcs,
        _angles(step, axes, scale),
        turn,
        tilt,
        meta,
        observations,
    )


def _cube_images(cube: NDCube) -> list[tuple[Any, Any]]:
    mask = None if cube.mask is None else np.broadcast_to(cube.mask, cube.data.shape)
    return [(plane, None if mask is None else mask[index]) for index, plane in enumerate(cube.data)]


def _maps(observations: Any) -> list[GenericMap]:
    given = observations.maps if isinstance(observations, MapSequence) else observations
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ObservationError(
            f"observations: expected a list of Maps, a MapSequence or an NDCube (time, y, x), got {type(given)}."
        )
    return [as_map(one) for one in given]


def _map_axes(maps: list[GenericMap], cadence: u.Quantity | None, coaligned: bool) -> CubeAxes:
    if len(maps) < 2:
        raise ObservationError(f"observations: expected at least two images, got {len(maps)}.")
    times = [observation_time(m) for m in maps]
    dates = [time.utc for time in times if time is not None]
    wcs = [celestial_wcs(self_contained(m)) for m in maps]
    for other, m in zip(wcs, maps, strict=True):
        if m.data.shape != maps[0].data.shape:
            _refuse(f"their shapes {maps[0].data.shape} and {m.data.shape} differ")
        if not coaligned and (apart := pixels_apart(wcs[0], other, m.data.shape)) > POINTING:
            _refuse(f"their headers place the same pixel up to {apart:.3g} pixels apart")
    wcs[0].array_shape = maps[0].data.shape
    if times[0] is None and not any(
        set(keys) <= maps[0].meta.keys() for keys, _ in maps[0]._supported_observer_coordinates
    ):
        _forget_observer(wcs[0])
    # Where the header has no steps, sunpy takes one arcsec.
    told = "cdelt1" in maps[0].meta or "cd1_1" in maps[0].meta
    even = even_interval(Time(dates)) if len(dates) == len(maps) and cadence is None else None
    return CubeAxes(wcs[0], pixel_step(wcs[0]) if told else None, times[0], even)


def _forget_observer(wcs: WCS) -> None:
    """Take back the date and the place that a poor header was completed with, which are those of today."""
    for name in ("dsun_obs", "hgln_obs", "hglt_obs", "crln_obs"):
        setattr(wcs.wcs.aux, name, None)
    wcs.wcs.dateobs, wcs.wcs.mjdobs = "", np.nan


def _refuse(reason: str) -> None:
    raise ObservationError(
        f"observations: {reason}; co-align them with sunkit_image.coalignment, or by Map.reproject_to. Give "
        "coaligned=True if only their headers differ."
    )


def pixels_apart(first: WCS, other: WCS, shape: tuple[int, ...]) -> float:
    """By how many pixels, at most, two headers place a corner of the image apart."""
    corners = np.array([[0, shape[1], 0, shape[1]], [0, 0, shape[0], shape[0]]]) + 0.5
    places = []
    for wcs in (first, other):
        centre = [wcs.wcs.crval[axis] * wcs.wcs.cunit[axis].to("arcsec") for axis in (wcs.wcs.lng, wcs.wcs.lat)]
        places.append(pixel_matrix(wcs) @ (corners - wcs.wcs.crpix[:, np.newaxis]) + np.array(centre)[:, np.newaxis])
    return float(np.hypot(*np.linalg.solve(pixel_matrix(first), places[1] - places[0])).max())


def _positive(name: str, value: u.Quantity, unit: u.UnitBase) -> u.Quantity:
    if not isinstance(value, u.Quantity) or not value.unit.is_equivalent(unit):
        raise ObservationError(f"{name}: expected a quantity in {unit}, got {value!r}.")
    if not (np.isfinite(value).all() and (value.value > 0).all()):
        raise ObservationError(f"{name}: expected a positive number, got {value}.")
    return value.to(unit)


def _given_step(scale: u.Quantity, axes: CubeAxes) -> Array:
    """A given scale, in the directions that the WCS tells: columns to the west and rows to the north without one."""
    angular = isinstance(scale, u.Quantity) and scale.unit.is_equivalent(u.arcsec / u.pix)
    sizes = _positive("scale", scale, u.rad / u.pix if angular else u.km / u.pix).value
    if angular:
        sizes = sizes * (1 * u.au if axes.wcs is None else observer_distance(axes.wcs)).to_value(u.km)
    matrix = np.eye(2) if axes.wcs is None else pixel_matrix(axes.wcs)
    return matrix / np.hypot(*matrix) * np.broadcast_to(sizes, 2)


def _angles(step: Array, axes: CubeAxes, scale: u.Quantity | None) -> u.Quantity | None:
    if axes.wcs is None and (scale is None or not scale.unit.is_equivalent(u.arcsec / u.pix)):
        return None
    distance = 1 * u.au if axes.wcs is None else observer_distance(axes.wcs)
    return (np.hypot(*step) / distance.to_value(u.km) * u.rad).to(u.arcsec) / u.pix


def _stacked(images: list[tuple[Any, Any]]) -> tuple[Array, Array | None]:
    if len(images) < 2:
        raise ObservationError(f"observations: expected at least two images, got {len(images)}.")
    frames, masks = [], []
    for data, mask in images:
        if data.dtype.kind not in "iuf":
            raise ObservationError(f"observations: expected real numbers, got the dtype {data.dtype}.")
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and so invalid
            frame = np.asarray(data).astype(np.float32)
        valid = np.isfinite(frame) if mask is None else np.isfinite(frame) & ~np.asarray(mask, dtype=bool)
        if not valid.any():
            raise ObservationError("observations: an image has no valid pixel (all NaN, infinite or masked).")
        frames.append(fill_invalid(frame, valid))
        masks.append(~valid)
    mask = np.stack(masks)
    return np.stack(frames), mask if mask.any() else None
