"""Diffraction by a round aperture, with or without a round central obscuration."""

import math

import astropy.units as u
import torch

from sunpy_ml.optics.transfer import per_arcsec

__all__ = ["airy_mtf", "airy_psf", "annular_mtf"]


@u.quantity_input
def airy_mtf(
    frequency: u.Quantity[1 / u.arcsec],
    *,
    aperture: u.Quantity[u.m],
    wavelength: u.Quantity[u.m],
    obscuration: float = 0.0,
) -> torch.Tensor:
    """Modulation transfer function of an ideal telescope.

    Parameters
    ----------
    frequency : `~astropy.units.Quantity`
        Spatial frequencies, in cycles per angle; any shape.
    aperture : `~astropy.units.Quantity`
        Diameter of the entrance pupil.
    wavelength : `~astropy.units.Quantity`
        Of the light.
    obscuration : float
        Diameter of the central obscuration over that of the aperture, from 0 to below 1.

    Returns
    -------
    torch.Tensor
        float64 of the shape of ``frequency``: 1 at zero, 0 from the cut-off ``aperture / wavelength`` on.

    Raises
    ------
    ValueError
        If ``obscuration`` is outside 0 to 1.

    Notes
    -----
    It is the area that the pupil and a shifted copy have in common (O'Neill 1956, doi:10.1364/JOSA.46.000285).

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.optics import airy_mtf
    >>> airy_mtf([0, 1.1, 2.3] / u.arcsec, aperture=28 * u.cm, wavelength=617.33 * u.nm)
    tensor([1.0000, 0.3907, 0.0000], dtype=torch.float64)
    """
    check_obscuration(obscuration)
    return annular_mtf(per_arcsec(frequency) / cutoff(aperture, wavelength), obscuration)


@u.quantity_input
def airy_psf(
    angle: u.Quantity[u.arcsec],
    *,
    aperture: u.Quantity[u.m],
    wavelength: u.Quantity[u.m],
    obscuration: float = 0.0,
) -> torch.Tensor:
    """Point spread function of an ideal telescope.

    Parameters
    ----------
    angle : `~astropy.units.Quantity`
        Distances from the centre; any shape.
    aperture, wavelength, obscuration
        As for `airy_mtf`.

    Returns
    -------
    torch.Tensor
        float64 of the shape of ``angle``, per square arcsec: the integral over the whole plane is 1.

    Raises
    ------
    ValueError
        If ``obscuration`` is outside 0 to 1.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.optics import airy_psf
    >>> first_zero = 1.21967 * (617.33 * u.nm / (28 * u.cm)) * u.rad
    >>> bool(airy_psf(first_zero, aperture=28 * u.cm, wavelength=617.33 * u.nm) < 1e-9)
    True
    """
    check_obscuration(obscuration)
    limit = cutoff(aperture, wavelength)
    radius = math.pi * limit * torch.as_tensor(angle.to_value(u.arcsec), dtype=torch.float64)
    field = _jinc(radius) - obscuration**2 * _jinc(obscuration * radius)
    return math.pi / 4 * limit**2 / (1 - obscuration**2) * field**2


def annular_mtf(relative: torch.Tensor, obscuration: float) -> torch.Tensor:
    """As `airy_mtf`, at frequencies ``relative`` to the cut-off, of any dtype and on any device."""
    # The outer radius is the unit, so at the cut-off the two pupils are two units apart.
    apart = 2 * relative.abs()
    common = _lens(apart, 1.0, 1.0)
    if obscuration:
        common = common - 2 * _lens(apart, 1.0, obscuration) + _lens(apart, obscuration, obscuration)
    return (common / (math.pi * (1 - obscuration**2))).clamp_min(0)


def cutoff(aperture: u.Quantity, wavelength: u.Quantity) -> float:
    """The highest frequency that passes, in cycles per arcsec."""
    return float((aperture / wavelength / u.rad).to_value(1 / u.arcsec))


def check_obscuration(obscuration: float) -> None:
    """Refuse what no telescope has."""
    if not 0 <= obscuration < 1:
        raise ValueError(
            f"obscuration: expected a share of the aperture's diameter, from 0 to below 1, got {obscuration}."
        )


def _lens(apart: torch.Tensor, large: float, small: float) -> torch.Tensor:
    """The area that two circles have in common; clamping makes it right for those that enclose or miss each other."""
    apart = apart.clamp_min(1e-12)
    toward_small = ((apart**2 + small**2 - large**2) / (2 * apart * small)).clamp(-1, 1)
    toward_large = ((apart**2 + large**2 - small**2) / (2 * apart * large)).clamp(-1, 1)
    kite = ((small + large) ** 2 - apart**2) * (apart**2 - (large - small) ** 2)
    sectors = small**2 * torch.acos(toward_small) + large**2 * torch.acos(toward_large)
    return sectors - 0.5 * kite.clamp_min(0).sqrt()


def _jinc(x: torch.Tensor) -> torch.Tensor:
    """Twice the Bessel function of the first order over its argument, 1 at zero."""
    near = x.abs() < 1e-6
    return torch.where(near, 1.0, 2 * torch.special.bessel_j1(x) / torch.where(near, 1.0, x))
