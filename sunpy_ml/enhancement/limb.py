"""Limb darkening: how the quiet Sun's level falls from the centre of the disk to the limb."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Polynomial

from sunpy_ml.observations import Prepared, Turn, limb_distance, self_contained, turned_wcs

__all__ = ["LimbDarkening", "fit_limb_darkening", "without_limb_darkening"]

Array = npt.NDArray[Any]

#: Least range of the cosine of the heliocentric angle over a field for which a profile is fitted.
LEAST_RANGE = 0.15
# Five terms describe the whole disk to 0.1 % (Pierce & Slaughter 1977); a part of it needs fewer.
_DEGREES = ((0.6, 5), (0.0, 2))
_BINS = 40
_SAMPLE = 1_000_000


@dataclass(frozen=True)
class LimbDarkening:
    """Level of the quiet Sun against the cosine of the heliocentric angle.

    Attributes
    ----------
    logarithm : numpy.polynomial.Polynomial
        Of the level, so that it is positive everywhere.
    """

    logarithm: Polynomial

    def level(self, distance: Any) -> Any:
        """The level at distances from the centre of the disk, in its radii; as at the limb beyond it."""
        cosine = _cosine(distance)
        logarithm: Any = 0.0
        # By Horner's rule, since numpy's polynomials compute dask arrays.
        for coefficient in self.logarithm.convert().coef[::-1].astype(np.float32):
            logarithm = logarithm * cosine + coefficient
        return np.exp(logarithm)


def without_limb_darkening(prepared: Prepared, factor: int) -> tuple[Any, Any] | None:
    """An image over the level of the quiet Sun there, and that level at each of ``factor`` times finer pixels.

    Parameters
    ----------
    prepared : sunpy_ml.observations.Prepared
        A continuum image.
    factor : int
        Finer pixels for one, along each axis.

    Returns
    -------
    image, level : numpy.ndarray or dask.array.Array
        float32.

    None is returned where the level hardly varies, or where the limb is unknown.
    """
    image, complete = prepared.data, self_contained(prepared.base)
    chunks = getattr(image, "chunks", None)
    distance = limb_distance(prepared.wcs, complete, chunks=chunks)
    if distance is None:
        return None
    step = max(1, round((image.size / _SAMPLE) ** 0.5))
    thin = slice(None, None, step), slice(None, None, step)
    sample = np.array(image[thin])
    if prepared.mask is not None:
        sample[np.asarray(prepared.mask[thin])] = np.nan
    darkening = fit_limb_darkening(sample, np.asarray(distance[thin]))
    if darkening is None:
        return None
    finer = turned_wcs(prepared.wcs, Turn(), image.shape, (factor, factor))
    finer_chunks = None if chunks is None else tuple(tuple(factor * size for size in sizes) for sizes in chunks)
    return image / darkening.level(distance), darkening.level(limb_distance(finer, complete, chunks=finer_chunks))


def _cosine(distance: Any) -> Any:
    return np.sqrt(np.maximum(1 - distance * distance, 0))


def fit_limb_darkening(image: Array, distance: Array) -> LimbDarkening | None:
    """Fit the profile of a field, or tell that it needs none.

    What it is divided by is multiplied back in the end, so that it must be smooth, more than it must be right.

    Parameters
    ----------
    image : numpy.ndarray
        Continuum intensity, NaN where it is not valid.
    distance : numpy.ndarray
        From the centre of the disk, in its radii.

    Returns
    -------
    LimbDarkening or None
        None where the cosine of the heliocentric angle ranges over less than 0.15.

    References
    ----------
    Pierce & Slaughter 1977, Solar Physics 51, 25, https://doi.org/10.1007/BF00240442

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.enhancement.limb import fit_limb_darkening
    >>> x = np.linspace(-0.99, 0.99, 300)
    >>> distance = np.hypot(x, x[:, None]).clip(max=0.999)
    >>> image = 0.4 + 0.6 * np.sqrt(1 - distance**2)
    >>> darkening = fit_limb_darkening(image, distance)
    >>> bool(abs(image / darkening.level(distance) - 1).max() < 0.02)
    True
    """
    usable = np.isfinite(image) & (image > 0) & (distance < 1)
    cosine, level = _cosine(distance[usable].astype(np.float64)), np.log(image[usable].astype(np.float64))
    if not cosine.size or np.ptp(cosine) < LEAST_RANGE:
        return None
    degree = next(degree for least, degree in _DEGREES if np.ptp(cosine) >= least)
    # Medians over as many pixels each, which spots hardly move.
    order = np.array_split(np.argsort(cosine), min(_BINS, max(degree + 1, cosine.size // 50)))
    centres, medians = (np.array([np.median(values[part]) for part in order]) for values in (cosine, level))
    return LimbDarkening(Polynomial.fit(centres, medians, degree))
