"""Vortices of Lamb and Oseen."""

import math

import torch
from torch import Tensor

from sunpy_ml.simulation.motion.spectrum import Grid
from sunpy_ml.simulation.motion.streams import Streams

__all__ = ["draw_vortices", "swirl"]

# The speed peaks where exp(a r^2 / R^2) = 1 + 2 a r^2 / R^2 at r = R.
_ALPHA = 1.2564312086261697
# In radii. Far away a vortex fades, since others shield it (modelling choice).
_REACH = 6.0
# Nothing is left there.
_END = 11.0
# Radii in Mm and the mean speed in km/s: Liu et al. (arXiv:1804.02931) find 0.29 Mm and at most 1 km/s at Hinode's
# resolution. Drawn widely.
_RADIUS = (0.2, 0.5)
_SPEED = (0.5, 1.5)
# In pixels: what is smaller is not drawn.
_SMALLEST = 1.5


def swirl(distance: Tensor, radius: float) -> Tensor:
    """
    Return the angular speed of a vortex of Lamb and Oseen that turns with the speed 1 at its radius.

    Parameters
    ----------
    distance : torch.Tensor
        From its axis.
    radius : float
        Where it is fastest, in the same unit.

    Returns
    -------
    torch.Tensor
        Speed over distance, finite on the axis; beyond a few radii it fades.
    """
    ratio = (distance / radius) ** 2
    safe = torch.clamp(ratio, min=1e-6)
    # (1 - exp(-x)) / x, which is 1 on the axis.
    core = -torch.expm1(-_ALPHA * safe) / safe
    fading = torch.exp(-((ratio / _REACH**2) ** 2))
    return (1 + 0.5 / _ALPHA) * core * fading / radius


def draw_vortices(streams: Streams, grid: Grid, density: Tensor) -> Tensor:
    """
    Draw velocity fields of vortices at random places, of either sense.

    Parameters
    ----------
    streams : list of torch.Generator
        One for each sample.
    grid : Grid
        Where.
    density : torch.Tensor
        (N,), vortices per square Mm.

    Returns
    -------
    torch.Tensor
        (N, 2, H, W), vx and vy in km/s. Vortices of less than 1.5 pixels are left out.
    """
    field = torch.zeros(len(streams), 2, *grid.shape, device=grid.pixel.device, dtype=grid.pixel.dtype)
    numbers = zip(streams, field, grid.pixel.tolist(), density.tolist(), strict=True)
    for stream, velocity, pixel, per_area in numbers:
        if _RADIUS[1] < _SMALLEST * pixel:
            continue
        expected = per_area * grid.shape[0] * grid.shape[1] * pixel**2
        # The whole part for certain, what is left by chance.
        count = math.floor(expected + float(torch.rand((), generator=stream)))
        for column, row, size, speed, sense in torch.rand((count, 5), generator=stream).tolist():
            radius = (_RADIUS[0] + (_RADIUS[1] - _RADIUS[0]) * size) / pixel
            if radius > _SMALLEST:
                fastest = math.copysign(_SPEED[0] + (_SPEED[1] - _SPEED[0]) * speed, sense - 0.5)
                _add(velocity, column * grid.shape[1], row * grid.shape[0], radius, fastest, periodic=grid.periodic)
    return field


def _add(velocity: Tensor, column: float, row: float, radius: float, speed: float, *, periodic: bool) -> None:
    """Add a vortex to a field (2, H, W), in place; lengths in pixels."""
    reach = math.ceil(_END * radius)
    steps = torch.arange(-reach, reach + 2, device=velocity.device)
    columns, rows = math.floor(column) + steps, math.floor(row) + steps
    if periodic:
        # A vortex that is wider than the field meets itself, and is added to itself.
        place = rows[:, None] % velocity.shape[1], columns[None, :] % velocity.shape[2]
    else:
        columns = columns[(columns >= 0) & (columns < velocity.shape[2])]
        rows = rows[(rows >= 0) & (rows < velocity.shape[1])]
        place = rows[:, None], columns[None, :]
    x = columns[None, :].to(velocity) - column
    y = rows[:, None].to(velocity) - row
    turn = speed * swirl(torch.hypot(x, y), radius)
    velocity[0].index_put_(place, -turn * y, accumulate=True)
    velocity[1].index_put_(place, turn * x, accumulate=True)
