"""The facts of an observation that decide whether a network was trained on its like."""

import re
from typing import Any

import astropy.units as u
import numpy as np
from astropy.wcs import WCS
from sunpy.map import GenericMap

from sunpy_ml.observations.headers import celestial_wcs, told
from sunpy_ml.observations.orientation import pixel_matrix
from sunpy_ml.weights import Facts

__all__ = ["observation_facts", "observed_wavelength", "plate_scale"]

_KEYS = ("wavelnth", "wave_len", "wave", "wavelength", "filter")
_NUMBER = re.compile(r"(?<![\w.])(\d{2,5}(?:\.\d+)?)\s*(nm|angstrom|aa?|um|micron)?(?![\w.])")
_UNITS = {"nm": u.nm, "um": u.um, "micron": u.um}
# Lines that filters are named after, in angstrom, for headers that give no number.
_NAMED_LINES = {r"h[- _]?a(lpha)?": 6562.8, r"ca ?ii ?h": 3968.5, r"ca ?ii ?k": 3933.7, r"g[- _]?band": 4305.0}


def observed_wavelength(m: GenericMap) -> u.Quantity | None:
    """The wavelength of a Map, from whichever keyword tells it.

    sunpy's own ``wavelength`` is used where it has a unit. Else words such as ``WAVE = 'TF Fe I 5576'`` are
    parsed, and a bare number is taken as angstrom where it is 1000 or more, as nanometres between 300 and
    1000 only when the header names that unit or the number has decimals (``450.4``); else it is unknown.

    Parameters
    ----------
    m : sunpy.map.GenericMap
        Any Map.

    Returns
    -------
    astropy.units.Quantity or None
        None where the header does not tell.

    Examples
    --------
    >>> from sunpy_ml.observations import observed_wavelength
    >>> from sunpy_ml.simulation import halpha_scene
    >>> observed_wavelength(halpha_scene("quiet"))
    <Quantity 656.28 nm>
    """
    wavelength = told(m, "wavelength")
    if wavelength is not None and wavelength.unit.is_equivalent(u.nm) and 0 < wavelength.value < np.inf:
        return wavelength.to(u.nm)
    for key in _KEYS:
        found = _parse_wavelength(m.meta.get(key))
        if found is not None:
            return found
    return None


def _parse_wavelength(value: Any) -> u.Quantity | None:
    words = str(value or "").strip().lower()
    if words.startswith("-"):
        return None
    for match in _NUMBER.finditer(words):
        number, unit = float(match[1]), match[2]
        if unit:
            return (number * _UNITS.get(unit, u.AA)).to(u.nm)
        if number >= 1000:
            return (number * u.AA).to(u.nm)
        if number >= 300 and "." in match[1]:
            return number * u.nm
    for name, wavelength in _NAMED_LINES.items():
        if re.search(rf"(?<![a-z]){name}(?![a-z])", words):
            return (wavelength * u.AA).to(u.nm)
    return None


def plate_scale(wcs: WCS, m: GenericMap) -> u.Quantity:
    """Arcsec per pixel along x and y, as seen by the observer.

    On a heliographic grid a degree is a length on the solar surface, so it is converted by the solar radius
    and the observer's distance, never by the unit conversion of degrees.
    """
    steps = np.hypot(*pixel_matrix(wcs)) * u.arcsec
    if not wcs.wcs.ctype[wcs.wcs.lng].startswith("HPLN"):
        length = steps.to_value(u.rad) * m.rsun_meters
        steps = np.arctan((length / m.dsun).to_value(u.one)) * u.rad
    return steps.to(u.arcsec) / u.pix


def observation_facts(m: GenericMap) -> Facts:
    """The facts of a Map whose header is complete (see `~sunpy_ml.observations.self_contained`)."""
    scale = plate_scale(celestial_wcs(m), m)
    size = np.array(m.data.shape[::-1]) * u.pix
    return Facts(observed_wavelength(m), plate_scale=scale, field_of_view=scale * size, unit=told(m, "unit"))
