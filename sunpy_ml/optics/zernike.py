"""Zernike polynomials as Noll numbers them, and what turbulence makes of them."""

import math
from collections.abc import Sequence

import torch

__all__ = ["noll_covariance", "noll_index", "zernike"]

# Above this radial order the coefficients of a polynomial cancel too well for float64.
_HIGHEST_ORDER = 30


def noll_index(mode: int) -> tuple[int, int]:
    """Radial and azimuthal order of a Zernike polynomial.

    Parameters
    ----------
    mode : int
        Noll's number: 1 is piston, 2 and 3 are tilts, 4 is defocus.

    Returns
    -------
    tuple of int
        Radial order, and azimuthal order: positive for a cosine, negative for a sine.

    Raises
    ------
    ValueError
        If ``mode`` is below 1.

    Examples
    --------
    >>> from sunpy_ml.optics import noll_index
    >>> [noll_index(mode) for mode in (1, 2, 3, 4, 5, 6, 11)]
    [(0, 0), (1, 1), (1, -1), (2, 0), (2, -2), (2, 2), (4, 0)]
    """
    if mode < 1:
        raise ValueError(f"mode: Noll counts from 1, got {mode}.")
    radial = (math.isqrt(8 * mode - 7) - 1) // 2
    place = mode - radial * (radial + 1) // 2
    azimuthal = 2 * ((place + radial % 2) // 2) - radial % 2
    return radial, azimuthal if mode % 2 == 0 else -azimuthal


def zernike(modes: int | Sequence[int], y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Zernike polynomials on the unit disk.

    Parameters
    ----------
    modes : int or sequence of int
        Noll's numbers.
    y, x : torch.Tensor
        Places, in units of the radius; they broadcast.

    Returns
    -------
    torch.Tensor
        (number of modes, ...), for one mode too: of variance 1 over the disk (but for piston), orthogonal to each
        other, and 0 outside.

    Raises
    ------
    ValueError
        If a mode is below 1, or above the 30th radial order.

    Notes
    -----
    Noll 1976, doi:10.1364/JOSA.66.000207.

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.optics import zernike
    >>> zernike([1, 2, 4], torch.tensor(0.0), torch.tensor([0.0, 0.5, 1.0]))
    tensor([[ 1.0000,  1.0000,  1.0000],
            [ 0.0000,  1.0000,  2.0000],
            [-1.7321, -0.8660,  1.7321]])
    """
    y, x = torch.broadcast_tensors(y, x)
    square, angle = y**2 + x**2, torch.atan2(y, x)
    # Half the rounding errors of a square may lift the edge of the disk out of it.
    inside = square <= 1 + 4 * torch.finfo(square.dtype).eps
    values = [_zernike(*noll_index(mode), square, angle) for mode in _listed(modes)]
    return torch.stack(values) * inside


def noll_covariance(modes: int | Sequence[int]) -> torch.Tensor:
    """Covariance of the coefficients of Zernike polynomials in Kolmogorov turbulence.

    Parameters
    ----------
    modes : int or sequence of int
        Noll's numbers, from 2 on: the variance of piston is infinite.

    Returns
    -------
    torch.Tensor
        (number of modes, number of modes), float64, in square radians for an aperture as wide as Fried's parameter. It
        grows as their ratio to the power 5/3.

    Raises
    ------
    ValueError
        If piston is among the modes.

    Notes
    -----
    Noll 1976, doi:10.1364/JOSA.66.000207, with the exact constant of the power spectrum where he took 0.023.

    Examples
    --------
    >>> from sunpy_ml.optics import noll_covariance
    >>> noll_covariance([2, 4, 8])
    tensor([[ 0.4489,  0.0000, -0.0142],
            [ 0.0000,  0.0232,  0.0000],
            [-0.0142,  0.0000,  0.0062]], dtype=torch.float64)
    """
    numbers = _listed(modes)
    if 1 in numbers:
        raise ValueError(f"modes: the variance of piston (1) is infinite; leave it out of {numbers}.")
    orders = [noll_index(mode) for mode in numbers]
    return torch.tensor([[_covariance(*a, *b) for b in orders] for a in orders], dtype=torch.float64)


def _listed(modes: int | Sequence[int]) -> list[int]:
    return [modes] if isinstance(modes, int) else list(modes)


def _zernike(radial: int, azimuthal: int, square: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    if radial > _HIGHEST_ORDER:
        raise ValueError(f"modes: the radial order {radial} is above {_HIGHEST_ORDER}, the highest that is accurate.")
    turns = abs(azimuthal)
    half = (radial - turns) // 2
    polynomial = torch.zeros_like(square)
    # Horner's rule in the square of the radius, from the highest power down.
    for term in range(half + 1):
        factor = math.comb(radial - term, term) * math.comb(radial - 2 * term, half - term)
        polynomial = polynomial * square + (-1) ** term * factor
    polynomial = polynomial * square ** (turns / 2)
    if azimuthal == 0:
        return math.sqrt(radial + 1) * polynomial
    wave = torch.cos(turns * angle) if azimuthal > 0 else torch.sin(turns * angle)
    return math.sqrt(2 * (radial + 1)) * polynomial * wave


def _covariance(n: int, m: int, other_n: int, other_m: int) -> float:
    if m != other_m:
        return 0.0
    strength = (24 / 5 * math.gamma(6 / 5)) ** (5 / 6) * math.gamma(11 / 6) ** 2 / (2 ** (8 / 3) * math.pi)
    sign = (-1) ** ((n + other_n - 2 * abs(m)) // 2)
    value = sign * strength * math.sqrt((n + 1) * (other_n + 1)) * math.gamma(14 / 3)
    value *= math.gamma((n + other_n - 5 / 3) / 2) / math.gamma((n + other_n + 23 / 3) / 2)
    return value / (math.gamma((n - other_n + 17 / 3) / 2) * math.gamma((other_n - n + 17 / 3) / 2))
