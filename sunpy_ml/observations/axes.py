"""What the axes of images tell: where pixels look, how large they are at the Sun, and when."""

from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.time import Time
from astropy.wcs import WCS
from ndcube import NDCube
from sunpy.coordinates import get_earth
from sunpy.sun import constants

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations.headers import check_pixels
from sunpy_ml.observations.orientation import pixel_matrix
from sunpy_ml.observations.unwrapping import fits_wcs

__all__ = ["CubeAxes", "cube_axes", "even_interval", "observer_distance", "pixel_step"]

Array = npt.NDArray[Any]

# The part of the mean interval by which an interval may differ from it.
_EVEN = 0.05
# Below the finite number (9.9e107) by which WCSLIB tells that nothing is known, and astropy 7.0 does not translate.
_UNKNOWN = 9e107


class CubeAxes(NamedTuple):
    """What the WCS of an NDCube (time, y, x) tells.

    Parameters
    ----------
    wcs : astropy.wcs.WCS or None
        The two celestial axes; None where there are none.
    step : numpy.ndarray or None
        (2, 2): km towards solar x, then y, of a step along columns, then rows; None where the WCS does not tell.
    start : astropy.time.Time or None
        Of the first plane.
    cadence : astropy.units.Quantity or None
        Mean interval of the planes; None where there is no axis of times, or only one plane without an interval.
    """

    wcs: WCS | None
    step: Array | None
    start: Time | None
    cadence: u.Quantity | None


def cube_axes(cube: NDCube) -> CubeAxes:
    """What the WCS of an NDCube (time, y, x) tells, sliced, rebinned or neither.

    Raises
    ------
    ObservationError
        If the cube has other axes, times that do not rise evenly, or a WCS that is not one of FITS.
    """
    types = cube.array_axis_physical_types
    places = [any("pos." in str(kind) or "lon" in str(kind) for kind in axis) for axis in types]
    if cube.data.ndim != 3 or places[0] or places[1] != places[2]:
        raise ObservationError(f"observations: expected an NDCube (time, y, x), got {cube.shape} with axes {types}.")
    low = cube.wcs.low_level_wcs
    wcs = fits_wcs(low)
    if wcs is None:
        raise ObservationError(
            f"observations: expected an NDCube with a FITS WCS of three axes, got {type(low).__name__}."
        )
    celestial = wcs.sub([1, 2]) if places[1] else None
    if celestial is not None:
        check_pixels(celestial)
        celestial.array_shape = cube.data.shape[1:]
    start, cadence = _cube_times(cube, wcs)
    return CubeAxes(celestial, _linear_step(wcs) if celestial is None else pixel_step(celestial), start, cadence)


def _cube_times(cube: NDCube, wcs: WCS) -> tuple[Time | None, u.Quantity | None]:
    count = cube.data.shape[0]
    if "time" in (cube.extra_coords.keys() or ()):
        times = cube.axis_world_coords("time", wcs=cube.extra_coords)[0]
        return (times[0], even_interval(times)) if isinstance(times, Time) else (None, None)
    unit = u.Unit(str(wcs.wcs.cunit[2]))
    if not unit.is_equivalent(u.s):
        return None, None
    planes = np.arange(max(count, 2))
    seconds = cube.wcs.low_level_wcs.pixel_to_world_values(0 * planes, 0 * planes, planes)[2] * unit
    # DATEREF alone is not enough: astropy counts from MJDREF, which it makes of it where it reads a header.
    dated = wcs.wcs.ctype[2] in ("TIME", "UTC", "TAI") and wcs.wcs.mjdref[0] > 0
    start = cube.wcs.pixel_to_world(0, 0, 0)[-1] if dated else None
    step = (seconds[1] - seconds[0]).to(u.s)
    return start, step if 0 < step.value < _UNKNOWN else None


def even_interval(times: Time) -> u.Quantity | None:
    """The interval of times that rise evenly; None where they are all the same, which tells nothing."""
    steps = (times[1:] - times[:-1]).to_value(u.s)
    if not steps.any():
        return None
    if steps.min() <= 0:
        raise ObservationError("observations: they are not in the order of their times; sort them.")
    if np.abs(steps - steps.mean()).max() > _EVEN * steps.mean():
        raise ObservationError(
            f"observations: they are {steps.min():.4g} to {steps.max():.4g} s apart; take such as are evenly apart, or "
            "give cadence= if their headers are wrong."
        )
    return steps.mean() * u.s


def _linear_step(wcs: WCS) -> Array | None:
    units = [u.Unit(str(unit)) for unit in list(wcs.wcs.cunit)[:2]]
    if not all(unit.is_equivalent(u.km) for unit in units):
        return None
    return wcs.pixel_scale_matrix[:2, :2] * [[unit.to(u.km)] for unit in units]


def observer_distance(wcs: WCS) -> u.Quantity:
    """From the observer to the Sun's centre: the Earth's where he is not told, and 1 au where no date is either."""
    if wcs.wcs.aux.dsun_obs:
        return wcs.wcs.aux.dsun_obs * u.m
    return get_earth(wcs.wcs.dateobs).radius if wcs.wcs.dateobs else 1 * u.au


def pixel_step(wcs: WCS) -> Array:
    """Kilometres towards solar x, then y, of a step along columns, then rows, (2, 2)."""
    if wcs.wcs.ctype[wcs.wcs.lng].startswith("HPLN"):
        radius = observer_distance(wcs)
    else:
        radius = (wcs.wcs.aux.rsun_ref or constants.radius.to_value(u.m)) * u.m
    return pixel_matrix(wcs) * (u.arcsec.to(u.rad) * radius.to_value(u.km))
