"""Random wavefronts as Kolmogorov turbulence makes them."""

import math
from collections.abc import Sequence

import astropy.units as u
import numpy as np
import torch
from scipy.fft import next_fast_len

from sunpy_ml.optics.zernike import noll_covariance

__all__ = ["kolmogorov_coefficients", "kolmogorov_screen", "kolmogorov_structure"]

#: The structure function at a distance of one Fried parameter, 6.88 square radians.
STRENGTH = 2 * (24 / 5 * math.gamma(6 / 5)) ** (5 / 6)
_POWER = 5 / 3
# Stein's local covariance for this power is bent to zero between 1 and 2 units of length.
_BEND = _POWER * (2 - _POWER) / 18
_PARABOLA = (_POWER - 4 * _BEND) / 2
_VARIANCE = _BEND + 1 - _PARABOLA


@u.quantity_input
def kolmogorov_structure(separation: u.Quantity[u.m], *, fried: u.Quantity[u.m]) -> torch.Tensor:
    """Structure function of the phase: the mean square of its difference between two points.

    Parameters
    ----------
    separation : `~astropy.units.Quantity`
        Distances in the pupil; any shape.
    fried : `~astropy.units.Quantity`
        Fried's parameter, at the wavelength of the light.

    Returns
    -------
    torch.Tensor
        float64, in square radians: 6.88 (separation / fried)^(5/3).

    Notes
    -----
    Fried 1965, doi:10.1364/JOSA.55.001427.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.optics import kolmogorov_structure
    >>> kolmogorov_structure([10, 20] * u.cm, fried=10 * u.cm)
    tensor([ 6.8839, 21.8547], dtype=torch.float64)
    """
    distances = np.array((separation / _fried(fried)).to_value(u.one), dtype=np.float64)
    return STRENGTH * torch.as_tensor(np.abs(distances)) ** _POWER


@u.quantity_input
def kolmogorov_screen(
    shape: tuple[int, int],
    *,
    pixel: u.Quantity[u.m / u.pix],
    fried: u.Quantity[u.m],
    batch: int = 1,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Draw phase screens of Kolmogorov turbulence, with an infinite outer scale.

    Their structure function is exact at all the distances in the screen, tilts included, so that no sub-harmonics are
    needed: the increments are drawn by an embedding in a periodic plane four times as large (Stein 2002).

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    pixel : `~astropy.units.Quantity`
        Distance of neighbouring points, a length per pixel.
    fried : `~astropy.units.Quantity`
        Fried's parameter, at the wavelength of the light.
    batch : int
        How many screens.
    generator : torch.Generator, optional
        On ``device``; torch's global one by default.
    dtype, device
        Of the screens.

    Returns
    -------
    torch.Tensor
        (batch, rows, columns), in radians, each with a mean of zero.

    Raises
    ------
    ValueError
        If a size or a number is not positive.

    Notes
    -----
    Stein 2002, doi:10.1198/106186002466.

    Examples
    --------
    >>> import astropy.units as u
    >>> import torch
    >>> from sunpy_ml.optics import kolmogorov_screen
    >>> generator = torch.Generator().manual_seed(0)
    >>> kolmogorov_screen((32, 48), pixel=1 * u.cm / u.pix, fried=10 * u.cm, batch=3, generator=generator).shape
    torch.Size([3, 32, 48])
    """
    step = float((pixel / _fried(fried)).to_value(1 / u.pix))
    if min(*shape, batch) < 1 or not 0 < step < math.inf:
        raise ValueError(f"shape, batch and pixel must be positive, got {shape}, {batch} and {pixel}.")
    # The unit of length is the diagonal, the longest distance there is.
    diagonal = max(math.hypot(shape[0] - 1, shape[1] - 1), 1.0)
    gain = math.sqrt(STRENGTH / 2 * (step * diagonal) ** _POWER)
    amplitude = _embedding(diagonal).to(device=device, dtype=dtype)
    screens = []
    for _ in range(-(-batch // 2)):
        # One transform of complex noise gives two screens, which know nothing of each other.
        white = torch.randn((2, *amplitude.shape), generator=generator, dtype=dtype, device=device)
        plane = torch.fft.fft2(amplitude * torch.complex(white[0], white[1]))[: shape[0], : shape[1]]
        screens += [plane.real, plane.imag]
    stack = torch.stack(screens[:batch])
    slopes = math.sqrt(2 * _PARABOLA) * torch.randn((batch, 2, 1, 1), generator=generator, dtype=dtype, device=device)
    y = torch.arange(shape[0], dtype=dtype, device=device)[:, None] / diagonal
    x = torch.arange(shape[1], dtype=dtype, device=device) / diagonal
    stack = gain * (stack + slopes[:, 0] * y + slopes[:, 1] * x)
    return stack - stack.mean(dim=(-2, -1), keepdim=True)


@u.quantity_input
def kolmogorov_coefficients(
    modes: int | Sequence[int],
    *,
    aperture: u.Quantity[u.m],
    fried: u.Quantity[u.m],
    batch: int = 1,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Draw the Zernike coefficients of wavefronts, with the correlations that Kolmogorov turbulence gives them.

    Parameters
    ----------
    modes : int or sequence of int
        Noll's numbers, from 2 on; without 2 and 3 the images do not move.
    aperture : `~astropy.units.Quantity`
        Diameter of the entrance pupil.
    fried : `~astropy.units.Quantity`
        Fried's parameter, at the wavelength of the light.
    batch, generator, dtype, device
        As for `kolmogorov_screen`.

    Returns
    -------
    torch.Tensor
        (batch, number of modes), in radians.

    Raises
    ------
    ValueError
        If piston is among the modes, or a number is not positive.

    Examples
    --------
    >>> import astropy.units as u
    >>> import torch
    >>> from sunpy_ml.optics import kolmogorov_coefficients
    >>> generator = torch.Generator().manual_seed(0)
    >>> drawn = kolmogorov_coefficients(
    ...     range(2, 22), aperture=1 * u.m, fried=10 * u.cm, batch=5000, generator=generator
    ... )
    >>> bool(abs(drawn[:, 0].var() / (0.449 * 10 ** (5 / 3)) - 1) < 0.1)
    True
    """
    relative = float((aperture / _fried(fried)).to_value(u.one))
    if batch < 1 or not 0 < relative < math.inf:
        raise ValueError(f"batch and aperture must be positive, got {batch} and {aperture}.")
    root = torch.linalg.cholesky(noll_covariance(modes)) * relative ** (_POWER / 2)
    root = root.to(dtype=dtype, device=device)
    return torch.randn((batch, len(root)), generator=generator, dtype=dtype, device=device) @ root.T


def _embedding(diagonal: float) -> torch.Tensor:
    """Amplitudes, in Fourier space, of a periodic field with Stein's covariance."""
    size = next_fast_len(math.ceil(4 * diagonal))
    offset = np.minimum(np.arange(size), size - np.arange(size)) / diagonal
    distance = np.hypot(offset[:, np.newaxis], offset)
    near = _VARIANCE - distance**_POWER + _PARABOLA * distance**2
    bent = _BEND * np.clip(2 - distance, 0, None) ** 3 / np.maximum(distance, 1)
    spectrum = np.fft.fft2(np.where(distance <= 1, near, bent)).real / size**2
    # It is positive but for rounding (Stein 2002, theorem 1).
    return torch.from_numpy(np.sqrt(spectrum.clip(min=0)))


def _fried(fried: u.Quantity) -> u.Quantity:
    if not fried.isscalar or not 0 < fried.value < math.inf:
        raise ValueError(f"fried: expected one positive length, got {fried}.")
    return fried
