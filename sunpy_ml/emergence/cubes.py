"""Reading: a patch that was followed, as frames of line-of-sight field with their times, on the network's pixels."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.time import Time
from erfa import ErfaWarning
from ndcube import NDCube

from sunpy_ml.emergence.as_mdi import as_mdi, on_pixels
from sunpy_ml.emergence.files import read_cube
from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import quiet_headers
from sunpy_ml.observations.axes import observer_distance, pixel_step
from sunpy_ml.observations.unwrapping import fits_wcs
from sunpy_ml.weights import Facts

__all__ = ["Patch", "read_patch"]

Array = npt.NDArray[Any]

# Times before this Julian date, of the year 1900, are counted from no date.
_FIRST_DAY = 2415020.5


@dataclass(frozen=True)
class Patch:
    """A patch as the networks are shown it.

    Attributes
    ----------
    cube : ndcube.NDCube
        What was given, or a window of it.
    field : numpy.ndarray
        float32, (time, latitude, longitude), in gauss, north up and west to the right; NaN where nothing is known.
    times : astropy.time.Time
        Of the frames, rising, in UTC.
    turned : bool
        Whether longitudes fall along the columns of the cube.
    scale : astropy.units.Quantity or None
        Of a pixel of ``field`` along rows and columns, as at the centre of the disk; None where nothing tells it.
    """

    cube: NDCube
    field: Array
    times: Time
    turned: bool
    scale: u.Quantity | None

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """Of the frames, from the first on, to a thousandth: less must not move a frame to another place."""
        return np.asarray((self.times - self.times[0]).to_value(u.s)).round(3)

    @property
    def shows(self) -> npt.NDArray[np.bool_]:
        """Whether anything is known, for each frame."""
        return np.asarray(np.isfinite(self.field).any(axis=(1, 2)))

    @property
    def pixel(self) -> float | None:
        """Side of a square that is as large as a pixel of ``field``, in arcsec; None where nothing tells it."""
        return None if self.scale is None else float(np.sqrt(np.prod(self.scale.to_value(u.arcsec / u.pix))))

    @property
    def facts(self) -> Facts:
        """What decides whether a network was trained on its like."""
        rows_columns = self.scale
        return Facts(
            plate_scale=None if rows_columns is None else rows_columns[::-1],
            field_of_view=None if rows_columns is None else (rows_columns * self.field.shape[1:] * u.pix)[::-1],
            cadence=np.median(np.diff(self.seconds)) * u.s,
            duration=(self.times[-1] - self.times[0]).to(u.day),
            unit=u.G,
            missing=float(np.isnan(self.field).mean()),
        )

    def window(self, cut: slice) -> "Patch":
        """Some of the frames."""
        return Patch(self.cube[cut], self.field[cut], self.times[cut], self.turned, self.scale)


def read_patch(cube: Any, shape: tuple[int, int], *, hmi_as_mdi: bool = False) -> Patch:
    """Read a cube.

    Parameters
    ----------
    cube : ndcube.NDCube, str or pathlib.Path
        (time, latitude, longitude) of line-of-sight field, not changed, or the path of an ASDF file with one; of dask
        arrays one frame at a time is computed.
    shape : tuple of int
        Rows and columns of the network. A patch of another shape is brought to it over the same field, by averages over
        area along an axis that shrinks, and a cubic spline along one that grows.
    hmi_as_mdi : bool
        Whether to make of HMI's field what MDI would have told.

    Raises
    ------
    ObservationError
        If it is no such cube, or of no magnetic field, its times do not rise, or nothing of it is known.
    """
    if isinstance(cube, (str, Path)):
        cube = read_cube(cube)
    if not isinstance(cube, NDCube):
        raise ObservationError(
            f"cube: expected an NDCube (time, latitude, longitude) or the path of an ASDF file with one, got "
            f"{type(cube)}; sunpy_ml.emergence.patch_cube makes one of full-disk Maps."
        )
    _check_axes(cube)
    factor = _gauss(cube)
    times = _times(cube)
    turned, scale = _geometry(cube)
    if hmi_as_mdi and scale is None:
        raise ObservationError(
            "hmi_as_mdi: the WCS of the cube does not tell the size of a pixel, which the blur needs; give it "
            "heliographic axes of FITS."
        )
    finest = None if scale is None or not hmi_as_mdi else tuple(scale.to_value(u.arcsec / u.pix))
    mask = None if cube.mask is None else np.broadcast_to(cube.mask, cube.data.shape)
    field = np.empty((len(times), *shape), np.float32)
    for index, plane in enumerate(cube.data):
        frame = np.array(plane, dtype=np.float64) * factor
        unknown = ~np.isfinite(frame) if mask is None else ~np.isfinite(frame) | np.asarray(mask[index], dtype=bool)
        frame[unknown] = np.nan
        if finest is not None:
            frame = as_mdi(frame, finest)
        field[index] = on_pixels(frame, shape)
    if not np.isfinite(field).any():
        raise ObservationError("cube: nothing of it is known (all is NaN, infinite or masked).")
    if scale is not None:
        scale = scale * np.array(cube.data.shape[1:]) / shape
    return Patch(cube, field[:, :, ::-1] if turned else field, times, turned, scale)


def _check_axes(cube: NDCube) -> None:
    types = cube.array_axis_physical_types
    places = [any("pos." in str(kind) for kind in axis) for axis in types]
    if cube.data.ndim != 3 or 0 in cube.data.shape or places[0] or places[1] != places[2]:
        raise ObservationError(
            f"cube: expected (time, latitude, longitude), got the shape {cube.data.shape} with axes {types}."
        )
    if cube.data.dtype.kind not in "iuf":
        raise ObservationError(f"cube: expected real numbers, got the dtype {cube.data.dtype}.")
    if any("helioprojective" in str(kind) for axis in types for kind in axis):
        raise ObservationError(
            "cube: its axes are angles in the sky, which do not follow the Sun; make a cube of heliographic axes by "
            "sunpy_ml.emergence.patch_cube."
        )


def _gauss(cube: NDCube) -> float:
    """Gauss in the unit of a cube."""
    if cube.unit is None:
        raise ObservationError("cube: it has no unit; give it one, as NDCube(cube, unit=u.G).")
    if not cube.unit.is_equivalent(u.G):
        raise ObservationError(f"cube: it is in {cube.unit}, which is no magnetic field; give it in gauss or tesla.")
    return float(cube.unit.to(u.G))


def _times(cube: NDCube) -> Time:
    """Of the frames: the true ones, or those of the axis."""
    with quiet_headers():
        # Where an axis does not say when it begins, astropy takes 1858, and finds that dubious.
        warnings.simplefilter("ignore", ErfaWarning)
        if "time" in (cube.extra_coords.keys() or ()):
            times = cube.axis_world_coords("time", wcs=cube.extra_coords)[0]
        else:
            times = next((each for each in cube.axis_world_coords(0) if isinstance(each, Time)), None)
    if not isinstance(times, Time) or times[0].jd < _FIRST_DAY:
        raise ObservationError(
            "cube: nothing tells the dates of its frames; give them by cube.extra_coords.add('time', 0, Time(...))."
        )
    if len(times) < 2 or not (np.diff((times - times[0]).to_value(u.s)) > 0).all():
        raise ObservationError(
            f"cube: expected two frames or more in the order of their times, got {len(times)} from {times[0].isot} to "
            f"{times[-1].isot}; sort them, and leave out those of the same time."
        )
    return Time(times.utc, format="isot")


def _geometry(cube: NDCube) -> tuple[bool, u.Quantity | None]:
    """Whether longitudes fall along columns, and arcsec per pixel along rows and columns at the centre of the disk."""
    wcs = fits_wcs(cube.wcs.low_level_wcs)
    if wcs is None or not wcs.has_celestial:
        return False, None
    celestial = wcs.celestial
    step = pixel_step(celestial)
    # Latitudes may fall along the rows, since all is averaged with what is reflected.
    if abs(step[0, 1]) > abs(step[0, 0]):
        raise ObservationError(
            "cube: its rows run along longitudes and its columns along latitudes; exchange its last two axes."
        )
    distance = observer_distance(celestial).to_value(u.km)
    scale = np.hypot(*step)[::-1] / distance * u.rad / u.pix
    return bool(step[0, 0] < 0), scale.to(u.arcsec / u.pix)
