"""The rotation of the Sun, as images show it."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.time import Time
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame
from sunpy.coordinates import HeliographicStonyhurst

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import ImageSequence, carried_by_rotation, quiet_headers

__all__ = ["surface_rotation"]

Array = npt.NDArray[Any]

# Over which the surface is followed: long enough to be exact in numbers, short enough for a straight path.
_SECONDS = 600.0
# Pixels that are followed at a time, which bounds the memory.
_AT_A_TIME = 2**18


def surface_rotation(sequence: ImageSequence, *, followed: bool = False) -> Array:
    """The velocity with which differential rotation carries the surface across images.

    By sunpy's model of it (that of Howard, Harvey & Forgach 1990 for magnetic features), as an observer sees it who
    stays where he is as seen from the Earth.

    Parameters
    ----------
    sequence : ImageSequence
        With celestial coordinates, a time and an observer.
    followed : bool
        Whether the images follow the rotation of the middle of their field, which is then taken away.

    Returns
    -------
    numpy.ndarray
        (2, y, x) in km/s along solar x, then y, across the line of sight; NaN beyond the limb.

    Raises
    ------
    ObservationError
        If nothing tells the coordinates, the time or the observer.
    """
    wcs, time = sequence.wcs, sequence.start
    with quiet_headers():
        frame = None if wcs is None else wcs_to_celestial_frame(wcs)
    unseen = getattr(frame, "observer", "") is None
    if wcs is None or time is None or unseen:
        raise ObservationError(
            "observations: nothing tells from where, where on the Sun or when they were made, so that their rotation "
            "cannot be removed; give images with celestial coordinates, observer and times."
        )
    rows, columns = sequence.frames.shape[1:]
    row, column = (grid.ravel() for grid in np.indices((rows, columns)))
    parts = range(0, row.size, _AT_A_TIME)
    carried = [_steps(wcs, time, column[i : i + _AT_A_TIME], row[i : i + _AT_A_TIME]) for i in parts]
    steps = np.concatenate(carried, axis=1)
    if followed:
        steps = steps - _steps(wcs, time, np.array([(columns - 1) / 2]), np.array([(rows - 1) / 2]))
    return (sequence.step @ steps / _SECONDS).reshape(2, rows, columns)


def _steps(wcs: WCS, time: Time, column: Array, row: Array) -> Array:
    """Pixels, along columns, then rows, by which what is at a place is carried."""
    later = time + _SECONDS * u.s
    with quiet_headers(), np.errstate(invalid="ignore"):
        place = wcs.pixel_to_world(column, row)
        carried = carried_by_rotation(SkyCoord(place.data, frame=_at(place.frame, time)), later)
        there = carried.transform_to(_at(place.frame, later)).spherical
        angles = {wcs.wcs.lng: there.lon, wcs.wcs.lat: there.lat}
        units = [u.Unit(unit) for unit in wcs.world_axis_units]
        moved = wcs.world_to_pixel_values(*(angles[axis].to_value(unit) for axis, unit in enumerate(units)))
    return np.stack(moved) - np.stack([column, row])


def _at(frame: Any, time: Time) -> Any:
    """A frame at another time, with the observer where he was as seen from the Earth."""
    if getattr(frame, "observer", None) is None:
        return frame.replicate_without_data(obstime=time)
    seen = frame.observer
    if not isinstance(seen, str):
        seen = seen.transform_to(HeliographicStonyhurst(obstime=seen.obstime))
        seen = HeliographicStonyhurst(seen.lon, seen.lat, seen.radius, obstime=time)
    return frame.replicate_without_data(obstime=time, observer=seen)
