"""Where the rotation of the Sun carries places of its surface."""

import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import HeliocentricInertial
from sunpy.sun.models import differential_rotation

__all__ = ["carried_by_rotation"]


def carried_by_rotation(places: SkyCoord, until: Time) -> SkyCoord:
    """Where differential rotation carries places of the surface.

    By sunpy's model of it (that of Howard, Harvey & Forgach 1990 for magnetic features). Unlike
    `sunpy.coordinates.propagate_with_solar_surface` it leaves the transformations of other threads as they are.

    Parameters
    ----------
    places : astropy.coordinates.SkyCoord
        Heliographic or helioprojective, with their time; points of two dimensions are on the surface.
    until : astropy.time.Time
        Before or after that time.

    Returns
    -------
    astropy.coordinates.SkyCoord
        In heliocentric inertial coordinates.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from astropy.time import Time
    >>> from sunpy.coordinates import HeliographicCarrington
    >>> from sunpy_ml.observations import carried_by_rotation
    >>> frame = {"observer": "earth", "frame": HeliographicCarrington}
    >>> place = SkyCoord(10 * u.deg, 45 * u.deg, obstime="2011-02-14", **frame)
    >>> later = carried_by_rotation(place, Time("2011-02-15"))
    >>> bool(later.transform_to(place.frame.replicate_without_data(obstime=later.obstime)).lon < place.lon)
    True
    """
    here = SkyCoord(places.frame.make_3d()).transform_to(HeliocentricInertial(obstime=places.obstime))
    turned = differential_rotation((until - places.obstime).to(u.s), here.lat, model="howard", frame_time="sidereal")
    return SkyCoord(here.lon + turned, here.lat, here.distance, frame=HeliocentricInertial(obstime=until))
