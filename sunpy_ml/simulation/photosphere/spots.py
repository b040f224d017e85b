"""Sunspots and pores: their outlines, their smooth field and brightness, umbral dots and light bridges."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from sunpy_ml.simulation.drawing import Floats, smooth_noise, splat, wander
from sunpy_ml.simulation.photosphere.parameters import PhotosphereParameters

__all__ = ["Grid", "Spot", "Spots", "add_umbral_detail", "draw_spots"]

# Beyond this depth nothing is left of a spot.
_FAR = 12.0
# Where spots touch, the nearer one wins within this depth.
_TOUCH = 0.15
# The field falls this fast beyond a spot's outer edge, in widths of the penumbra.
_CANOPY = 0.15
# Angle of the field to the vertical where the umbra ends (radians).
_INCLINED = np.deg2rad(38)
# A pore has an edge of this width (Mm) in place of a penumbra.
_PORE_EDGE = 0.45
# Umbrae have this brightness at their border, and pores have this share of their field.
_BORDER, _PORE_BORDER_FIELD = 0.42, 0.72


class Grid(NamedTuple):
    """The pixels of a scene: columns ``x`` and rows ``y`` in Mm from the middle, and the length of one."""

    x: Floats
    y: Floats
    pixel: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y.shape[0], self.x.shape[1]


@dataclass(frozen=True)
class Spot:
    """
    One spot or pore.

    Parameters
    ----------
    x, y, radius : float
        Its place and its outer radius, in Mm.
    umbra : float
        Radius of its umbra, in Mm.
    polarity : float
        1 or -1.
    penumbra : bool
        Whether it has one: a pore has none.
    intensity, field : float
        Continuum (relative) and field (G) of its core.
    boundary, edge, inclination : float
        Vertical field where the umbra ends (G), field strength (G) at the outer edge, and its angle to the vertical
        there (radians).
    """

    x: float
    y: float
    radius: float
    umbra: float
    polarity: float
    penumbra: bool
    intensity: float
    field: float
    boundary: float
    edge: float
    inclination: float


class Spots(NamedTuple):
    """
    All spots of a scene.

    Parameters
    ----------
    depth : numpy.ndarray
        0 in the middle of an umbra, 1 at its border, 2 at the outer edge of the penumbra, and so on.
    field : numpy.ndarray
        Vertical field, without fine structure, in G.
    umbra : numpy.ndarray
        Brightness that an umbra has here.
    penumbra : numpy.ndarray
        1 where the nearest spot has a penumbra, 0 where it is a pore.
    """

    depth: Floats
    field: Floats
    umbra: Floats
    penumbra: Floats


def draw_spots(rng: np.random.Generator, grid: Grid, spots: list[Spot]) -> Spots:
    """Draw spots with irregular outlines, smooth inside."""
    depth = np.full(grid.shape, _FAR, np.float32)
    total, field, umbra, penumbra = (np.zeros(grid.shape, np.float32) for _ in range(4))
    for spot in spots:
        window = _window(grid, spot, 3 * spot.radius)
        if window is None:
            continue
        own = _depth(rng, grid, spot, window)
        weight = np.exp(-own / _TOUCH)
        total[window] += weight
        field[window] += weight * spot.polarity * _field(spot, own)
        umbra[window] += weight * _umbra(spot, own)
        penumbra[window] += weight * spot.penumbra
        depth[window] = np.minimum(depth[window], own)
    total = np.maximum(total, 1e-30)
    return Spots(depth, field / total, umbra / total, penumbra / total)


def add_umbral_detail(
    rng: np.random.Generator, grid: Grid, spots: list[Spot], drawn: Spots, parameters: PhotosphereParameters
) -> Spots:
    """Add umbral dots and light bridges, in which the field is weaker, and uneven darkness."""
    inside = np.clip(1.15 - drawn.depth, 0, 0.15) / 0.15
    dots = _dots(rng, grid, parameters) * inside * (0.35 + 0.65 * np.minimum(drawn.depth, 1) ** 2)
    uneven = np.exp(0.13 * smooth_noise(rng, grid.shape, grid.pixel, 0.7) * inside)
    umbra = drawn.umbra * uneven + 0.16 * dots
    field = drawn.field * (1 - 0.22 * np.minimum(dots, 1.5))
    bridge = np.zeros(grid.shape, np.float32)
    for spot in spots:
        chance = min(0.75, 0.15 * spot.umbra)
        window = _window(grid, spot, 1.5 * spot.umbra)
        if window is not None and rng.uniform() < chance:
            bridge[window] = np.maximum(bridge[window], _bridge(rng, grid, spot, window, parameters))
    bridge *= np.clip(1.3 - drawn.depth, 0, 0.3) / 0.3
    grains = 0.10 * smooth_noise(rng, grid.shape, grid.pixel, 0.16) + 0.08 * smooth_noise(
        rng, grid.shape, grid.pixel, 0.4
    )
    umbra += bridge * (0.72 + grains - umbra)
    return drawn._replace(umbra=umbra, field=field * (1 - 0.6 * bridge))


def _window(grid: Grid, spot: Spot, reach: float) -> tuple[slice, slice] | None:
    """Return the rows and columns within ``reach`` of a spot, or None where there are none."""
    spans = []
    for axis, place in ((grid.y[:, 0], spot.y), (grid.x[0], spot.x)):
        first, last = np.searchsorted(axis, [place - reach, place + reach])
        if first == last:
            return None
        spans.append(slice(int(first), int(last)))
    return spans[0], spans[1]


def _outline(rng: np.random.Generator, angle: Floats, roughness: float, modes: int) -> Floats:
    """Return a radius of mean square 1 all around."""
    radius = np.ones_like(angle)
    for order in range(2, modes + 2):
        amplitude = roughness * rng.standard_normal() / order**0.8
        radius += np.float32(amplitude) * np.cos(order * angle + np.float32(rng.uniform(0, 2 * np.pi)))
    return np.maximum(radius, 0.4) / np.sqrt(1 + 0.5 * roughness**2)


def _depth(rng: np.random.Generator, grid: Grid, spot: Spot, window: tuple[slice, slice]) -> Floats:
    rows, columns = window
    x, y = grid.x[:, columns] - np.float32(spot.x), grid.y[rows] - np.float32(spot.y)
    distance, angle = np.hypot(x, y), np.arctan2(y, x)
    if not spot.penumbra:
        border = spot.umbra * _outline(rng, angle, 0.30, 5)
        return np.minimum(np.where(distance < border, distance / border, 1 + (distance - border) / _PORE_EDGE), _FAR)
    outer = spot.radius * _outline(rng, angle, 0.17, 6)
    # The umbra need not be in the middle of the spot.
    aside = rng.normal(0, 0.10 * spot.radius, 2).astype(np.float32)
    umbral_angle = np.arctan2(y - aside[1], x - aside[0])
    border = spot.umbra * _outline(rng, umbral_angle, 0.22, 6)
    from_umbra = np.hypot(x - aside[0], y - aside[1])
    # A penumbra is nowhere narrower than a sixth of the spot.
    left = np.maximum(outer - distance, 0) + np.maximum(from_umbra - border, 0)
    width = np.maximum(left, spot.radius / 6)
    in_penumbra = 1 + np.maximum(from_umbra - border, 0) / width
    beyond = 2 + (distance - outer) / (spot.radius - spot.umbra)
    depth = np.where(distance > outer, np.maximum(beyond, in_penumbra), in_penumbra)
    return np.minimum(np.where(from_umbra < border, from_umbra / border, depth), _FAR).astype(np.float32)


def _field(spot: Spot, depth: Floats) -> Floats:
    """Return the vertical field of a spot, positive."""
    inner = np.minimum(depth, 1)
    across = np.clip(depth - 1, 0, 1)
    beyond = np.maximum(depth - 2, 0)
    core = spot.field - (spot.field - spot.boundary) * inner**2
    if not spot.penumbra:
        return core * (1 - across) ** 2 * (1 + 2 * across)
    strength = (spot.edge * np.cos(_INCLINED) / spot.boundary) ** across / np.cos(_INCLINED)
    # The field leans over fastest at the inner end of the penumbra.
    inclination = _INCLINED + (spot.inclination - _INCLINED) * across**0.55
    return core * strength * np.cos(inclination) * np.exp(-beyond / _CANOPY)


def _umbra(spot: Spot, depth: Floats) -> Floats:
    border = _BORDER if spot.penumbra else max(_BORDER, 1.15 * spot.intensity)
    return spot.intensity + (border - spot.intensity) * np.minimum(depth, 1.2) ** 2.5


def _dots(rng: np.random.Generator, grid: Grid, parameters: PhotosphereParameters) -> Floats:
    """Scatter umbral dots everywhere, of typical height 1."""
    low, high = parameters.ends("umbral_dot_size")
    rows, columns = grid.shape
    dots = np.zeros(grid.shape, np.float32)
    # Two sizes stand for all; on average a dot has 0.65 Mm square to itself.
    count = round(rows * columns * grid.pixel**2 / 0.65**2 / 2)
    for size in (low, high):
        sigma = max(size / 2.355 / grid.pixel, 0.35)
        weight = rng.lognormal(-0.2, 0.6, count) * 2 * np.pi * sigma**2
        points = splat(grid.shape, rng.uniform(0, columns, count), rng.uniform(0, rows, count), weight)
        dots += gaussian_filter(points, sigma)
    return np.minimum(dots, 2.5)


def _bridge(
    rng: np.random.Generator,
    grid: Grid,
    spot: Spot,
    window: tuple[slice, slice],
    parameters: PhotosphereParameters,
) -> Floats:
    """Return the cover of a light bridge across an umbra."""
    rows, columns = window
    x, y = grid.x[:, columns] - np.float32(spot.x), grid.y[rows] - np.float32(spot.y)
    tilt, aside = rng.uniform(0, np.pi), rng.uniform(-0.4, 0.4) * spot.umbra
    along = (x * np.cos(tilt) + y * np.sin(tilt)) / (1.5 * spot.umbra)
    across = y * np.cos(tilt) - x * np.sin(tilt) - aside - 0.22 * spot.umbra * wander(rng)(along)
    half = 0.5 * parameters.draw(rng, "bridge_width") * np.exp(0.4 * wander(rng)(2 * along))
    # Some end within the umbra.
    end = rng.uniform(-0.3, 0.3) if rng.uniform() < 0.4 else -2.0
    begun = 0.5 + 0.5 * np.tanh((along - end) / 0.06)
    return (begun * np.exp(-((across / half) ** 4))).astype(np.float32)
