"""From an image and its flow to frames: change, motion, jitter, instrument and noise."""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import astropy.units as u
import torch
from torch import Tensor

from sunpy_ml.simulation.motion.carrying import carry, shift
from sunpy_ml.simulation.motion.evolution import evolved
from sunpy_ml.simulation.motion.spectrum import FlowPart, Grid, draw_parts
from sunpy_ml.simulation.motion.streams import Streams, normal, spawn

__all__ = ["Conditions", "Instrument", "film"]

# Takes frames (M, H, W), and gives frames (M, H', W').
Instrument: TypeAlias = Callable[[Tensor], Tensor]

# The seeing moves parts of an image that are larger than this alike (modelling choice: 7 arcsec).
_SEEING = FlowPart(5 * u.Mm, share=1.0)


class Conditions(NamedTuple):
    """
    What makes frames differ besides motion; each (N,).

    Parameters
    ----------
    correlation : torch.Tensor
        Of successive frames, after undoing the motion.
    jitter : torch.Tensor
        Root of the mean square displacement of a frame, in pixels: half of its square is of the frame as a whole, half
        of distortions.
    noise : torch.Tensor
        Standard deviation where the image is as bright as its mean, relative to it.
    """

    correlation: Tensor
    jitter: Tensor
    noise: Tensor


def film(
    streams: Streams,
    image: Tensor,
    flow: Tensor,
    grid: Grid,
    conditions: Conditions,
    *,
    count: int = 2,
    steps: int = 2,
    uniform: Tensor | None = None,
    instrument: Instrument | None = None,
) -> tuple[Tensor, Tensor]:
    """
    Film an image.

    Parameters
    ----------
    streams : list of torch.Generator
        One for each sample.
    image : torch.Tensor
        (N, H, W): what is seen in the middle of the time.
    flow : torch.Tensor
        (N, 2, H, W): what moves from one frame to the next, in pixels.
    grid : Grid
        Of the image.
    conditions : Conditions
        What else makes frames differ.
    count, steps : int
        Number of frames, and of steps along the flow from the middle to any of them.
    uniform : torch.Tensor, optional
        (N,), True where the flow is the same everywhere: such images are shifted in Fourier space.
    instrument : callable, optional
        Applied to the frames before the noise.

    Returns
    -------
    frames : torch.Tensor
        (N, count, H', W').
    outside : torch.Tensor
        (N, H, W), True where a frame shows what was outside of the image.
    """
    changes, shifts, distortions, noises = spawn(streams, 4)
    scenes = evolved(changes, image, conditions.correlation, count=count, periodic=grid.periodic)
    whole = torch.zeros_like(image[:, 0, 0], dtype=torch.bool) if uniform is None else uniform
    drift = torch.where(whole[:, None], flow[:, :, 0, 0], 0.0)
    bent = torch.where(whole[:, None, None, None], 0.0, flow)
    outside = torch.zeros_like(image, dtype=torch.bool)
    frames = []
    for index, (pointing, seeing) in enumerate(zip(spawn(shifts, count), spawn(distortions, count), strict=True)):
        time = index - (count - 1) / 2
        distortion = _distortion(seeing, grid, conditions.jitter / math.sqrt(2))
        scene, missing = carry(scenes[:, index], time * bent + distortion, periodic=grid.periodic, steps=steps)
        move = time * drift + 0.5 * conditions.jitter[:, None] * normal(pointing, (2,), image)
        frames.append(shift(scene, move, periodic=grid.periodic))
        outside |= missing | (_beyond(image, move) if not grid.periodic else missing)
    seen = torch.stack(frames, dim=1)
    if instrument is not None:
        seen = instrument(seen.flatten(0, 1)).unflatten(0, (len(image), count))
    return _noisy(noises, seen, conditions.noise), outside


def _distortion(streams: Streams, grid: Grid, rms: Tensor) -> Tensor:
    """Draw a displacement of parts of an image, in pixels: (N, 2, H, W)."""
    drawn = draw_parts(streams, grid, [_SEEING], rotation=torch.full_like(rms, 0.5))
    return rms[:, None, None, None] * drawn


def _beyond(image: Tensor, move: Tensor) -> Tensor:
    """Return where a shift brings in what was outside of an image."""
    rows, columns = image.shape[-2:]
    column = torch.arange(columns, device=image.device) - move[:, 0, None]
    row = torch.arange(rows, device=image.device) - move[:, 1, None]
    across = (column < -0.5) | (column > columns - 0.5)
    up = (row < -0.5) | (row > rows - 0.5)
    return across[:, None, :] | up[:, :, None]


def _noisy(streams: Streams, frames: Tensor, level: Tensor) -> Tensor:
    """Add noise like that of photons: its variance goes with the brightness."""
    mean = frames.mean(dim=(1, 2, 3), keepdim=True)
    deviation = level[:, None, None, None] * torch.sqrt(torch.clamp(frames * mean, min=0))
    return frames + deviation * normal(streams, tuple(frames.shape[1:]), frames)
