"""Where a simulated sequence looks: pixels, times and coordinates."""

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time, TimeDelta
from astropy.wcs import WCS
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective
from sunpy.map import GenericMap
from sunpy.sun import constants

from sunpy_ml.simulation.plate_scale import pixel_angle

__all__ = ["Pointing", "look", "look_like"]

# A Map may be turned by so much, and its pixels may be so far from square.
_TILT = 1 * u.deg
_SQUARE = 1e-3


@dataclass(frozen=True)
class Pointing:
    """
    Where and when pixels look; solar north is up.

    Parameters
    ----------
    scale : `~astropy.units.Quantity`
        Plate scale.
    distance : `~astropy.units.Quantity`
        From the observer to the centre of the Sun.
    time : `~astropy.time.Time`
        Of the first frame.
    center : tuple of float
        Tx and Ty of the reference pixel, in arcsec.
    reference : tuple of float
        The reference pixel, counted from 1 as in FITS: column and row.
    observer : tuple of float
        Stonyhurst longitude and latitude of the observer, in degrees.
    radius : `~astropy.units.Quantity`
        Of the Sun.
    """

    scale: u.Quantity
    distance: u.Quantity
    time: Time
    center: tuple[float, float]
    reference: tuple[float, float]
    observer: tuple[float, float]
    radius: u.Quantity

    @property
    def pixel(self) -> u.Quantity:
        """Size of a pixel at the distance of the Sun's centre: 725.27 km for an arcsec from 1 au."""
        return (self.distance * (self.scale * u.pix).to_value(u.rad)).to(u.km)

    def wcs(self, cadence: u.Quantity, *, start: u.Quantity) -> WCS:
        """Return coordinates (time, Ty, Tx, in the order of the array), from a time after that of the first frame."""
        first = (self.time + TimeDelta(start)).utc
        wcs = WCS(naxis=3)
        header = wcs.wcs
        header.ctype = ["HPLN-TAN", "HPLT-TAN", "TIME"]
        header.cunit = ["arcsec", "arcsec", "s"]
        header.crpix = [*self.reference, 1.0]
        header.cdelt = [*[(self.scale * u.pix).to_value(u.arcsec)] * 2, cadence.to_value(u.s)]
        header.crval = [*self.center, 0.0]
        header.timesys = "UTC"
        # Both are given, day and date: astropy warns where it has to work one out from the other.
        header.dateref = header.dateobs = first.isot
        header.mjdref = [np.floor(first.mjd), first.mjd - np.floor(first.mjd)]
        header.mjdobs = first.mjd
        header.aux.rsun_ref = self.radius.to_value(u.m)
        header.aux.dsun_obs = self.distance.to_value(u.m)
        header.aux.hgln_obs, header.aux.hglt_obs = self.observer
        header.set()
        return wcs


def look(shape: tuple[int, int], scale: u.Quantity, center: SkyCoord | None, time: Time) -> Pointing:
    """Look at a place from 1 au at Stonyhurst longitude and latitude 0; the middle of the disk unless one is given."""
    pixel_angle(scale)  # refuses what is none
    if center is None:
        tx, ty = 0.0, 0.0
    elif not isinstance(center, SkyCoord) or not center.isscalar:
        raise TypeError(f"center is {center!r}: give a SkyCoord of one point, or None")
    else:
        if not isinstance(center.frame, Helioprojective):
            observer = HeliographicStonyhurst(0 * u.deg, 0 * u.deg, 1 * u.au, obstime=time)
            center = center.transform_to(Helioprojective(observer=observer, obstime=time))
        tx, ty = float(center.Tx.to_value(u.arcsec)), float(center.Ty.to_value(u.arcsec))
    rows, columns = shape
    return Pointing(scale, 1 * u.au, time, (tx, ty), ((columns + 1) / 2, (rows + 1) / 2), (0.0, 0.0), constants.radius)


def look_like(image: GenericMap) -> Pointing:
    """Look where a Map looks; the coordinates are those of its header."""
    matrix = np.asarray(image.rotation_matrix)
    tilt = np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])) * u.deg
    scales = u.Quantity([image.scale.axis1, image.scale.axis2]).to(u.arcsec / u.pix)
    if abs(tilt) > _TILT or np.linalg.det(matrix) < 0 or (scales <= 0).any():
        raise ValueError(f"image is turned by {tilt:.1f}: make solar north up first, with image.rotate()")
    if abs(scales[1] / scales[0] - 1) > _SQUARE:
        raise ValueError(f"image has pixels of {scales}: make them square first, with image.resample()")
    wcs: Any = image.wcs.wcs
    center = [float(u.Quantity(wcs.crval[axis], wcs.cunit[axis]).to_value(u.arcsec)) for axis in (0, 1)]
    return Pointing(
        scales[0],
        image.dsun.to(u.m),
        image.date,
        (center[0], center[1]),
        (float(wcs.crpix[0]), float(wcs.crpix[1])),
        (
            float(image.observer_coordinate.lon.to_value(u.deg)),
            float(image.observer_coordinate.lat.to_value(u.deg)),
        ),
        image.rsun_meters,
    )
