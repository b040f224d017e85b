"""Active regions: sunspots, pores and plage, with the magnetic flux that directs the fibrils around them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sunpy_ml.simulation.drawing import Floats, smooth_noise, wander
from sunpy_ml.simulation.halpha.view import View

__all__ = ["Plage", "Region", "Spots", "draw_plage", "draw_region", "draw_spots"]

# The umbra takes 0.40 to 0.45 of the radius of a spot (Solanki 2003, doi:10.1007/s00159-003-0018-4).
_UMBRAL_RADIUS = (0.40, 0.45)


@dataclass(frozen=True)
class Region:
    """
    The plan of a bipolar active region, in surface coordinates (Mm).

    Parameters
    ----------
    x, y : float
        Its middle.
    tilt : float
        Angle of the axis from the following to the leading polarity, in radians from the west.
    separation : float
        Length of that axis.
    polarity : float
        Sign of the leading polarity.
    """

    x: float
    y: float
    tilt: float
    separation: float
    polarity: float

    def at(self, along: float, across: float) -> tuple[float, float]:
        """Return surface coordinates of a point given along and across the axis."""
        cosine, sine = np.cos(self.tilt), np.sin(self.tilt)
        return self.x + along * cosine - across * sine, self.y + along * sine + across * cosine


class Spots(NamedTuple):
    """
    A group of sunspots and pores.

    Parameters
    ----------
    transmission : numpy.ndarray
        Brightness relative to the same place without spots.
    flux : numpy.ndarray
        Vertical field, of modulus 1 in the umbra of the leading spot.
    influence : numpy.ndarray
        From 1 in the spots to 0 far away: where fibrils are long and dark, the superpenumbra.
    """

    transmission: Floats
    flux: Floats
    influence: Floats


class Plage(NamedTuple):
    """
    Bright plage of both polarities.

    Parameters
    ----------
    cover : numpy.ndarray
        Share of plage, from 0 to 1, in ragged patches.
    flux : numpy.ndarray
        Vertical field relative to that of an umbra.
    """

    cover: Floats
    flux: Floats


@dataclass(frozen=True)
class _Spot:
    """One spot or pore: place and radius in Mm, and the sign of its field."""

    x: float
    y: float
    radius: float
    polarity: float
    has_penumbra: bool


def draw_region(rng: np.random.Generator, view: View) -> Region:
    """
    Draw the plan of an active region in the field.

    Its polarities lie 20 to 70 Mm apart (modelling choice), within some 20 degrees of east and west.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all that is random.
    view : View
        The geometry.

    Returns
    -------
    Region
        The plan.
    """
    x, y = rng.uniform(-0.45, 0.45, 2) * view.spread
    return Region(
        x=float(x),
        y=float(y),
        tilt=float(rng.choice([0.0, np.pi]) + rng.normal(0, 0.35)),
        separation=float(rng.uniform(20, 70)),
        polarity=float(rng.choice([-1.0, 1.0])),
    )


def draw_spots(rng: np.random.Generator, view: View, region: Region) -> Spots:
    """
    Draw a leading spot, of 6 to 16 Mm radius with its penumbra, and smaller spots and pores.

    Sizes and numbers are modelling choices.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all that is random.
    view : View
        The geometry.
    region : Region
        Where they lie; the leading spot is drawn close to its middle so that no field misses it.

    Returns
    -------
    Spots
        Their brightness, field and influence.
    """
    leader = _Spot(region.x, region.y, float(rng.uniform(6, 16)), region.polarity, has_penumbra=True)
    spots = [leader, *(_follower(rng, region, leader) for _ in range(int(rng.integers(0, 7))))]
    transmission = np.ones(view.shape, np.float32)
    flux = np.zeros(view.shape, np.float32)
    influence = np.zeros(view.shape, np.float32)
    ragged = 0.05 * smooth_noise(rng, view.shape, view.pixel, 0.5)
    for spot in spots:
        apart = np.hypot(view.x - spot.x, view.y - spot.y)
        flux += spot.polarity * np.exp(-((apart / (0.7 * spot.radius)) ** 2))
        influence = np.maximum(influence, np.exp(-((apart / (2 * spot.radius)) ** 2)))
        near = apart < 1.6 * spot.radius
        angle = np.arctan2(view.y[near] - spot.y, view.x[near] - spot.x)
        # Positions that span 4 make the outline close upon itself.
        outline = 1 + 0.1 * wander(rng, modes=5)(2 * angle / np.pi)
        transmission[near] *= _profile(rng, apart[near] / (spot.radius * outline) + ragged[near], spot)
    return Spots(transmission, flux, influence)


def draw_plage(rng: np.random.Generator, view: View, region: Region) -> Plage:
    """
    Draw patches of plage around both polarities of an active region.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all that is random.
    view : View
        The geometry.
    region : Region
        Where it lies.

    Returns
    -------
    Plage
        Its cover and its field.
    """
    envelope = {-1.0: np.zeros(view.shape, np.float32), 1.0: np.zeros(view.shape, np.float32)}
    for leads in (True, False):
        polarity = region.polarity if leads else -region.polarity
        for _ in range(int(rng.integers(1, 5 if leads else 7))):
            along, across = rng.normal((0.15 if leads else -0.75, 0), 0.2) * region.separation
            x, y = region.at(along, across)
            size = float(rng.uniform(0.08, 0.25)) * region.separation
            shape = ((view.x - x) ** 2 + (view.y - y) ** 2) / size**2
            envelope[polarity] += rng.uniform(0.5, 1.0) * np.exp(-np.minimum(shape, 20.0))
    clumps = 0.8 * smooth_noise(rng, view.shape, view.pixel, 2.5)
    clumps += 0.5 * smooth_noise(rng, view.shape, view.pixel, 0.9)
    total = envelope[1.0] + envelope[-1.0]
    cover = np.clip(np.tanh(1.5 * total) * (0.45 + 0.6 * clumps), 0, None)
    return Plage(np.tanh(cover), 0.3 * np.clip(0.5 + clumps, 0, None) * (envelope[1.0] - envelope[-1.0]))


def _follower(rng: np.random.Generator, region: Region, leader: _Spot) -> _Spot:
    leads = rng.uniform() < 0.3
    along = rng.normal(0.0 if leads else -0.8, 0.25) * region.separation
    side = 1.3 if leads else 0.25
    across = rng.normal(0, side) * (leader.radius if leads else region.separation)
    x, y = region.at(along, across)
    radius = float(np.exp(rng.uniform(np.log(1.0), np.log(0.6 * leader.radius))))
    return _Spot(x, y, radius, region.polarity if leads else -region.polarity, has_penumbra=radius > 4)


def _profile(rng: np.random.Generator, distance: Floats, spot: _Spot) -> Floats:
    """Return the brightness at ``distance``, in units of the radius; the levels are modelling choices."""
    penumbra, umbra = rng.uniform(0.72, 0.88), rng.uniform(0.28, 0.42)
    if not spot.has_penumbra:
        return 1 - (1 - umbra) * _inside(distance, 1.0, 0.12)
    border = rng.uniform(*_UMBRAL_RADIUS)
    in_penumbra, in_umbra = _inside(distance, 1.0, 0.08), _inside(distance, border, 0.05)
    return 1 - (1 - penumbra) * in_penumbra - (penumbra - umbra) * in_umbra


def _inside(distance: Floats, border: float, softness: float) -> Floats:
    return 0.5 - 0.5 * np.tanh((distance - border) / softness)
