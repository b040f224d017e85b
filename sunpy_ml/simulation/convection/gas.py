"""Gas dynamics by finite volumes: reconstruction, Riemann solver and the fluxes through the faces of the cells."""

from collections.abc import Sequence

import torch
from torch import Tensor

# The conserved quantities per volume, in this order along the first axis of a state: mass, momentum along z, y and x,
# energy (internal and kinetic). The axes that follow are z (upward), y and x. SI units throughout.
MASS, MOMENTUM_Z, MOMENTUM_Y, MOMENTUM_X, ENERGY = range(5)
# Primitive quantities take the same places: density, velocities along z, y and x, pressure.
DENSITY, VELOCITY_Z, VELOCITY_Y, VELOCITY_X, PRESSURE = range(5)
# Cells beyond each end that a second-order reconstruction reads.
GHOSTS = 2

# No cell is allowed to be colder (K) or thinner (kg/m3) than this: strong shocks leave the gas behind them a rounding
# error away from vacuum.
_COLDEST = 1500.0
_THINNEST = 1e-9


def primitives(state: Tensor, gamma: float, gas_constant: float) -> Tensor:
    """
    Return density, velocities and pressure of a state.

    Parameters
    ----------
    state : `torch.Tensor`
        Mass, momentum (z, y, x) and energy per volume, of shape (5, z, y, x), in SI units.
    gamma : float
        Ratio of the specific heats.
    gas_constant : float
        Pressure over density and temperature, in J/(kg K).

    Returns
    -------
    `torch.Tensor`
        Density, velocity (z, y, x) and pressure, of the same shape.
    """
    density = state[MASS].clamp(min=_THINNEST)
    volume = 1 / density
    vz, vy, vx = state[MOMENTUM_Z] * volume, state[MOMENTUM_Y] * volume, state[MOMENTUM_X] * volume
    internal = state[ENERGY] - 0.5 * density * (vz * vz + vy * vy + vx * vx)
    pressure = torch.maximum((gamma - 1) * internal, density * (gas_constant * _COLDEST))
    return torch.stack([density, vz, vy, vx, pressure])


def conserved(primitive: Tensor, gamma: float) -> Tensor:
    """Return mass, momentum and energy per volume of primitive quantities: the inverse of `primitives`."""
    density, vz, vy, vx, pressure = primitive
    kinetic = 0.5 * density * (vz * vz + vy * vy + vx * vx)
    return torch.stack([density, density * vz, density * vy, density * vx, pressure / (gamma - 1) + kinetic])


def limited_slope(backward: Tensor, forward: Tensor) -> Tensor:
    """
    Return the monotonised central slope between two differences.

    It is their mean where the profile is smooth, at most twice the smaller of them, and zero at an extremum, so that
    no new extremum arises (van Leer 1977, doi:10.1016/0021-9991(77)90095-X).
    """
    smaller = 2 * torch.minimum(backward.abs(), forward.abs())
    mean = 0.5 * (backward + forward)
    slope = torch.copysign(torch.minimum(smaller, mean.abs()), mean)
    return torch.where(backward * forward > 0, slope, torch.zeros_like(slope))


def hllc_flux(left: Sequence[Tensor], right: Sequence[Tensor], gamma: float) -> list[Tensor]:
    """
    Return the flux through faces between two states of the gas, by the HLLC approximate Riemann solver.

    A contact at rest passes unchanged, which the simpler Rusanov flux smears; granules owe it their sharp lanes.

    Parameters
    ----------
    left, right : sequence of `torch.Tensor`
        Density, velocity along the normal of the face, the two other velocities, and pressure.
    gamma : float
        Ratio of the specific heats.

    Returns
    -------
    list of `torch.Tensor`
        Fluxes of mass, momentum along the normal, the two other momenta, and energy.

    Notes
    -----
    Toro, Spruce & Speares 1994 (doi:10.1007/BF01414629), with the wave speeds of Davis 1988.
    """
    density_l, normal_l, *_, pressure_l = left
    density_r, normal_r, *_, pressure_r = right
    sound_l = torch.sqrt(gamma * pressure_l / density_l)
    sound_r = torch.sqrt(gamma * pressure_r / density_r)
    speed_l = torch.minimum(normal_l - sound_l, normal_r - sound_r)
    speed_r = torch.maximum(normal_l + sound_l, normal_r + sound_r)
    # Mass that flows into the fan from either side, per time.
    inflow_l = density_l * (speed_l - normal_l)
    inflow_r = density_r * (speed_r - normal_r)
    contact = (pressure_r - pressure_l + inflow_l * normal_l - inflow_r * normal_r) / (inflow_l - inflow_r)

    from_left = contact > 0
    density, normal, first, second, pressure = (torch.where(from_left, a, b) for a, b in zip(left, right, strict=True))
    speed = torch.where(from_left, speed_l, speed_r)
    # Zero where the whole fan has passed the face.
    reach = torch.where(from_left, speed_l.clamp(max=0), speed_r.clamp(min=0))
    energy = pressure / (gamma - 1) + 0.5 * density * (normal * normal + first * first + second * second)
    relative = density * (speed - normal)
    star = relative / (speed - contact)
    star_energy = star * (energy / density + (contact - normal) * (contact + pressure / relative))
    flow = density * normal
    jump = star - density
    return [
        flow + reach * jump,
        flow * normal + pressure + reach * (star * contact - flow),
        (flow + reach * jump) * first,
        (flow + reach * jump) * second,
        (energy + pressure) * normal + reach * (star_energy - energy),
    ]


def face_fluxes(primitive: Tensor, axis: int, weight: float, gamma: float) -> Tensor:
    """
    Return the fluxes through the faces along one axis.

    Parameters
    ----------
    primitive : `torch.Tensor`
        Density, velocities (z, y, x) and pressure of shape (5, z, y, x), with two ghost cells at both ends of ``axis``.
    axis : {0, 1, 2}
        Normal of the faces: z, y or x.
    weight : float
        Gravity times the height of a cell, in m2/s2, along z; zero otherwise.
    gamma : float
        Ratio of the specific heats.

    Returns
    -------
    `torch.Tensor`
        Fluxes of mass, momentum (z, y, x) and energy, of shape (5, z, y, x) with one more face than cells along
        ``axis``.

    Notes
    -----
    Of the pressure, only what is left after the local hydrostatic part is reconstructed with limited slopes, so that a
    hydrostatic atmosphere is held exactly, to rounding (Käppeli & Mishra 2014, doi:10.1016/j.jcp.2013.11.028).
    """
    count = primitive.shape[axis + 1]
    others = [1 + other for other in range(3) if other != axis]
    order = [DENSITY, 1 + axis, *others, PRESSURE]
    density = primitive[DENSITY]
    left, right = [], []
    for field in order:
        q = primitive[field]
        difference = q.narrow(axis, 1, count - 1) - q.narrow(axis, 0, count - 1)
        if field == PRESSURE and weight:
            pair = density.narrow(axis, 1, count - 1) + density.narrow(axis, 0, count - 1)
            difference = difference + 0.5 * weight * pair
        slope = limited_slope(difference.narrow(axis, 0, count - 2), difference.narrow(axis, 1, count - 2))
        if field == PRESSURE and weight:
            slope = slope - weight * density.narrow(axis, 1, count - 2)
        middle = q.narrow(axis, 1, count - 2)
        left.append((middle + 0.5 * slope).narrow(axis, 0, count - 3))
        right.append((middle - 0.5 * slope).narrow(axis, 1, count - 3))
    # Half a cell of gravity may exceed the pressure of a cold cell under shock.
    pressure = primitive[PRESSURE].narrow(axis, 1, count - 2)
    left[4] = torch.maximum(left[4], 0.1 * pressure.narrow(axis, 0, count - 3))
    right[4] = torch.maximum(right[4], 0.1 * pressure.narrow(axis, 1, count - 3))
    flux = hllc_flux(left, right, gamma)
    ordered: list[Tensor] = [flux[0]] * 5
    for place, field in enumerate(order):
        ordered[field] = flux[place]
    return torch.stack(ordered)
