"""The grid of a patch on the Sun, and its WCS in one frame and over all of them."""

import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.coordinates import BaseCoordinateFrame, SkyCoord
from astropy.time import Time
from astropy.wcs import WCS
from sunpy.coordinates import HeliographicCarrington, HeliographicStonyhurst
from sunpy.util.exceptions import SunpyUserWarning

from sunpy_ml.exceptions import ObservationError

__all__ = ["PROJECTIONS", "PatchGrid", "carrington_place", "grid_shape"]

PROJECTIONS = ("CEA", "CAR")


@dataclass(frozen=True)
class PatchGrid:
    """Pixels around a place that rotates with the Sun.

    Parameters
    ----------
    shape : tuple of int
        Rows (latitude) and columns (longitude).
    scale : float
        Degrees per pixel.
    projection : {"CEA", "CAR"}
        Of FITS.
    latitude : float
        Of the middle, in degrees.
    """

    shape: tuple[int, int]
    scale: float
    projection: str
    latitude: float

    def wcs(self, longitude: float, frame: BaseCoordinateFrame) -> WCS:
        """Two celestial axes: Carrington longitude and latitude as at the time and for the observer of ``frame``."""
        wcs = WCS(naxis=2)
        self._fill(wcs, longitude, frame)
        wcs.array_shape = self.shape
        wcs.wcs.set()
        return wcs

    def cube_wcs(self, longitude: float, frame: BaseCoordinateFrame, times: Time) -> WCS:
        """The same with a linear axis of times, which is right for the first and the last of ``times``."""
        wcs = WCS(naxis=3)
        self._fill(wcs, longitude, frame)
        header, first = wcs.wcs, times[0].utc
        header.ctype = [*list(header.ctype)[:2], "TIME"]
        header.cunit = ["deg", "deg", "s"]
        header.crpix = [*list(header.crpix)[:2], 1.0]
        header.crval = [*list(header.crval)[:2], 0.0]
        header.cdelt = [self.scale, self.scale, (times[-1] - times[0]).to_value(u.s) / (len(times) - 1)]
        header.timesys = "UTC"
        header.dateref = first.isot
        header.mjdref = [np.floor(first.mjd), first.mjd - np.floor(first.mjd)]
        wcs.array_shape = (len(times), *self.shape)
        header.set()
        return wcs

    def _fill(self, wcs: WCS, longitude: float, frame: BaseCoordinateFrame) -> None:
        rows, columns = self.shape
        middle = (rows + 1) / 2
        # CEA is centred on the patch, as that of SHARPs is, so that pixels are square there. CAR keeps the latitudes
        # along its rows: its reference must lie on the equator.
        oblique = self.projection == "CEA"
        header, count = wcs.wcs, wcs.naxis
        pad = [0.0] * (count - 2)
        header.ctype = [f"CRLN-{self.projection}", f"CRLT-{self.projection}", *[""] * len(pad)]
        header.cunit = ["deg", "deg", *[""] * len(pad)]
        header.cdelt = [self.scale, self.scale, *[1.0] * len(pad)]
        header.crpix = [(columns + 1) / 2, middle if oblique else middle - self.latitude / self.scale, *pad]
        header.crval = [longitude % 360, self.latitude if oblique else 0.0, *pad]
        header.dateobs, header.mjdobs = frame.obstime.utc.isot, frame.obstime.utc.mjd
        observer = frame.observer.transform_to(HeliographicStonyhurst(obstime=frame.obstime))
        header.aux.rsun_ref = frame.rsun.to_value(u.m)
        header.aux.dsun_obs = observer.radius.to_value(u.m)
        header.aux.hgln_obs = observer.lon.to_value(u.deg)
        header.aux.hglt_obs = observer.lat.to_value(u.deg)


def grid_shape(size: u.Quantity, scale: u.Quantity) -> tuple[int, int]:
    """Rows and columns of a size in pixels or degrees, one for both or (latitude, longitude)."""
    per_pixel = u.deg / u.pix
    if not _is_a(scale, per_pixel) or not scale.isscalar or not 0 < scale.to_value(per_pixel) < np.inf:
        raise ObservationError(f"scale: expected degrees per pixel, such as 0.12 * u.deg / u.pix, got {scale!r}.")
    if not (_is_a(size, u.deg) or _is_a(size, u.pix)) or size.shape not in ((), (2,)):
        raise ObservationError(f"size: expected one or two lengths in u.deg or u.pix, got {size!r}.")
    pixels = size if size.unit.is_equivalent(u.pix) else size / scale
    rows, columns = (float(value) for value in np.broadcast_to(pixels.to_value(u.pix), 2))
    if not 2 <= min(rows, columns) <= max(rows, columns) < np.inf:
        raise ObservationError(f"size: {size} at {scale} are {rows:g} x {columns:g} pixels; give at least 2 x 2.")
    return round(rows), round(columns)


def _is_a(value: object, unit: u.UnitBase) -> bool:
    return isinstance(value, u.Quantity) and value.unit.is_equivalent(unit)


def carrington_place(centre: SkyCoord, observer: SkyCoord) -> tuple[float, float, Time]:
    """Carrington longitude and latitude of a place, in degrees, and the time for which they hold."""
    if not isinstance(centre, SkyCoord) or not centre.isscalar:
        raise ObservationError(f"centre: expected a SkyCoord of one point, got {centre!r}.")
    time = getattr(centre, "obstime", None)
    if time is None:
        raise ObservationError("centre: it has no time, and the Sun rotates; give obstime= to its SkyCoord.")
    seen = isinstance(getattr(centre, "observer", None), SkyCoord | BaseCoordinateFrame)
    if isinstance(centre.frame, HeliographicCarrington) and not seen:
        # Without an observer sunpy cannot transform it; its longitude already is what is asked for.
        place = centre
    else:
        with warnings.catch_warnings():
            # What sunpy says of places off the disk is said below, with the cure.
            warnings.simplefilter("ignore", SunpyUserWarning)
            place = centre.transform_to(HeliographicCarrington(observer=observer, obstime=time))
    longitude, latitude = place.lon.to_value(u.deg), place.lat.to_value(u.deg)
    if not np.isfinite([longitude, latitude]).all():
        raise ObservationError(f"centre: {centre} is not on the disk; give a place on the Sun.")
    return float(longitude), float(latitude), Time(time)
