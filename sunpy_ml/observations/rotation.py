"""Where the rotation of the Sun carries places of its surface."""

from typing import Any

import astropy.units as u
from astropy.coordinates import SkyCoord
from sunpy.coordinates import HeliocentricInertial
from sunpy.sun.models import differential_rotation
from sunpy.time import parse_time

__all__ = ["carried_by_rotation"]


def carried_by_rotation(places: SkyCoord, until: Any) -> SkyCoord:
    """Where differential rotation carries places of the surface.

    By sunpy's model of it (that of Howard, Harvey & Forgach 1990 for magnetic features). Unlike
    `sunpy.coordinates.propagate_with_solar_surface` it leaves the transformations of other threads as they are.

    Parameters
    ----------
    places : astropy.coordinates.SkyCoord
        Heliographic or helioprojective, with their time; points of two dimensions are on the surface.
    until : astropy.time.Time, datetime.datetime or str
        Before or after that time; anything that `sunpy.time.parse_time` takes.

    Returns
    -------
    astropy.coordinates.SkyCoord
        In heliocentric inertial coordinates.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from sunpy.coordinates import HeliographicCarrington
    >>> from sunpy_ml.observations import carried_by_rotation
    >>> frame = {"observer": "earth", "frame": HeliographicCarrington}
    >>> place = SkyCoord(10 * u.deg, 45 * u.deg, obstime="2011-02-14", **frame)
    >>> later = carried_by_rotation(place, "2011-02-15")
    >>> bool(later.transform_to(place.frame.replicate_without_data(obstime=later.obstime)).lon < place.lon)
    True
    """
    until = parse_time(until)
    here = SkyCoord(places.frame.make_3d()).transform_to(HeliocentricInertial(obstime=places.obstime))
    turned = differential_rotation((until - places.obstime).to(u.s), here.lat, model="howard", frame_time="sidereal")
    return SkyCoord(here.lon + turned, here.lat, here.distance, frame=HeliocentricInertial(obstime=until))
