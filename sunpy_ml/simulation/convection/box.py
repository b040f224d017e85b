"""A box of convection: its start, its way through time, and what is seen from above."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sunpy_ml.simulation.convection import radiation
from sunpy_ml.simulation.convection.boundaries import OpenBottom
from sunpy_ml.simulation.convection.card import ConvectionCard
from sunpy_ml.simulation.convection.gas import DENSITY, PRESSURE, VELOCITY_Z, conserved
from sunpy_ml.simulation.convection.stepping import Grid, Physics, remove_box_flow
from sunpy_ml.simulation.convection.stratification import Stratification, initial_stratification

# What is left of a duration below this (s) is rounding, and a step shorter than a tenth of it means that the gas has
# run away.
_INSTANT = 1e-4
# Smoothing of the first disturbance, in m: a standard deviation. Granules then need not grow out of single cells.
_DISTURBED = 2.5e5


@dataclass(frozen=True)
class Frame:
    """
    What is seen from above at one moment, in SI units.

    Parameters
    ----------
    intensity : `numpy.ndarray`
        Emergent along the vertical, W/m2/sr, of shape (y, x).
    flux : float
        Mean emergent flux, W/m2.
    surfaces : `numpy.ndarray`
        vz, vy, vx (m/s) and temperature (K) at each optical depth, of shape (depth, 4, y, x).
    """

    intensity: np.ndarray
    flux: float
    surfaces: np.ndarray


@dataclass
class Box:
    """
    The gas in the box at one time.

    Parameters
    ----------
    physics : `Physics`
        The equations.
    state : `torch.Tensor`
        Mass, momentum and energy per volume, of shape (5, z, y, x).
    time : float
        Since the start, in s.
    """

    physics: Physics
    state: Tensor
    time: float = 0.0

    def advance(self, duration: float) -> None:
        """Go on by this time (s); at its end, damp the flow of the box as a whole."""
        passed = 0.0
        while duration - passed > _INSTANT:
            self.state, dt = self.physics.step(self.state, duration - passed)
            if not dt > _INSTANT / 10:
                raise FloatingPointError(
                    f"the gas broke down after {self.time + passed:.1f} s: give the card a smaller courant, or cells "
                    f"that are not flatter than 1:4 (now {self.physics.grid.cell} m)"
                )
            passed += dt
        self.time += duration
        card = self.physics.card
        self.state = remove_box_flow(self.state, duration, card.mean_flow_time, card.shear_time)

    def observe(self, depths: Sequence[float]) -> Frame:
        """Return what is seen now, with the surfaces of these optical depths."""
        card, height = self.physics.card, self.physics.grid.cell[0]
        primitive = self.physics.primitives(self.state)
        temperature, source, thickness = radiation.matter(primitive, height, card)
        flux = radiation.two_stream_flux(source, thickness, card.stream_cosine)[-1].mean()
        depth = radiation.depth_at_centres(thickness)
        fields = torch.cat([primitive[VELOCITY_Z:PRESSURE], temperature[None]])
        surfaces = torch.stack([radiation.at_depth(fields, depth, level) for level in depths])
        intensity = radiation.emergent_intensity(source, thickness)
        return Frame(intensity.cpu().numpy(), float(flux), surfaces.cpu().numpy())

    def frames(self, count: int, cadence: float, depths: Sequence[float]) -> Iterator[Frame]:
        """Yield this many frames, each after ``cadence`` (s) more."""
        for _ in range(count):
            self.advance(cadence)
            yield self.observe(depths)


def drag(height: Tensor, step: float, card: ConvectionCard) -> tuple[Tensor, Tensor]:
    """Return how fast vertical motion is braked near the top and horizontal motion near the bottom, 1/s, by height."""
    top, bottom = height[-1] + step / 2, height[0] - step / 2
    sponge = ((height - top + card.top_sponge) / card.top_sponge).clamp(min=0)
    rough = (1 - (height - bottom) / (0.2 * (top - bottom))).clamp(min=0)
    return (sponge**2 / card.sponge_time)[:, None, None], (rough / card.bottom_drag_time)[:, None, None]


def make_physics(
    grid: Grid,
    card: ConvectionCard,
    atmosphere: Stratification,
    *,
    device: torch.device,
    compiled: bool,
) -> Physics:
    """Return the equations of convection on a grid."""
    height = torch.tensor(atmosphere.height, dtype=torch.float32, device=device)
    return Physics(
        grid,
        card,
        bottom=OpenBottom(atmosphere.below, atmosphere.entropy),
        drag=drag(height, grid.cell[0], card),
        compiled=compiled,
    )


def disturbance(grid: Grid, seed: int) -> Tensor:
    """Return a pattern (y, x) of the size of granules, with an rms of one; the same seed gives the same."""
    _, rows, columns = grid.shape
    _, south, west = grid.cell
    # Drawn on the CPU: every device then starts alike.
    noise = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    wavenumber = torch.hypot(torch.fft.fftfreq(rows, south)[:, None], torch.fft.fftfreq(columns, west)[None])
    smooth = torch.exp(-2 * (math.pi * _DISTURBED * wavenumber) ** 2)
    pattern = torch.fft.ifft2(torch.fft.fft2(noise - noise.mean()) * smooth).real
    return pattern / pattern.std()


def start_box(grid: Grid, card: ConvectionCard, seed: int, *, device: torch.device, compiled: bool) -> Box:
    """Return a box at rest, whose gas is a little too hot or too cold below the surface."""
    atmosphere = initial_stratification(grid.shape[0], grid.cell[0], card)
    density, pressure, height = (
        torch.tensor(values, dtype=torch.float32)[:, None, None]
        for values in (atmosphere.density, atmosphere.pressure, atmosphere.height)
    )
    primitive = torch.zeros(5, *grid.shape)
    primitive[DENSITY] = density * (1 + card.perturbation * disturbance(grid, seed) * (height < 0))
    primitive[PRESSURE] = pressure
    state = conserved(primitive, card.gamma).to(device)
    return Box(make_physics(grid, card, atmosphere, device=device, compiled=compiled), state)
