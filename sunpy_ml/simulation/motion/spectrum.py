"""Random velocity fields with a given spectrum."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import astropy.units as u
import torch
from torch import Tensor

from sunpy_ml.simulation.motion.streams import Streams, uniform

__all__ = ["GRANULAR", "MESOGRANULAR", "SOLAR_SPECTRUM", "SUPERGRANULAR", "FlowPart", "Grid", "draw_parts"]

# Waves in each part, evenly spread over the logarithm of the wavenumber between these multiples of the peak's.
_WAVES = 240
_SPREAD = (1 / 6, 8.0)
# Shorter waves, in pixels, are left out: neither images nor interpolation could follow them.
_SHORTEST = 3.0


@dataclass(frozen=True)
class FlowPart:
    """
    One part of a velocity spectrum: a peak between two power laws.

    The energy per wavenumber is E(k) ~ x^rise / (rise x^(rise + fall) + fall), where x = k / k_peak.

    Parameters
    ----------
    scale : `~astropy.units.Quantity`
        Wavelength at which E(k) peaks.
    share : float
        Of the kinetic energy, relative to the other parts.
    rise, fall : float
        Exponents towards larger and smaller scales.

    Raises
    ------
    ValueError
        If one of them is not positive.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.motion import FlowPart
    >>> FlowPart(30 * u.Mm, share=0.05)
    FlowPart(scale=<Quantity 30. Mm>, share=0.05, rise=2.0, fall=3.3333333333333335)
    """

    scale: u.Quantity
    share: float
    rise: float = 2.0
    fall: float = 10 / 3

    def __post_init__(self) -> None:
        if not (self.scale.isscalar and self.scale.to(u.Mm).value > 0):
            raise ValueError(f"scale is {self.scale}: give one positive length")
        if min(self.share, self.rise, self.fall) <= 0:
            raise ValueError(
                f"share, rise and fall are {self.share}, {self.rise} and {self.fall}: give positive numbers"
            )


# Scales: Rieutord & Rincon 2010 (doi:10.12942/lrsp-2010-2). Shares of 1.4 km/s rms: 0.3 km/s in supergranules (ibid.),
# 0.4 km/s in mesogranules (modelling choice). Exponents: of the vertical velocity in Rieutord et al. 2010
# (doi:10.1051/0004-6361/200913303), k^-10/3 below granules and k^2 above.
GRANULAR = FlowPart(1.4 * u.Mm, share=0.87)
MESOGRANULAR = FlowPart(7 * u.Mm, share=0.08)
SUPERGRANULAR = FlowPart(30 * u.Mm, share=0.05)
SOLAR_SPECTRUM = (GRANULAR, MESOGRANULAR, SUPERGRANULAR)


@dataclass(frozen=True)
class Grid:
    """
    The pixels that fields are drawn on.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    pixel : torch.Tensor
        Size of a pixel for each sample, in Mm: (N,), on the device and in the precision of the fields.
    periodic : bool
        Whether fields go on at the other edge.
    """

    shape: tuple[int, int]
    pixel: Tensor
    periodic: bool

    def axes(self) -> tuple[Tensor, Tensor]:
        """Return the positions of columns (N, W) and rows (N, H), in Mm from the first pixel."""
        rows, columns = (torch.arange(n, device=self.pixel.device, dtype=self.pixel.dtype) for n in self.shape)
        return self.pixel[:, None] * columns, self.pixel[:, None] * rows

    def size(self) -> tuple[Tensor, Tensor]:
        """Return width and height for each sample, in Mm."""
        return self.pixel * self.shape[1], self.pixel * self.shape[0]


def draw_parts(
    streams: Streams,
    grid: Grid,
    parts: Sequence[FlowPart],
    *,
    rotation: Tensor,
    stretch: Tensor | float = 1.0,
    weight: Tensor | float = 1.0,
) -> Tensor:
    """
    Draw velocity fields as sums of random waves.

    A sum of waves has the spectrum that was asked for at any sampling, and supergranules that are larger than the
    field are there as what they look like from within: streams and gradients. In a periodic field each wave is turned
    and stretched to fit; those that are too long for it are left out.

    Parameters
    ----------
    streams : list of torch.Generator
        One for each sample.
    grid : Grid
        Where.
    parts : sequence of FlowPart
        The spectrum; the shares are taken as they are.
    rotation : torch.Tensor
        (N,), the part of the kinetic energy that is in rotation, the rest being in divergence: 0 to 1.
    stretch, weight : torch.Tensor or float
        (N, P), factors to the scales and the shares of the parts.

    Returns
    -------
    torch.Tensor
        (N, 2, H, W), vx and vy. Over many drawings the mean square speed is the sum of the shares.
    """
    across, up, amplitude = _waves(streams, parts, stretch, weight)
    wavelength = 2 * math.pi / torch.hypot(across, up)
    # Wavenumbers and phases come from the CPU, in single precision, whatever the grid is in.
    across, up, amplitude = (value.to(grid.pixel) for value in (across, up, amplitude))
    kept = wavelength.to(grid.pixel) > _SHORTEST * grid.pixel[:, None]
    if grid.periodic:
        width, height = (2 * math.pi / size[:, None] for size in grid.size())
        across, up = torch.round(across / width) * width, torch.round(up / height) * height
    length = torch.hypot(across, up)
    kept = kept & (length > 0)
    # A wave that was left out has no direction.
    length = torch.where(kept, length, 1.0)
    amplitude = torch.where(kept, amplitude, 0.0)
    phases = 2 * math.pi * uniform(streams, shape=(2, across.shape[1])).to(grid.pixel)
    share = rotation.to(grid.pixel)[:, None]
    along_wave = amplitude * torch.sqrt(1 - share) * torch.exp(1j * phases[:, 0])
    across_wave = amplitude * torch.sqrt(share) * torch.exp(1j * phases[:, 1])
    east, north = across / length, up / length
    vx = east * along_wave - north * across_wave
    vy = north * along_wave + east * across_wave
    return _summed(grid, across, up, torch.stack([vx, vy], dim=1))


def _waves(
    streams: Streams, parts: Sequence[FlowPart], stretch: Tensor | float, weight: Tensor | float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return wavenumbers along columns and rows, in radians per Mm, and amplitudes: each (N, waves)."""
    low, high = (math.log(factor) for factor in _SPREAD)
    order = torch.arange(_WAVES) + uniform(streams, shape=(len(parts), _WAVES))
    ratio = torch.exp(low + (high - low) * order / _WAVES)
    rise = torch.tensor([part.rise for part in parts])[:, None]
    fall = torch.tensor([part.fall for part in parts])[:, None]
    energy = ratio ** (rise + 1) / (rise * ratio ** (rise + fall) + fall)
    energy = energy / energy.sum(dim=-1, keepdim=True)
    share = weight * torch.tensor([part.share for part in parts])
    peak = torch.tensor([2 * math.pi / part.scale.to_value(u.Mm) for part in parts])
    number = ratio * (peak / stretch)[..., None]
    angle = 2 * math.pi * uniform(streams, shape=(len(parts), _WAVES))
    # The mean square of a cosine is one half.
    amplitude = torch.sqrt(2 * share[..., None] * energy)
    waves = number * torch.cos(angle), number * torch.sin(angle), amplitude
    return waves[0].flatten(1), waves[1].flatten(1), waves[2].flatten(1)


def _summed(grid: Grid, across: Tensor, up: Tensor, amplitude: Tensor) -> Tensor:
    """Sum plane waves of complex amplitude (N, 2, waves): one product of matrices for each component."""
    column, row = grid.axes()
    by_column = across[:, :, None] * column[:, None, :]
    by_row = torch.exp(1j * (up[:, None, :] * row[:, :, None]))
    left = amplitude[:, :, None, :] * by_row[:, None]
    left = torch.cat([left.real, -left.imag], dim=-1)
    right = torch.cat([torch.cos(by_column), torch.sin(by_column)], dim=-2)
    return left @ right[:, None]
