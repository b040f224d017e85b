"""Limb darkening: how the quiet Sun's level falls from the centre of the disk to the limb."""

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import torch
from numpy.polynomial import Polynomial

from sunpy_ml.observations import Prepared, Turn, limb_distance, self_contained, turned_wcs
from sunpy_ml.optics import HMI, Camera

__all__ = ["LimbDarkening", "fit_limb_darkening", "without_limb_darkening"]

Array = npt.NDArray[Any]

#: Least range of the cosine of the heliocentric angle over a field for which a profile is fitted.
LEAST_RANGE = 0.15
# Five terms describe the whole disk to 0.1 % (Pierce & Slaughter 1977); a part of it needs fewer.
_DEGREES = ((0.6, 5), (0.0, 2))
_BINS = 40
_SAMPLE = 1_000_000
# Within this many arcsec of the limb what is seen is not the disk's level but its blurred edge.
_RIM = 3.0
# How far the blurred edge is followed across the limb and along it, in arcsec, and in how many steps to a pixel.
_ACROSS, _ALONG, _STEPS = 60.0, 30.0, 5


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
        float32. Sky that was not observed holds the light that HMI would see there, since without it a network takes
        the edge of the field for that of the disk.

    None is returned where the level hardly varies, or where the limb is unknown.
    """
    image, complete = prepared.data, self_contained(prepared.base)
    chunks = getattr(image, "chunks", None)
    distance = limb_distance(prepared.wcs, complete, chunks=chunks)
    if distance is None:
        return None
    limb = float(np.arcsin((complete.rsun_meters / complete.dsun).to_value(u.one)) * u.rad.to(u.arcsec))
    step = max(1, round((image.size / _SAMPLE) ** 0.5))
    thin = slice(None, None, step), slice(None, None, step)
    sample, sampled = np.array(image[thin]), np.asarray(distance[thin])
    if prepared.mask is not None:
        sample[prepared.mask[thin]] = np.nan
    sample[sampled > 1 - _RIM / limb] = np.nan
    darkening = fit_limb_darkening(sample, sampled)
    if darkening is None:
        return None
    if prepared.mask is not None and (prepared.mask[thin] & (sampled > 1 - _RIM / limb)).any():
        image = _with_sky(image, prepared.mask, distance, darkening, limb)
    finer = turned_wcs(prepared.wcs, Turn(), image.shape, (factor, factor))
    finer_chunks = None if chunks is None else tuple(tuple(factor * size for size in sizes) for sizes in chunks)
    return image / darkening.level(distance), darkening.level(limb_distance(finer, complete, chunks=finer_chunks))


def _with_sky(image: Any, missing: Array, distance: Any, darkening: LimbDarkening, limb: float) -> Any:
    """An image with the light that HMI would see in pixels about the limb and beyond it that are missing."""
    places, light = _light_about_limb(darkening, limb)

    def filled(values: Array, missing: Array, distance: Array) -> Array:
        sky = missing & (distance > 1 - _RIM / limb)
        return np.where(sky, np.interp(distance, places, light), values).astype(np.float32)

    if isinstance(image, np.ndarray):
        return filled(image, missing, distance)
    import dask.array as da

    return da.map_blocks(filled, image, da.from_array(missing, chunks=image.chunks), distance, dtype=np.float32)


def _light_about_limb(darkening: LimbDarkening, limb: float) -> tuple[Array, Array]:
    """Distances from the centre of the disk, in its radii, and the light that HMI sees there of a disk without sky."""
    fine = HMI.pixel / _STEPS
    step = float(fine.to_value(u.arcsec / u.pix))
    x, y = (step * np.arange(-round(reach / step), round(reach / step) + 1) for reach in (_ACROSS, _ALONG))
    distance = np.hypot(limb + x, y[:, np.newaxis]) / limb
    covered = np.clip((1 - distance) * limb / step + 0.5, 0, 1)
    disk = (darkening.level(distance.clip(max=1).astype(np.float32)) * covered).astype(np.float32)
    camera = Camera(HMI, (y.size, x.size), scale=fine, pixel=fine, integrate=False)
    seen = camera(torch.from_numpy(disk)).numpy()[y.size // 2]
    return 1 + x / limb, np.convolve(seen, np.full(_STEPS, 1 / _STEPS), "same")


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
