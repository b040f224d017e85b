"""Where the solar disk ends."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS
from sunpy.map import GenericMap

from sunpy_ml.observations.orientation import pixel_matrix

__all__ = ["beyond_limb", "limb_distance"]


def limb_distance(wcs: WCS, m: GenericMap, *, chunks: Any = None) -> Any:
    """Distance from the centre of the disk, in radii of the disk; None on grids that are not helioprojective.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Of the image, with its ``array_shape``.
    m : sunpy.map.GenericMap
        A Map that tells the solar radius and the observer's distance.
    chunks : tuple, optional
        Of a dask array, which is given instead of numbers.

    Returns
    -------
    numpy.ndarray, dask.array.Array or None
        float32, of the image's shape.

    Notes
    -----
    Positions are taken as linear in the pixels: the tangent projection departs from that by less than 0.03
    arcsec at the limb.
    """
    if not wcs.wcs.ctype[wcs.wcs.lng].startswith("HPLN"):
        return None
    limb = np.arcsin((m.rsun_meters / m.dsun).to_value(u.one)) * u.rad
    (a, b), (c, d) = pixel_matrix(wcs) / limb.to_value(u.arcsec)
    west, north = (
        wcs.wcs.crval[axis] * (wcs.wcs.cunit[axis] / limb.unit).to(u.one) / limb.value
        for axis in (wcs.wcs.lng, wcs.wcs.lat)
    )
    y, x = (_pixels(length, None if chunks is None else chunks[axis]) for axis, length in enumerate(wcs.array_shape))
    x, y = x - wcs.wcs.crpix[0], y[:, np.newaxis] - wcs.wcs.crpix[1]
    with np.errstate(over="ignore", invalid="ignore"):  # a header that points past all stars
        # In float64 along the axes and in float32 over the image, which may be large.
        to_west = (a * x + west).astype(np.float32) + (b * y).astype(np.float32)
        to_north = (c * x).astype(np.float32) + (d * y + north).astype(np.float32)
        return np.hypot(to_west, to_north)


def _pixels(length: int, chunks: Any) -> Any:
    """FITS coordinates of pixels along an axis."""
    if chunks is None:
        return np.arange(1.0, length + 1)
    import dask.array as da

    return da.arange(1.0, length + 1, chunks=(chunks,))


def beyond_limb(wcs: WCS, m: GenericMap) -> npt.NDArray[Any] | None:
    """True for the pixels of ``wcs`` that look past the limb; None on grids that are not helioprojective.

    Parameters
    ----------
    wcs, m
        As of `limb_distance`.
    """
    distance = limb_distance(wcs, m)
    return None if distance is None else distance > 1
