"""Headers that are poor: what they leave out is completed in silence, on a copy, so that a WCS can be asked."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from erfa import ErfaWarning
from sunpy.coordinates import get_earth
from sunpy.map import GenericMap
from sunpy.sun import constants
from sunpy.time import is_time
from sunpy.util.exceptions import SunpyMetadataWarning

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations.orientation import pixel_matrix

__all__ = ["celestial_wcs", "check_pixels", "observation_time", "quiet_headers", "self_contained", "told"]

#: Keywords that may hold the date of an observation, the best first.
TIME_KEYS = ("date-avg", "date-obs", "date_obs", "date-beg", "date-end")
# Axes that are places on the Sun or about it, by the first letters of their CTYPE.
_SOLAR = ("HPL", "HGL", "CRL")
# Sides of a pixel, in arcsec, beyond which a header is wrong rather than unusual.
_PIXEL = 1e-4, 1e5
# The area of a pixel over the product of its sides, below which its sides are one direction.
_LEAST_AREA = 1e-6
# The solar radius over the observer's distance, and the latter in au.
_RADII, _FARTHEST = (1e-6, 1.0), 1000.0
# The year of the first observation through a telescope.
_FIRST_YEAR = "1610"
# Warning filters belong to the whole process, so only one thread at a time may change and restore them.
_filters = threading.RLock()


@contextmanager
def quiet_headers() -> Iterator[None]:
    """Silence what sunpy and astropy say of imperfect headers; warnings of any other kind still pass."""
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore", SunpyMetadataWarning)
        warnings.simplefilter("ignore", AstropyWarning)
        # Of years before 1960 or far ahead.
        warnings.simplefilter("ignore", ErfaWarning)
        yield


def observation_time(m: GenericMap) -> Time | None:
    """When the observation was made, or None where its header has no date that can be read."""
    # Without one sunpy takes now.
    if not any(_is_date(m.meta.get(key)) for key in TIME_KEYS):
        return None
    time: Time | None = told(m, "date")
    return time


def _is_date(value: Any) -> bool:
    try:
        with quiet_headers():
            return bool(value) and bool(is_time(value))
    except Exception:  # what is no word at all fails in its own way
        return False


def told(m: GenericMap, name: str) -> Any:
    """What a property of a Map tells, or None where sunpy can make nothing of the keywords behind it."""
    try:
        with quiet_headers():
            return getattr(m, name)
    except Exception:  # a keyword of the wrong kind fails each property in its own way
        return None


def celestial_wcs(m: GenericMap) -> WCS:
    """The WCS of a Map whose header is complete.

    Raises
    ------
    ObservationError
        If the header describes none that can be used.
    """
    try:
        with quiet_headers(), np.errstate(all="ignore"):
            wcs = m.wcs
            radius, distance = m.rsun_meters.to_value(u.m), m.dsun.to_value(u.m)
            numbers = *m.scale, *m.reference_pixel, m._reference_longitude, m._reference_latitude
            # Infinite numbers are lost on the way to a WCS, which takes its defaults.
            if not np.isfinite([*(number.value for number in numbers), *np.ravel(m.rotation_matrix)]).all():
                raise ValueError("CDELT, CRPIX, CRVAL, PC, CD or CROTA is not finite")
    except Exception as error:  # wcslib, astropy and sunpy each have their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise ObservationError(f"observation: its header describes no usable WCS ({reason}); mend it.") from error
    check_pixels(wcs)
    if not (0 < distance <= _FARTHEST * u.au.to(u.m) and _RADII[0] < radius / distance < _RADII[1]):
        raise ObservationError(
            f"observation: its header tells of a Sun with a radius of {radius:.4g} m, seen from {distance:.4g} m; mend "
            "RSUN_REF, RSUN_OBS or DSUN_OBS."
        )
    if "" < wcs.wcs.dateavg < _FIRST_YEAR:
        raise ObservationError(f"observation: its date is {wcs.wcs.dateavg}, before all telescopes; mend DATE-OBS.")
    return wcs


def check_pixels(wcs: WCS) -> None:
    """Raise unless two axes tell where on the Sun pixels look, and how large they are.

    Raises
    ------
    ObservationError
        If they do not.
    """
    names = list(wcs.wcs.ctype)
    if wcs.wcs.lng < 0 or wcs.wcs.lat < 0 or not all(name.startswith(_SOLAR) for name in names):
        raise ObservationError(
            f"observation: its CTYPE are {names}, which are no places on the Sun; reproject it to helioprojective or "
            "heliographic axes."
        )
    with np.errstate(all="ignore"):
        matrix = pixel_matrix(wcs)
        sides = np.hypot(*matrix)
        area = abs(np.linalg.det(matrix / sides))
    if not ((_PIXEL[0] <= sides) & (sides <= _PIXEL[1])).all() or not area > _LEAST_AREA:
        raise ObservationError(
            f"observation: the plate scale or rotation in its header is {matrix.tolist()} arcsec; mend it."
        )
    if not np.isfinite([*wcs.wcs.crpix, *wcs.wcs.crval]).all():
        raise ObservationError(
            f"observation: its CRPIX are {wcs.wcs.crpix.tolist()} and its CRVAL {wcs.wcs.crval.tolist()}; mend them."
        )


def self_contained(m: GenericMap) -> GenericMap:
    """A Map on the same data whose header names observer, date and solar radius, so that its WCS can be asked.

    What is missing is taken as sunpy takes it (now, seen from the Earth, photospheric radius). The Map that is
    given is not changed.
    """
    with quiet_headers():
        added: dict[str, Any] = {}
        if observation_time(m) is None:
            added["date-obs"] = Time.now().isot
        if not any(set(keys) <= m.meta.keys() for keys, _ in m._supported_observer_coordinates):
            earth = get_earth(added.get("date-obs") or told(m, "reference_date") or Time.now())
            added |= {
                "hgln_obs": earth.lon.to_value(u.deg),
                "hglt_obs": earth.lat.to_value(u.deg),
                "dsun_obs": earth.radius.to_value(u.m),
            }
        if not any(key in m.meta for key in ("rsun_ref", "rsun_obs", "solar_r", "radius")):
            added["rsun_ref"] = constants.radius.to_value(u.m)
        return type(m)(m.data, {**m.meta, **added}, mask=m.mask) if added else m
