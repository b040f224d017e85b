"""On which scales the kinetic energy of a velocity field is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from ndcube import NDCollection
from scipy.signal.windows import tukey

from sunpy_ml.flows.result import Flow, filled, read_flow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["EnergySpectrum", "kinetic_energy_spectrum"]

Array = npt.NDArray[Any]

# The part of the field over which it is brought to zero, at both edges together.
_TAPER = 0.2
# In units of the Nyquist wavenumber: what is left there of a single field counts as noise.
_TAIL = (0.9, 1.0)


@dataclass(frozen=True)
class EnergySpectrum:
    """The spectrum of the kinetic energy per mass.

    Attributes
    ----------
    wavenumber : astropy.units.Quantity
        Of the middle of each ring, 2 pi over the wavelength, in 1/Mm.
    energy : astropy.units.Quantity
        E(k), in km2 Mm / s2: summed, and times ``width``, half of the mean square of the velocity.
    noise : astropy.units.Quantity
        The part of ``energy`` that is noise: where there are several fields, what differs from one to the next, which
        holds what evolved, too; else white noise of the level that is left at the Nyquist limit.
    width : astropy.units.Quantity
        Of a ring.
    cutoff : astropy.units.Quantity or None
        The wavenumber at which a Gaussian window halves the velocity; None where the flow does not tell its window.
    nyquist : astropy.units.Quantity
        Half a wave per pixel: there are only corners of the spectrum beyond.
    """

    wavenumber: u.Quantity
    energy: u.Quantity
    noise: u.Quantity
    width: u.Quantity
    cutoff: u.Quantity | None
    nyquist: u.Quantity

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the spectrum with its noise and its limits.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            By default those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from sunpy_ml.flows.plot import plot_spectrum

        return plot_spectrum(self, axes)


def kinetic_energy_spectrum(flow: NDCollection) -> EnergySpectrum:
    """How the kinetic energy of a velocity field is spread over wavenumbers.

    Parameters
    ----------
    flow : ndcube.NDCollection
        "vx" and "vy", as `~sunpy_ml.lct_flow` gives them.

    Returns
    -------
    EnergySpectrum
        The mean over all times.

    Raises
    ------
    ValueError
        If ``flow`` is no velocity field, or if a field has no velocity at all.

    Notes
    -----
    The mean velocity is taken away, the field is brought to zero over a tenth of its length at each edge, and the
    energy that this takes away is given back to all wavenumbers alike. Masked pixels take the velocity of the nearest.
    Energies are summed over rings, so that the integral over k is half of the mean square of the velocity.

    Examples
    --------
    >>> from sunpy_ml.flows import kinetic_energy_spectrum
    >>> from sunpy_ml.simulation import moving_granulation
    >>> velocity = moving_granulation(shape=(64, 64)).velocity
    >>> spectrum = kinetic_energy_spectrum(velocity)
    >>> total = (spectrum.energy.sum() * spectrum.width).to_value("km2 / s2")
    >>> half = 0.5 * sum(velocity[name].data.var() for name in ("vx", "vy"))
    >>> bool(abs(total / half - 1) < 0.01)
    True
    """
    field = read_flow(flow)
    velocity = np.stack([filled(one) for one in field.velocity])
    rings = _rings(field)
    numbers = np.arange(1, int(rings.max()) + 1)
    width = _width(field)
    energy = np.mean([_energy(one, rings, width) for one in velocity], axis=0)
    if len(velocity) > 1:
        noise = np.mean([_energy(one / np.sqrt(2), rings, width) for one in np.diff(velocity, axis=0)], axis=0)
    else:
        noise = _white(energy, rings, width, _nyquist(field))
    unit = u.km**2 / u.s**2 * u.Mm
    window = field.meta("window")
    return EnergySpectrum(
        wavenumber=numbers * width / u.Mm,
        energy=energy * unit,
        noise=noise * unit,
        width=width / u.Mm,
        # Where exp(-k^2 sigma^2 / 2) is one half.
        cutoff=None if window is None else (4 * np.log(2) / window).to(1 / u.Mm),
        nyquist=_nyquist(field) / u.Mm,
    )


def _wavenumbers(field: Flow) -> tuple[Array, Array]:
    """Along columns and rows, in 1/Mm."""
    rows, columns = field.velocity.shape[2:]
    size = np.array(field.pixel) / 1e3
    return 2 * np.pi * np.fft.fftfreq(columns, size[0]), 2 * np.pi * np.fft.fftfreq(rows, size[1])


def _nyquist(field: Flow) -> float:
    return float(np.pi / (max(field.pixel) / 1e3))


def _width(field: Flow) -> float:
    """One wave over the shorter side."""
    return max(float(np.abs(numbers[1])) for numbers in _wavenumbers(field))


def _rings(field: Flow) -> Array:
    """The ring that each wave of the spectrum is in, from 1; the mean is in none, 0."""
    along, up = _wavenumbers(field)
    number = np.hypot(along[None, :], up[:, None])
    rings = np.maximum(np.rint(number / _width(field)).astype(int), 1)
    rings[0, 0] = 0
    return rings


def _energy(velocity: Array, rings: Array, width: float) -> Array:
    """Energy per wavenumber in each ring of one field (2, y, x)."""
    rows, columns = velocity.shape[1:]
    weight = tukey(rows, _TAPER)[:, None] * tukey(columns, _TAPER)[None, :]
    fluctuation = velocity - velocity.mean(axis=(1, 2), keepdims=True)
    mean = (velocity * weight).mean(axis=(1, 2), keepdims=True) / weight.mean()
    power = (np.abs(np.fft.fft2((velocity - mean) * weight)) ** 2).sum(axis=0)
    by_ring = np.bincount(rings.ravel(), weights=power.ravel())[1:]
    total = by_ring.sum()
    kinetic = 0.5 * float((fluctuation**2).sum(axis=0).mean())
    return by_ring * (kinetic / (total * width)) if total > 0 else by_ring


def _white(energy: Array, rings: Array, width: float, nyquist: float) -> Array:
    """White noise, of which each wave has as much energy as those near the Nyquist limit."""
    waves = np.bincount(rings.ravel())[1:]
    numbers = np.arange(1, len(energy) + 1) * width
    tail = (numbers >= _TAIL[0] * nyquist) & (numbers <= _TAIL[1] * nyquist) & (waves > 0)
    return waves * np.median(energy[tail] / waves[tail]) if tail.any() else np.zeros_like(energy)
