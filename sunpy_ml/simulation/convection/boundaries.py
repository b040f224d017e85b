"""What lies beyond the box: periodic sides, a closed top, and a bottom that is open or closed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sunpy_ml.simulation.convection.card import ConvectionCard
from sunpy_ml.simulation.convection.gas import (
    DENSITY,
    ENERGY,
    GHOSTS,
    MASS,
    MOMENTUM_X,
    MOMENTUM_Y,
    PRESSURE,
    VELOCITY_X,
    VELOCITY_Y,
    VELOCITY_Z,
)


@dataclass(frozen=True)
class OpenBottom:
    """
    Gas flows out as it comes, and comes in with one entropy and straight upward.

    Parameters
    ----------
    pressure : tuple of float
        Uniform pressure in the two layers of ghost cells, the nearer one first, in Pa.
    entropy : float
        Pressure over density to the power of gamma of the gas that comes in.
    """

    pressure: tuple[float, float]
    entropy: float

    def ghosts(self, lowest: Tensor, gamma: float) -> Tensor:
        """Return the two layers below the lowest one (5, y, x), of shape (5, 2, y, x), from the bottom."""
        own = lowest[PRESSURE] * lowest[DENSITY] ** -gamma
        rising = lowest[VELOCITY_Z] > 0
        entropy = torch.where(rising, self.entropy, own)
        layers = []
        for pressure in reversed(self.pressure):
            layer = torch.empty_like(lowest)
            layer[DENSITY] = (pressure / entropy) ** (1 / gamma)
            layer[VELOCITY_Z] = lowest[VELOCITY_Z]
            layer[VELOCITY_Y] = torch.where(rising, 0.0, lowest[VELOCITY_Y])
            layer[VELOCITY_X] = torch.where(rising, 0.0, lowest[VELOCITY_X])
            layer[PRESSURE] = pressure
            layers.append(layer)
        return torch.stack(layers, 1)


def wall_ghosts(inner: Tensor, weight: float, card: ConvectionCard, *, upward: bool) -> Tensor:
    """
    Return the two layers of ghost cells beyond a wall.

    Parameters
    ----------
    inner : `torch.Tensor`
        The two layers before it, of shape (5, 2, y, x), in the order of the grid.
    weight : float
        Gravity times the height of a cell, in m2/s2.
    card : `ConvectionCard`
        The parameters.
    upward : bool
        Whether the wall is the upper one.

    Returns
    -------
    `torch.Tensor`
        Of the same shape: an isothermal atmosphere in the balance that the finite volumes hold, velocities mirrored.
    """
    mirrored = torch.flip(inner, [1]).clone()
    mirrored[VELOCITY_Z] *= -1
    nearest = inner[:, -1 if upward else 0]
    if weight == 0:
        return mirrored
    half = (0.5 * weight) * nearest[DENSITY] / nearest[PRESSURE]
    ratio = (1 - half) / (1 + half)
    if not upward:
        ratio = 1 / ratio
    for distance, place in enumerate((0, 1) if upward else (1, 0), start=1):
        mirrored[DENSITY, place] = nearest[DENSITY] * ratio**distance
        mirrored[PRESSURE, place] = nearest[PRESSURE] * ratio**distance
    return mirrored


def pad_vertical(primitive: Tensor, bottom: OpenBottom | None, weight: float, card: ConvectionCard) -> Tensor:
    """Return primitive quantities with two layers more below and above; the bottom is a wall unless one is given."""
    if bottom is None:
        below = wall_ghosts(primitive[:, :GHOSTS], weight, card, upward=False)
    else:
        below = bottom.ghosts(primitive[:, 0], card.gamma)
    above = wall_ghosts(primitive[:, -GHOSTS:], weight, card, upward=True)
    return torch.cat([below, primitive, above], 1)


def pad_periodic(primitive: Tensor, axis: int) -> Tensor:
    """Return primitive quantities of shape (5, z, y, x) with two cells more at both ends of a periodic axis."""
    count = primitive.shape[axis + 1]
    before = primitive.narrow(axis + 1, count - GHOSTS, GHOSTS)
    return torch.cat([before, primitive, primitive.narrow(axis + 1, 0, GHOSTS)], axis + 1)


def close_walls(flux: Tensor, *, bottom: bool) -> None:
    """Let only pressure act through the walls, in place: through the upper one, and the lower one if it is closed."""
    for field in (MASS, MOMENTUM_Y, MOMENTUM_X, ENERGY):
        flux[field, -1] = 0
        if bottom:
            flux[field, 0] = 0
