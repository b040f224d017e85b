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
from sunpy.coordinates import get_earth
from sunpy.map import GenericMap
from sunpy.sun import constants
from sunpy.util.exceptions import SunpyMetadataWarning

from sunpy_ml.exceptions import ObservationError

__all__ = ["celestial_wcs", "observation_time", "quiet_headers", "self_contained"]

#: Keywords that may hold the date of an observation, the best first.
TIME_KEYS = ("date-avg", "date-obs", "date_obs", "date-beg", "date-end")
# Warning filters belong to the whole process, so only one thread at a time may change and restore them.
_filters = threading.RLock()


@contextmanager
def quiet_headers() -> Iterator[None]:
    """Silence what sunpy and astropy say of imperfect headers; warnings of any other kind still pass."""
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore", SunpyMetadataWarning)
        warnings.simplefilter("ignore", AstropyWarning)
        yield


def observation_time(m: GenericMap) -> Time | None:
    """When the observation was made, or None where its header has no date."""
    if not any(m.meta.get(key) for key in TIME_KEYS):
        return None
    with quiet_headers():
        return m.date


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
            steps = wcs.pixel_scale_matrix
    except Exception as error:  # wcslib, astropy and sunpy each have their own
        reason = str(error).strip().splitlines()[-1]
        raise ObservationError(f"observation: its header describes no usable WCS ({reason}); mend it.") from error
    if not np.isfinite(steps).all() or np.linalg.det(steps) == 0:
        raise ObservationError(f"observation: the plate scale or rotation in its header is {steps.tolist()}; mend it.")
    return wcs


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
            earth = get_earth(added.get("date-obs", m.reference_date))
            added |= {
                "hgln_obs": earth.lon.to_value(u.deg),
                "hglt_obs": earth.lat.to_value(u.deg),
                "dsun_obs": earth.radius.to_value(u.m),
            }
        if not any(key in m.meta for key in ("rsun_ref", "rsun_obs", "solar_r", "radius")):
            added["rsun_ref"] = constants.radius.to_value(u.m)
        return type(m)(m.data, {**m.meta, **added}, mask=m.mask) if added else m
