"""Where the solar disk ends."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS
from sunpy.map import GenericMap

from sunpy_ml.observations.orientation import pixel_matrix

__all__ = ["beyond_limb"]


def beyond_limb(wcs: WCS, m: GenericMap) -> npt.NDArray[Any] | None:
    """True for the pixels of ``wcs`` that look past the limb; None on grids that are not helioprojective.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Of the image, with its ``array_shape``.
    m : sunpy.map.GenericMap
        A Map that tells the solar radius and the observer's distance.

    Notes
    -----
    Positions are taken as linear in the pixels: the tangent projection departs from that by less than 0.03
    arcsec at the limb.
    """
    if not wcs.wcs.ctype[wcs.wcs.lng].startswith("HPLN"):
        return None
    limb = np.arcsin((m.rsun_meters / m.dsun).to_value(u.one)) * u.rad
    (a, b), (c, d) = pixel_matrix(wcs)
    rows, columns = wcs.array_shape
    x = np.arange(1, columns + 1) - wcs.wcs.crpix[0]
    y = (np.arange(1, rows + 1) - wcs.wcs.crpix[1])[:, np.newaxis]
    west, north = (wcs.wcs.crval[axis] * wcs.wcs.cunit[axis].to("arcsec") for axis in (wcs.wcs.lng, wcs.wcs.lat))
    return np.hypot(a * x + b * y + west, c * x + d * y + north) > limb.to_value(u.arcsec)
