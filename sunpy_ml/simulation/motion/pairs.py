"""Pairs of frames with known motion, in batches, to train networks on."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import astropy.units as u
import torch
from torch import Tensor

from sunpy_ml.simulation.motion.checking import checked_images, per_sample
from sunpy_ml.simulation.motion.evolution import correlation_after
from sunpy_ml.simulation.motion.filming import Conditions, Instrument, film
from sunpy_ml.simulation.motion.spectrum import SOLAR_SPECTRUM, FlowPart, Grid
from sunpy_ml.simulation.motion.streams import Streams, exponential_between, spawn, start, uniform
from sunpy_ml.simulation.motion.velocity import Recipe, diverging, draw_velocity

__all__ = ["MIXTURE", "MOTIONS", "MotionPairs", "draw_pairs", "follow", "straight"]

MOTIONS = ("diverging", "unrelated", "converging", "uniform", "still")
# As many pairs flow out of what is bright as do not care for it, and as do anything else: a network that has learned
# that granules diverge is right in a third of them only.
MIXTURE: Mapping[str, float] = MappingProxyType(
    {"diverging": 3 / 9, "unrelated": 3 / 9, "converging": 1 / 9, "uniform": 1 / 9, "still": 1 / 9}
)
# Modelling choices: how much of the granular energy follows the image where it does, and how far scales and shares of
# the parts are from the usual.
_TIE = (0.5, 1.0)
_STRETCH = (0.6, 1.7)
_WEIGHT = (0.25, 4.0)


class MotionPairs(NamedTuple):
    """
    Pairs of frames, and what is true of them.

    Parameters
    ----------
    frames : torch.Tensor
        (N, 2, H', W'), the earlier one first.
    velocity : torch.Tensor
        (N, 2, H, W) in km/s, on the pixels at the middle of the time: vx towards larger columns, vy towards larger
        rows. Jitter is not in it.
    outside : torch.Tensor
        (N, H, W), True where a frame shows what was outside of the image: do not learn from there.
    motion : tuple of str
        For each pair, "diverging" or "converging" where the image is bright, "unrelated" to it, "uniform" or "still".
    correlation, noise, jitter : torch.Tensor
        (N,): the correlation of the frames after undoing the motion, before noise; the noise relative to the mean; the
        root of the mean square displacement of a frame, in pixels.
    """

    frames: Tensor
    velocity: Tensor
    outside: Tensor
    motion: tuple[str, ...]
    correlation: Tensor
    noise: Tensor
    jitter: Tensor


@u.quantity_input
def draw_pairs(
    images: Tensor,
    *,
    pixel: u.Quantity[u.Mm],
    cadence: u.Quantity[u.s] = 30 * u.s,
    rms: u.Quantity[u.km / u.s] = (0.5, 2.5) * u.km / u.s,
    mixture: Mapping[str, float] = MIXTURE,
    parts: Sequence[FlowPart] = SOLAR_SPECTRUM,
    rotation: tuple[float, float] = (0.0, 0.6),
    vortices: u.Quantity[u.Mm**-2] = (0, 0.05) / u.Mm**2,
    correlation: tuple[float, float] = (0.95, 1.0),
    noise: tuple[float, float] = (1e-3, 1e-2),
    jitter: tuple[float, float] = (0.0, 0.03),
    periodic: bool = False,
    instrument: Instrument | None = None,
    seed: int | torch.Generator = 0,
) -> MotionPairs:
    """
    Draw pairs of frames with known motion.

    Each image is what is seen in the middle between two frames, and each gets a velocity field of its own. In a third
    of the pairs this diverges over bright granules and converges in lanes, in a third it has nothing to do with the
    image, and in a third it is the opposite, uniform or zero: only motion tells which, so motion is what is learned.

    Parameters
    ----------
    images : torch.Tensor
        (N, H, W), positive, on any device.
    pixel, cadence : `~astropy.units.Quantity`
        Size of a pixel at the Sun, and time between the frames: one, or one for each image.
    rms : `~astropy.units.Quantity`
        Least and largest root of the mean square of the speed.
    mixture : mapping of str to float
        Parts of "diverging", "unrelated", "converging", "uniform" and "still"; what is not there does not occur.
    parts : sequence of FlowPart
        The spectrum, of which scales and shares are varied; it is the first part that follows the image.
    rotation : tuple of float
        Least and largest part of the energy of random flows that is in rotation.
    vortices : `~astropy.units.Quantity`
        Least and largest number of vortices per area.
    correlation : tuple of float
        Least and largest correlation of frames 30 s apart after undoing the motion. At another cadence it is
        its (cadence / 30 s)-th power.
    noise : tuple of float
        Least and largest standard deviation of the noise, relative to the mean; drawn uniformly in the logarithm.
    jitter : tuple of float
        Least and largest rms displacement of a frame by pointing and seeing, in pixels.
    periodic : bool
        Whether the images go on at the other edge.
    instrument : callable, optional
        Takes frames (M, H, W) and gives frames (M, H', W'): a point-spread function and a detector, say. It comes
        after the motion and before the noise.
    seed : int or torch.Generator
        The same seed gives the same pairs; a pair does not depend on how many follow it, nor, but for rounding, on the
        device.

    Returns
    -------
    MotionPairs
        Frames, velocities and conditions, on the device and in the precision of the images.

    Raises
    ------
    ValueError
        If a shape or a number cannot be.
    astropy.units.UnitsError
        If a unit is wrong.

    Notes
    -----
    `carry` says how images are moved, `evolve` how they change, and `random_velocity` where the spectrum is from.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.motion import draw_pairs, granulation
    >>> images = granulation((64, 64), pixel=80 * u.km, count=3)
    >>> pairs = draw_pairs(images, pixel=80 * u.km, cadence=[10, 30, 60] * u.s)
    >>> pairs.frames.shape, pairs.velocity.shape
    (torch.Size([3, 2, 64, 64]), torch.Size([3, 2, 64, 64]))
    """
    count = len(checked_images(images))
    place = images.new_zeros(count)
    grid = Grid(
        (images.shape[1], images.shape[2]), per_sample("pixel", pixel.to_value(u.Mm), place, positive=True), periodic
    )
    seconds = per_sample("cadence", cadence.to_value(u.s), place, positive=True)
    kinds, speeds, flows, films = spawn(start(seed, count), 4)
    motion = _kinds(kinds, mixture)
    recipe = _recipe(place, speeds, motion, parts, rms.to_value(u.km / u.s), rotation, vortices.to_value(u.Mm**-2))
    velocity = follow(flows, images, grid, recipe, motion)
    levels = spawn(films, 4)
    at_30_seconds = uniform(levels[0], *_limits("correlation", correlation)).to(place)
    conditions = Conditions(
        correlation=correlation_after(at_30_seconds, seconds),
        jitter=uniform(levels[1], *_limits("jitter", jitter)).to(place),
        noise=_noise(levels[2], noise).to(place),
    )
    frames, outside = film(
        levels[3],
        images,
        velocity * (seconds / (1e3 * grid.pixel))[:, None, None, None],
        grid,
        conditions,
        uniform=straight(motion, place),
        instrument=instrument,
    )
    return MotionPairs(frames, velocity, outside, motion, conditions.correlation, conditions.noise, conditions.jitter)


def follow(streams: Streams, images: Tensor, grid: Grid, recipe: Recipe, motion: Sequence[str]) -> Tensor:
    """Draw velocities, (N, 2, H, W) in km/s, each of its kind of motion."""
    directions, flows = spawn(streams, 2)
    suggested = diverging(images, grid) if (recipe.tie != 0).any() else None
    velocity = draw_velocity(flows, grid, recipe, suggested)
    angle = 2 * torch.pi * uniform(directions).to(grid.pixel)
    stream = recipe.rms[:, None] * torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    same = straight(motion, grid.pixel)[:, None, None, None]
    velocity = torch.where(same, stream[:, :, None, None], velocity)
    still = torch.tensor([kind == "still" for kind in motion], device=velocity.device)
    return torch.where(still[:, None, None, None], 0.0, velocity)


def straight(motion: Sequence[str], place: Tensor) -> Tensor:
    """Return where the motion is the same everywhere, (N,)."""
    return torch.tensor([kind in ("uniform", "still") for kind in motion], device=place.device)


def _kinds(streams: Streams, mixture: Mapping[str, float]) -> tuple[str, ...]:
    unknown = set(mixture) - set(MOTIONS)
    if unknown or not mixture or min(mixture.values()) < 0 or sum(mixture.values()) <= 0:
        raise ValueError(f"mixture is {dict(mixture)}: give parts, from 0, of any of {', '.join(MOTIONS)}")
    names = [name for name in MOTIONS if name in mixture]
    bounds = torch.tensor([mixture[name] for name in names]).cumsum(dim=0)
    chosen = torch.searchsorted(bounds, uniform(streams) * bounds[-1], right=True)
    return tuple(names[min(index, len(names) - 1)] for index in chosen.tolist())


def _recipe(
    place: Tensor,
    streams: Streams,
    motion: Sequence[str],
    parts: Sequence[FlowPart],
    rms: Sequence[float],
    rotation: tuple[float, float],
    vortices: Sequence[float],
) -> Recipe:
    draws = spawn(streams, 6)
    sign = torch.tensor([{"diverging": 1.0, "converging": -1.0}.get(kind, 0.0) for kind in motion])
    if _limits("rotation", rotation)[1] > 1:
        raise ValueError(f"rotation is {rotation}: give parts of the energy, from 0 to 1")
    return Recipe(
        parts,
        rms=uniform(draws[0], *_limits("rms", rms)).to(place),
        rotation=uniform(draws[1], *_limits("rotation", rotation)).to(place),
        vortices=uniform(draws[2], *_limits("vortices", vortices)).to(place),
        tie=(sign * uniform(draws[3], *_TIE)).to(place),
        stretch=torch.stack([exponential_between(part, *_STRETCH) for part in spawn(draws[4], len(parts))], dim=1),
        weight=torch.stack([exponential_between(part, *_WEIGHT) for part in spawn(draws[5], len(parts))], dim=1),
    )


def _limits(name: str, given: Sequence[float]) -> tuple[float, float]:
    if len(given) != 2 or not 0 <= given[0] <= given[1] < float("inf"):
        raise ValueError(f"{name} is {given}: give the least and the largest, from 0")
    return float(given[0]), float(given[1])


def _noise(streams: Streams, given: tuple[float, float]) -> Tensor:
    low, high = _limits("noise", given)
    # No noise at all has no logarithm.
    return exponential_between(streams, low, high) if low > 0 else uniform(streams, low, high)
