"""Magnetograms of HMI as MDI would have told them."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from sunpy_ml.observations.resampling import fill_invalid, resample, resample_valid
from sunpy_ml.optics import MDI

__all__ = ["FACTOR", "as_mdi"]

Array = npt.NDArray[Any]

#: What MDI tells where HMI tells one, at the centre of the disk (Liu et al. 2012).
FACTOR = 1.40
# Full width at half maximum of the blur that makes HMI as blunt as MDI, in arcsec, and that in standard deviations.
_BLUR, _WIDTH = 2.37, 2.3548


def as_mdi(image: Array, scale: tuple[float, float]) -> Array:
    """A magnetogram of HMI as MDI would have told it: blurred, on pixels not finer than MDI's, and stronger.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), NaN where it is unknown.
    scale : tuple of float
        Arcsec per pixel along rows and columns of the grid, as at the centre of the disk.

    Returns
    -------
    numpy.ndarray
        float32, NaN where less than half of a pixel is known. Of the shape of ``image``, unless its pixels are finer
        than 1.98 arcsec.

    References
    ----------
    Liu et al. 2012, Sol. Phys. 279, 295, https://doi.org/10.1007/s11207-012-9976-x

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.emergence.as_mdi import as_mdi
    >>> as_mdi(np.full((40, 40), 100.0), (0.99, 0.99))[:1, :2]
    array([[140., 140.]], dtype=float32)
    """
    valid = np.isfinite(image)
    sigma = [_BLUR / _WIDTH / step for step in scale]
    # What is unknown has no weight in its neighbours.
    weight = gaussian_filter(valid.astype(float), sigma, mode="nearest")
    total = gaussian_filter(np.where(valid, image, 0).astype(float), sigma, mode="nearest")
    blurred = np.divide(total, weight, out=np.full(image.shape, np.nan), where=valid)
    pixel = MDI.pixel.to_value(u.arcsec / u.pix)
    rows, columns = (
        min(size, max(1, round(size * step / pixel))) for size, step in zip(image.shape, scale, strict=True)
    )
    return FACTOR * on_pixels(blurred, (rows, columns))


def on_pixels(image: Array, shape: tuple[int, int]) -> Array:
    """An image with unknown pixels on other pixels over the same field, float32, NaN where less than half is known.

    Areas are averaged along an axis that shrinks, and a cubic spline drawn along one that grows.
    """
    if image.shape == shape:
        return image.astype(np.float32)
    valid = np.isfinite(image)
    new = resample(fill_invalid(image, valid), shape)
    new[~resample_valid(valid, shape)] = np.nan
    return new
