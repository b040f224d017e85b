"""How fast the surface rotates at a latitude."""

from typing import Any

import astropy.units as u
import numpy as np
from sunpy.sun.constants import sidereal_rotation_rate
from sunpy.sun.models import differential_rotation

__all__ = ["drift_rate", "rotation_rate"]

_LAWS = ("allen", "howard", "rigid", "snodgrass")


def rotation_rate(law: Any, latitude: u.Quantity) -> u.Quantity:
    """The sidereal rate of rotation at a latitude.

    Parameters
    ----------
    law : {"allen", "howard", "rigid", "snodgrass"} or astropy.units.Quantity
        A law of `sunpy.sun.models.differential_rotation` ("rigid" is the rate of Carrington coordinates), one rate for
        all latitudes, or the coefficients A, B and C of A + B s + C s**2, with s the square of the sine
        of the latitude.
    latitude : astropy.units.Quantity
        Heliographic.

    Returns
    -------
    astropy.units.Quantity
        In degrees per day.

    Raises
    ------
    ValueError
        If there is no such law.
    astropy.units.UnitConversionError
        If ``law`` is no rate.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.emergence import rotation_rate
    >>> rotation_rate([14.42, -2.00, -2.09] * u.deg / u.day, 30 * u.deg)
    <Quantity 13.789375 deg / d>
    """
    if isinstance(law, u.Quantity):
        coefficients = np.atleast_1d(law.to(u.deg / u.day))
        if coefficients.shape not in ((1,), (3,)) or not np.isfinite(coefficients).all():
            raise ValueError(f"rotation: got {law}, expected one rate, or the coefficients A, B and C.")
        square = np.sin(latitude) ** 2
        return sum(part * square**power for power, part in enumerate(coefficients))
    if law not in _LAWS:
        raise ValueError(f"rotation: got {law!r}, choose from {_LAWS} or give a rate.")
    return (differential_rotation(1 * u.day, latitude, model=law, frame_time="sidereal") / u.day).to(u.deg / u.day)


def drift_rate(law: Any, latitude: u.Quantity) -> u.Quantity:
    """The rate at which Carrington longitudes of the surface grow at a latitude, in degrees per day."""
    return rotation_rate(law, latitude) - sidereal_rotation_rate.to(u.deg / u.day)
