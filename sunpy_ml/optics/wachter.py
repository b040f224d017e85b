"""The point spread function of HMI: a Gaussian core, and wings that fall as a power of the distance."""

import math
from dataclasses import dataclass
from functools import lru_cache

import astropy.units as u
import numpy as np
import numpy.typing as npt
import torch
from scipy.interpolate import CubicSpline
from scipy.special import j0

__all__ = ["WACHTER", "WACHTER_MODIFIED", "WachterForm"]

Array = npt.NDArray[np.float64]

# Frequencies of the table, in radians per wing width: beyond the last one the wings pass less than 1e-8.
_LOWEST, _HIGHEST = 1e-4, 100.0
_TABLE_SIZE = 24_001


@dataclass(frozen=True)
class WachterForm:
    """
    ``(1 - share) exp(-(r / core)**2) + share / (1 + (r / wing)**power)``, normalised.

    The distance ``r`` is counted in units of wavelength / (pi aperture), 0.2895 arcsec for HMI. The wings hold 43 %
    of the energy, and 3 % lies beyond 10 arcsec: a kernel that is cut at a few arcsec leaves too much contrast.

    Parameters
    ----------
    core, wing : float
        Widths of the two parts, in the unit of ``r``.
    share : float
        Of the wings at the centre, before the normalisation.
    power : float
        Of the fall of the wings, above 2.
    radius : float
        Distance, in arcsec for HMI's aperture, at which the function ends; 60 or more. Its integral is 1.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    The form is that of Wachter et al. 2012 (doi:10.1007/s11207-011-9709-6); Díaz Baso & Asensio Ramos 2018
    (doi:10.1051/0004-6361/201731344) widened both widths, from 1.8 and 3.0 to 2.0 and 3.4.

    Examples
    --------
    >>> from sunpy_ml.optics import WACHTER_MODIFIED
    >>> round(WACHTER_MODIFIED.wing_energy, 3)
    0.434
    """

    core: float
    wing: float
    share: float = 0.1
    power: float = 3.0
    radius: float = 60.0

    def __post_init__(self) -> None:
        if not (self.core > 0 and self.wing > 0 and 0 <= self.share <= 1 and self.power > 2):
            raise ValueError(f"form: widths must be positive, share from 0 to 1 and power above 2, got {self}.")
        if self.radius < 60:
            raise ValueError(f"radius: the wings matter at 60 arcsec still, got {self.radius}; give 60 or more.")

    @property
    def edge(self) -> float:
        """Where the function ends, in units of ``r``."""
        return self.radius / _HMI_UNIT

    @property
    def wing_energy(self) -> float:
        """The share of the energy that is in the wings."""
        return _wing_energy(self) / _energy(self)

    def profile(self, distance: torch.Tensor) -> torch.Tensor:
        """The function at distances in units of ``r``; its integral over the plane is 1."""
        gauss = (1 - self.share) * torch.exp(-((distance / self.core) ** 2))
        wings = self.share / (1 + (distance.abs() / self.wing) ** self.power)
        return torch.where(distance.abs() <= self.edge, (gauss + wings) / _energy(self), 0.0)

    def mtf(self, frequency: torch.Tensor) -> torch.Tensor:
        """Its Fourier transform at frequencies in radians per unit of ``r``, of any dtype and on any device."""
        frequency = frequency.abs()
        core = (1 - self.wing_energy) * torch.exp(-((self.core * frequency / 2) ** 2))
        table = torch.as_tensor(_wing_table(self), dtype=frequency.dtype, device=frequency.device)
        scaled = self.wing * frequency
        position = torch.log(scaled.clamp(_LOWEST, _HIGHEST) / _LOWEST)
        position = position * ((_TABLE_SIZE - 1) / math.log(_HIGHEST / _LOWEST))
        below = position.long().clamp(max=_TABLE_SIZE - 2)
        wings = torch.lerp(table[below], table[below + 1], position - below)
        wings = torch.where(scaled < _LOWEST, 1.0, torch.where(scaled > _HIGHEST, 0.0, wings))
        return core + self.wing_energy * wings


_HMI_UNIT = float((617.33 * u.nm / (math.pi * 14 * u.cm)).to_value(u.one) * u.rad.to(u.arcsec))


def _energy(form: WachterForm) -> float:
    # The core is gone long before the edge.
    return (1 - form.share) * math.pi * form.core**2 + _wing_energy(form)


def _wing_energy(form: WachterForm) -> float:
    x, weights = _nodes(form.edge / form.wing)
    return 2 * math.pi * form.share * form.wing**2 * float(weights @ (x / (1 + x**form.power)))


@lru_cache(maxsize=8)
def _nodes(end: float) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights from 0 to ``end``, dense enough for the highest frequency."""
    panels = math.ceil(10 * end)
    x, weights = np.polynomial.legendre.leggauss(16)
    width = end / panels
    left = width * np.arange(panels)[:, np.newaxis]
    return (left + width / 2 * (x + 1)).ravel(), np.tile(width / 2 * weights, panels)


@lru_cache(maxsize=8)
def _wing_table(form: WachterForm) -> Array:
    """Hankel transform of the wings, 1 at zero, at frequencies that are evenly spaced in the logarithm."""
    x, weights = _nodes(form.edge / form.wing)
    weights = weights * x / (1 + x**form.power)
    weights /= weights.sum()
    coarse = np.geomspace(_LOWEST, _HIGHEST, 901)
    values = np.array([weights @ j0(frequency * x) for frequency in coarse])
    fine = np.linspace(math.log(_LOWEST), math.log(_HIGHEST), _TABLE_SIZE)
    return CubicSpline(np.log(coarse), values)(fine)


#: As Wachter et al. (2012) measured it.
WACHTER = WachterForm(core=1.8, wing=3.0)
#: As Díaz Baso & Asensio Ramos (2018) widened it.
WACHTER_MODIFIED = WachterForm(core=2.0, wing=3.4)
