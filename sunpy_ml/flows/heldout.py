"""Pairs that no network is trained on: other images, and flows drawn in another way than those of the training."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sunpy_ml.flows.material import Pair, contrast, seen_through
from sunpy_ml.flows.sources import Source, sources
from sunpy_ml.simulation.motion import carry, evolve, shift

__all__ = [
    "BANDS",
    "CORRELATIONS",
    "NOISE",
    "band_velocity",
    "moved_pairs",
    "pieces",
    "same_flow_pairs",
    "shifted_pair",
]

#: Wavelengths of the flows, in Mm.
BANDS = {"0.8-4 Mm": (0.8, 4.0), "0.8-24 Mm": (0.8, 24.0), "4-24 Mm": (4.0, 24.0)}
#: Correlations of frames, after undoing the motion, and noise relative to the mean.
CORRELATIONS, NOISE = (1.0, 0.985, 0.97), 0.005
#: Seconds between frames, and rms of the speed in km/s.
CADENCE, SPEED = 30.0, 1.0
# Width of the diffraction pattern of 1 m at 525 nm in pixels of 48 km.
_METRE = 1.64


def band_velocity(shape: tuple[int, int], pixel: float, band: tuple[float, float], rng: np.random.Generator) -> Tensor:
    """A Gaussian random flow (2, H, W) in km/s, with the same energy in each octave of a band of wavelengths in Mm.

    Both components are drawn alike: half of the energy diverges, and half rotates.
    """
    # Drawn on a larger periodic field, so that the longest waves are not those of the box.
    rows, columns = (max(length, math.ceil(2e3 * band[1] / pixel)) for length in shape)
    up, across = np.fft.fftfreq(rows, pixel / 1e3)[:, None], np.fft.fftfreq(columns, pixel / 1e3)
    frequency = np.hypot(up, across)
    inside = (frequency >= 1 / band[1]) & (frequency <= 1 / band[0])
    amplitude = np.divide(1.0, frequency, out=np.zeros_like(frequency), where=inside)
    waves = np.fft.fft2(rng.standard_normal((2, rows, columns))) * amplitude
    velocity = np.fft.ifft2(waves).real[:, : shape[0], : shape[1]]
    return torch.from_numpy(np.float32(velocity * SPEED / np.sqrt((velocity**2).sum(axis=0).mean())))


def pieces(data: Path, name: str) -> tuple[list[Tensor], float, Source]:
    """Images of a test source, square and not overlapping, the size of their pixels in km, and the source."""
    source = next(found for found in sources(data, "test") if found.name.startswith(name))
    pixel = max(source.pixel, 36.6)
    image = source.at(pixel)
    side = min(image.shape)
    starts = range(0, max(image.shape) - side + 1, side)
    cut = [image[:, start : start + side] if image.shape[1] > side else image[start : start + side] for start in starts]
    return [piece / piece.mean() for piece in cut], pixel, source


def moved_pairs(data: Path, name: str, band: str, correlation: float, *, flows: int = 2) -> Iterator[Pair]:
    """The images of a test source, each moved by several flows, 30 s apart.

    Parameters
    ----------
    data : pathlib.Path
        As `sources` takes it.
    name : str
        The first letters of the name of the source.
    band : str
        Of `BANDS`.
    correlation : float
        Of frames after undoing the motion.
    flows : int
        How many for each image.

    Yields
    ------
    Pair
    """
    images, pixel, source = pieces(data, name)
    for number, image in enumerate(images):
        for flow in range(flows):
            seed = 1000 * number + flow
            rng = np.random.default_rng([list(BANDS).index(band), seed])
            velocity = band_velocity((image.shape[0], image.shape[1]), pixel, BANDS[band], rng)
            yield _filmed(image, velocity, pixel, correlation, source, rng)


def same_flow_pairs(data: Path, band: str, correlation: float, count: int) -> Iterator[Pair]:
    """Pairs of different granulation that one flow moves: pieces of the MHD snapshot, drawn at random and turned."""
    images, pixel, source = pieces(data, "MHD")
    rng = np.random.default_rng(7)
    strip = torch.cat(images, dim=1)
    velocity = band_velocity((strip.shape[0], strip.shape[1]), pixel, BANDS[band], rng)
    for _ in range(count):
        # The box of the simulation is periodic along its rows.
        image = torch.roll(strip, int(rng.integers(strip.shape[1])), 1)
        image = image.flip([dim for dim in (0, 1) if rng.random() < 0.5])
        yield _filmed(image, velocity, pixel, correlation, source, rng)


def _filmed(
    image: Tensor, velocity: Tensor, pixel: float, correlation: float, source: Source, rng: np.random.Generator
) -> Pair:
    frames = evolve(image[None], correlation, seed=int(rng.integers(2**62)))[0]
    flow = velocity * (CADENCE / pixel)
    known = torch.ones_like(image, dtype=torch.bool)
    seen = []
    for frame, sign in zip(frames, (-0.5, 0.5), strict=True):
        moved, outside = carry(frame[None], sign * flow[None], periodic=False)
        known &= ~outside[0]
        seen.append(moved[0])
    both = torch.stack(seen)
    both = both if source.seen else seen_through(_METRE, both)
    return Pair(contrast(_noisy(both, NOISE, rng)), velocity, known, pixel, CADENCE)


def shifted_pair(data: Path, name: str, velocity: tuple[float, float], noise: float, seed: int) -> Pair:
    """A test image that moves as a whole, shifted in Fourier space, with independent noise in each frame."""
    images, pixel, source = pieces(data, name)
    rng = np.random.default_rng(seed)
    move = torch.tensor([velocity], dtype=torch.float32) * (CADENCE / pixel)
    frames = torch.cat([shift(images[0][None], sign * move, periodic=False) for sign in (-0.5, 0.5)])
    frames = frames if source.seen else seen_through(_METRE, frames)
    speed = torch.tensor(velocity, dtype=torch.float32)[:, None, None].expand(2, *images[0].shape)
    edge = math.ceil(float(move.abs().max())) + 1
    known = F.pad(torch.ones([length - 2 * edge for length in images[0].shape], dtype=torch.bool), [edge] * 4)
    return Pair(contrast(_noisy(frames, noise, rng)), speed, known, pixel, CADENCE)


def _noisy(frames: Tensor, noise: float, rng: np.random.Generator) -> Tensor:
    return frames + noise * frames.mean() * torch.from_numpy(rng.standard_normal(frames.shape).astype(np.float32))
