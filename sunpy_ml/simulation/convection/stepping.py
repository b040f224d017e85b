"""The rate of change of the gas, and steps forward in time."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

from sunpy_ml.simulation.convection import radiation
from sunpy_ml.simulation.convection.boundaries import OpenBottom, close_walls, pad_periodic, pad_vertical
from sunpy_ml.simulation.convection.card import ConvectionCard
from sunpy_ml.simulation.convection.gas import (
    DENSITY,
    ENERGY,
    MASS,
    MOMENTUM_X,
    MOMENTUM_Y,
    MOMENTUM_Z,
    PRESSURE,
    VELOCITY_X,
    VELOCITY_Y,
    VELOCITY_Z,
    face_fluxes,
    primitives,
)


@dataclass(frozen=True)
class Grid:
    """Number of cells along z, y and x, and their size in m."""

    shape: tuple[int, int, int]
    cell: tuple[float, float, float]


def fastest_crossing(primitive: Tensor, cell: tuple[float, float, float], gamma: float) -> Tensor:
    """Return how many cells per second sound and flow cross at most, the three directions added up."""
    sound = torch.sqrt(gamma * primitive[PRESSURE] / primitive[DENSITY])
    crossing = (primitive[VELOCITY_Z].abs() + sound) / cell[0]
    crossing = crossing + (primitive[VELOCITY_Y].abs() + sound) / cell[1]
    crossing = crossing + (primitive[VELOCITY_X].abs() + sound) / cell[2]
    return crossing.amax()


def optics(primitive: Tensor, height: float, card: ConvectionCard) -> tuple[Tensor, ...]:
    """Return what the two streams need, and how fast (1/s) radiation evens out temperatures in each cell."""
    temperature, source, thickness = radiation.matter(primitive, height, card)
    coefficients = radiation.ray_coefficients(source, thickness, card.stream_cosine)
    # Thin cells: 16 kappa sigma T^3 / cv (Spiegel 1957, doi:10.1086/146386); thick ones: diffusion between neighbours.
    per_mass = 16 * radiation.STEFAN_BOLTZMANN / card.heat_capacity / height
    fastest = per_mass * temperature**3 * thickness / primitive[DENSITY] / (1 + 0.75 * thickness * thickness)
    return *coefficients, fastest


def radiative_heating(flux: Tensor, fastest: Tensor, height: float, dt: float) -> Tensor:
    """
    Return the heat per volume and time that radiation leaves, W/m3.

    Where the gas would reach equilibrium in less than a time step, it gets there in one.
    """
    return (flux[:-1] - flux[1:]) / height / (fastest * dt).clamp(min=1)


def assemble(
    fluxes: tuple[Tensor, Tensor, Tensor],
    state: Tensor,
    heating: Tensor | None,
    drag: tuple[Tensor, Tensor],
    cell: tuple[float, float, float],
    gravity: float,
) -> Tensor:
    """Return the rate of change of a state from the fluxes through all faces, gravity, heating and drag."""
    up, across, along = fluxes
    rate = (
        (up[:, :-1] - up[:, 1:]) / cell[0]
        + (across[:, :, :-1] - across[:, :, 1:]) / cell[1]
        + (along[..., :-1] - along[..., 1:]) / cell[2]
    )
    vertical, horizontal = drag
    # The work of gravity is that of the mass which passes the faces: energy with the potential one is conserved.
    work = -0.5 * gravity * (up[MASS, :-1] + up[MASS, 1:])
    added = [
        torch.zeros_like(work),
        -gravity * state[MASS] - vertical * state[MOMENTUM_Z],
        -horizontal * state[MOMENTUM_Y],
        -horizontal * state[MOMENTUM_X],
        work if heating is None else work + heating,
    ]
    return rate + torch.stack(added)


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function, dynamic=False)


@dataclass(frozen=True)
class Physics:
    """
    The equations on a grid.

    Parameters
    ----------
    grid : `Grid`
        The box.
    card : `ConvectionCard`
        The parameters.
    bottom : `OpenBottom`, optional
        Unless given, the bottom is a wall.
    drag : tuple of `torch.Tensor`, optional
        How fast vertical and horizontal motion is braked, in 1/s, of shape (z, 1, 1).
    radiates : bool, optional
        Whether radiation heats and cools the gas.
    compiled : bool, optional
        Whether `torch.compile` fuses the arithmetic.
    """

    grid: Grid
    card: ConvectionCard
    bottom: OpenBottom | None = None
    drag: tuple[Tensor, Tensor] = field(default_factory=lambda: (torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)))
    radiates: bool = True
    compiled: bool = False

    def _kernel(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _compiled(function) if self.compiled else function

    def primitives(self, state: Tensor) -> Tensor:
        """Return density, velocities and pressure of a state."""
        return self._kernel(primitives)(state, self.card.gamma, self.card.gas_constant)

    def time_step(self, primitive: Tensor) -> float:
        """Return the time step in s that is stable."""
        return self.card.courant / float(self._kernel(fastest_crossing)(primitive, self.grid.cell, self.card.gamma))

    def heating(self, primitive: Tensor, dt: float) -> Tensor:
        """Return the heat per volume and time from radiation, W/m3."""
        height, cosine = self.grid.cell[0], self.card.stream_cosine
        transmission, rising, falling, fastest = self._kernel(optics)(primitive, height, self.card)
        down = radiation.downward(transmission, falling)
        up = radiation.upward(transmission, rising, down[0])
        flux = radiation.net_flux(torch.stack(up), torch.stack(down), cosine)
        return radiative_heating(flux, fastest, height, dt)

    def rate(self, state: Tensor, primitive: Tensor, dt: float) -> Tensor:
        """Return the rate of change of a state whose primitive quantities are given."""
        card, cell = self.card, self.grid.cell
        weight = card.gravity * cell[0]
        fluxes = self._kernel(face_fluxes)
        up = fluxes(pad_vertical(primitive, self.bottom, weight, card), 0, weight, card.gamma)
        close_walls(up, bottom=self.bottom is None)
        across = fluxes(pad_periodic(primitive, 1), 1, 0.0, card.gamma)
        along = fluxes(pad_periodic(primitive, 2), 2, 0.0, card.gamma)
        heating = self.heating(primitive, dt) if self.radiates else None
        return self._kernel(assemble)((up, across, along), state, heating, self.drag, cell, card.gravity)

    def step(self, state: Tensor, longest: float) -> tuple[Tensor, float]:
        """
        Return the state after one step, and its length, at most ``longest`` (s).

        Heun's method, which keeps what each Euler step of it keeps (Shu & Osher 1988,
        doi:10.1016/0021-9991(88)90177-5).
        """
        primitive = self.primitives(state)
        dt = min(self.time_step(primitive), longest)
        first = state + dt * self.rate(state, primitive, dt)
        second = first + dt * self.rate(first, self.primitives(first), dt)
        return 0.5 * (state + second), dt


def remove_box_flow(state: Tensor, dt: float, mean_time: float, shear_time: float) -> Tensor:
    """
    Return a state with less of the horizontal flow that only the walls of a periodic box could brake.

    Parameters
    ----------
    state : `torch.Tensor`
        Of shape (5, z, y, x).
    dt : float
        Time that has passed since the last call, in s.
    mean_time, shear_time : float
        How fast, in s, the mean flow of each layer and the flow with the wavelength of the box decay.

    Returns
    -------
    `torch.Tensor`
        The state with other momenta, and the energy that goes with them: no heat is made.
    """
    _, _, rows, columns = state.shape
    changed = state.clone()
    mass = state[MASS]
    for place in (MOMENTUM_Y, MOMENTUM_X):
        velocity = state[place] / mass
        away = (math.expm1(-dt / mean_time) * velocity.mean((1, 2), keepdim=True)).expand_as(velocity).clone()
        for axis, count in ((1, rows), (2, columns)):
            phase = torch.arange(count, device=state.device, dtype=state.dtype) * (2 * torch.pi / count)
            profile = velocity.mean(3 - axis, keepdim=True)
            for wave in (torch.cos(phase), torch.sin(phase)):
                shaped = wave[:, None] if axis == 1 else wave[None]
                away += 2 * math.expm1(-dt / shear_time) * (profile * shaped).mean(axis, keepdim=True) * shaped
        changed[place] += mass * away
        changed[ENERGY] += away * (state[place] + 0.5 * mass * away)
    return changed
