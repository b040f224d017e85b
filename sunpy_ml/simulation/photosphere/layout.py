"""What is where in a scene: spots, pores, and where plage and network are."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from sunpy_ml.simulation.drawing import Floats, smooth_noise
from sunpy_ml.simulation.photosphere.parameters import PhotosphereParameters
from sunpy_ml.simulation.photosphere.spots import Grid, Spot

__all__ = ["Envelopes", "draw_envelopes", "draw_layout"]

# Envelopes are smooth: this sampling, in Mm, is enough for them.
_COARSE = 0.5
# The widest spot takes this share of the shorter side, and the distance between polarities that of the field.
_WIDEST, _APART = 0.22, 0.50
# The chance that spots of opposite polarity share a penumbra; a modelling choice.
_TOUCHING = 0.2
# Widths (sigma, in Mm) of the lanes of the network and of its patches of one polarity.
_NETWORK_LANE, _PATCH = 1.1, 6.0


class Envelopes(NamedTuple):
    """Where there is much and little flux of either polarity, in plage and in network."""

    plage: tuple[Floats, Floats]
    network: tuple[Floats, Floats]


def draw_layout(rng: np.random.Generator, kind: str, grid: Grid, parameters: PhotosphereParameters) -> list[Spot]:
    """Place the spots and pores of a scene; the first is the largest."""
    height, width = (axis * grid.pixel for axis in grid.shape)
    tilt = rng.normal(0, 0.2) + (np.pi / 2 if height > 1.5 * width else 0)
    axis = _APART * max(height, width) * np.array([np.cos(tilt), np.sin(tilt)])
    limit = np.array([width, height]) / 2
    leading = rng.choice([-1.0, 1.0])
    spots: list[Spot] = []
    if kind == "spot":
        radius = min(_logarithmic(rng, parameters.ends("spot_radius")), _WIDEST * min(height, width))
        place = 0.4 * axis + rng.normal(0, 0.03, 2) * limit
        spots.append(_spot(rng, place, radius, leading, parameters))
        # Following polarity is in more and smaller spots; they take about half of the flux of the leading one.
        for share in rng.dirichlet(np.full(rng.integers(1, 4), 3.0)):
            size = radius * np.sqrt(share * rng.uniform(0.35, 0.75))
            _add(spots, rng, size, -leading, (-0.6 * axis, 0.25 * limit), limit, parameters)
        if rng.uniform() < _TOUCHING:
            spots[1:2] = [_touching(spots[0], spot) for spot in spots[1:2]]
    if kind in ("spot", "pores"):
        for _ in range(rng.integers(3, 9)):
            leads = rng.uniform() < (0.35 if kind == "spot" else 0.5)
            around = (0.5 if leads else -0.5) * axis
            size = _logarithmic(rng, parameters.ends("pore_radius"))
            polarity = leading if leads else -leading
            size = min(size, 0.1 * min(height, width))
            _add(spots, rng, size, polarity, (around, 0.28 * limit), limit, parameters)
    return spots


def draw_envelopes(
    rng: np.random.Generator, kind: str, grid: Grid, spots: list[Spot], parameters: PhotosphereParameters
) -> Envelopes:
    """Draw where flux concentrations may be; plage leans on the spots of its polarity."""
    height, width = (axis * grid.pixel for axis in grid.shape)
    rows, columns = (max(round(side / _COARSE), 8) for side in (height, width))
    y = ((np.arange(rows, dtype=np.float32) + 0.5) / rows - 0.5)[:, None] * height
    x = ((np.arange(columns, dtype=np.float32) + 0.5) / columns - 0.5)[None, :] * width
    coarse = Grid(x, y, _COARSE)
    network = _network(rng, coarse, parameters.draw(rng, "supergranule_spacing"))
    side = smooth_noise(rng, coarse.shape, _COARSE, min(_PATCH, min(height, width) / 6))
    share = 0.5 + 0.5 * np.tanh(1.5 * (side - np.median(side)))
    plage = _plage(rng, coarse, spots) if kind not in ("quiet", "network") else (network * 0, network * 0)

    def at_pixels(envelope: Floats) -> Floats:
        place = np.meshgrid(_places(grid.shape[0], rows), _places(grid.shape[1], columns), indexing="ij", sparse=False)
        return map_coordinates(envelope.astype(np.float32), place, order=1, mode="nearest")

    return Envelopes(
        (at_pixels(plage[0]), at_pixels(plage[1])), (at_pixels(network * share), at_pixels(network * (1 - share)))
    )


def _places(count: int, coarse: int) -> Floats:
    return ((np.arange(count) + 0.5) * (coarse / count) - 0.5).astype(np.float32)


def _logarithmic(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(ends))))


def _add(
    spots: list[Spot],
    rng: np.random.Generator,
    radius: float,
    polarity: float,
    place: tuple[Floats, Floats],
    limit: Floats,
    parameters: PhotosphereParameters,
) -> None:
    """Add a spot near a place (its mean and its spread), clear of others; none where there is no room."""
    for _ in range(20):
        x, y = np.clip(rng.normal(*place), -limit + 1.2 * radius, limit - 1.2 * radius)
        if all(np.hypot(x - other.x, y - other.y) > 1.15 * (radius + other.radius) for other in spots):
            spots.append(_spot(rng, np.array([x, y]), radius, polarity, parameters))
            return


def _touching(spot: Spot, other: Spot) -> Spot:
    """Move the other spot along the line between them until penumbrae overlap."""
    apart = np.array([other.x - spot.x, other.y - spot.y])
    apart *= 0.8 * (spot.radius + other.radius) / np.hypot(*apart)
    return replace(other, x=float(spot.x + apart[0]), y=float(spot.y + apart[1]))


def _spot(
    rng: np.random.Generator, place: Floats, radius: float, polarity: float, parameters: PhotosphereParameters
) -> Spot:
    """Draw a spot with a penumbra, or a pore where the radius is that of one."""
    penumbra = radius > parameters.ends("pore_radius")[1]
    names = ("spot_radius", "umbral_intensity", "umbral_field") if penumbra else (
        "pore_radius",
        "pore_intensity",
        "pore_field",
    )  # fmt: skip
    smallest, largest = parameters.ends(names[0])
    # The larger the darker, and the darker the stronger, with scatter.
    rank = np.log(radius / smallest) / np.log(largest / smallest) if largest > smallest else rng.uniform()
    rank = float(np.clip(rank + rng.normal(0, 0.2), 0, 1))
    (dark, bright), (weak, strong) = (parameters.ends(name) for name in names[1:])
    core = weak + (strong - weak) * float(np.clip(rank + rng.normal(0, 0.15), 0, 1))
    return Spot(
        x=float(place[0]),
        y=float(place[1]),
        radius=radius,
        umbra=radius * (parameters.draw(rng, "umbral_radius") if penumbra else 1),
        polarity=polarity,
        penumbra=penumbra,
        intensity=bright + (dark - bright) * rank,
        field=core,
        boundary=min(parameters.draw(rng, "boundary_field"), core) if penumbra else 0.72 * core,
        edge=parameters.draw(rng, "edge_field"),
        inclination=float(np.deg2rad(parameters.draw(rng, "edge_inclination"))),
    )


def _network(rng: np.random.Generator, grid: Grid, spacing: float) -> Floats:
    """Return the network around supergranules, broken and clumpy."""
    height, width = float(np.ptp(grid.y)) + 2 * spacing, float(np.ptp(grid.x)) + 2 * spacing
    count = max(round(height * width / spacing**2), 2)
    points = rng.uniform(-0.5, 0.5, (count, 2)) * [width, height]
    warp = [2.5 * smooth_noise(rng, grid.shape, grid.pixel, 4.0) for _ in range(2)]
    place = np.stack(np.broadcast_arrays(grid.x + warp[0], grid.y + warp[1]), axis=-1)
    distance, _ = cKDTree(points).query(place, k=2)
    gap = distance[..., 1] - distance[..., 0]
    lane = np.exp(-0.5 * (gap / (2 * _NETWORK_LANE)) ** 2)
    clumps = np.exp(1.2 * smooth_noise(rng, grid.shape, grid.pixel, 1.8))
    # Some flux is on its way from the middle of the cells to their border.
    return (lane + 0.03) * clumps


def _plage(rng: np.random.Generator, grid: Grid, spots: list[Spot]) -> tuple[Floats, Floats]:
    """Return plage of positive and of negative polarity."""
    size = np.array([np.ptp(grid.x), np.ptp(grid.y)])
    tilt = rng.normal(0, 0.25) + (np.pi / 2 if size[1] > 1.5 * size[0] else 0)
    axis = 0.5 * _APART * size.max() * np.array([np.cos(tilt), np.sin(tilt)])
    leading = spots[0].polarity if spots else rng.choice([-1.0, 1.0])
    envelopes = {1.0: np.zeros(grid.shape, np.float32), -1.0: np.zeros(grid.shape, np.float32)}
    for polarity, envelope in envelopes.items():
        middle = axis if polarity == leading else -axis
        for _ in range(rng.integers(4, 8)):
            x, y = middle + rng.normal(0, 0.13, 2) * size
            width = rng.uniform(0.06, 0.15) * size.min()
            envelope += rng.uniform(0.4, 1) * np.exp(-0.5 * ((grid.x - x) ** 2 + (grid.y - y) ** 2) / width**2)
        for spot in spots:
            if spot.polarity == polarity:
                square = (grid.x - spot.x) ** 2 + (grid.y - spot.y) ** 2
                envelope += 0.5 * np.exp(-0.5 * square / (1.6 * spot.radius + 1.5) ** 2)
        envelope *= np.exp(0.8 * smooth_noise(rng, grid.shape, grid.pixel, 2.0))
        # Some flux is everywhere.
        envelopes[polarity] = np.tanh(envelope + 0.02)
    return envelopes[1.0], envelopes[-1.0]
