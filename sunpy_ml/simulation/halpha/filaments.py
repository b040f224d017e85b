"""Filaments: dark bundles of threads along a winding spine, with barbs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sunpy_ml.simulation.drawing import Complexes, Floats, blur, sampled, splat, wander
from sunpy_ml.simulation.halpha.view import View

__all__ = ["Filament", "draw_filament"]

# Modelling choices: the number of threads, and in Mm (sigma) the widths of one and of the channel of fibrils.
_THREADS = 45
_THREAD_WIDTH = 0.45
_CHANNEL_WIDTH = 7.0


class Filament(NamedTuple):
    """
    A filament on the disk.

    Parameters
    ----------
    transmission : numpy.ndarray
        What the filament lets through of the light from below, from 0 to 1.
    channel : numpy.ndarray
        Complex; the modulus is the weight and half the phase the direction of the fibrils along the filament.
    """

    transmission: Floats
    channel: Complexes


@dataclass(frozen=True)
class _Spine:
    """A winding curve of the surface, over positions from -1 to 1; lengths in Mm."""

    length: float
    width: float
    heading: float
    through: tuple[float, float]
    pivot: float
    bend: Callable[[Floats], Floats]
    widening: Callable[[Floats], Floats]

    def half_width(self, position: Floats) -> Floats:
        taper = np.sqrt(np.clip(1 - position**2, 0, None))
        return 0.5 * self.width * taper * np.clip(0.6 + 0.45 * self.widening(position), 0.12, 1.5)

    def at(self, position: Floats, offset: Floats | float = 0.0) -> tuple[Floats, Floats]:
        along = 0.5 * self.length * (position - self.pivot)
        across = 0.07 * self.length * (self.bend(position) - self.bend(np.array(self.pivot))) + offset
        cosine, sine = np.cos(self.heading), np.sin(self.heading)
        x, y = self.through
        return x + along * cosine - across * sine, y + along * sine + across * cosine


def draw_filament(rng: np.random.Generator, view: View) -> Filament:
    """
    Draw a filament through the field: 30 to 300 Mm long, 5 to 15 Mm wide (modelling choices).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all that is random.
    view : View
        The geometry.

    Returns
    -------
    Filament
        Its transmission and the channel around it.
    """
    length = float(np.exp(rng.uniform(np.log(30), np.log(300))))
    spine = _Spine(
        length=length,
        width=float(rng.uniform(5, 15)) * min(1.0, 0.5 + length / 200),
        heading=float(rng.uniform(0, np.pi)),
        through=(float(rng.uniform(-0.5, 0.5)) * view.spread, float(rng.uniform(-0.5, 0.5)) * view.spread),
        pivot=float(rng.uniform(-0.6, 0.6)),
        bend=wander(rng, modes=7),
        widening=wander(rng, modes=9),
    )
    depth = -np.log(rng.uniform(0.45, 0.7))
    curves = [_thread(rng, spine, view.pixel) for _ in range(_THREADS)]
    curves += [_barb(rng, spine, view.pixel) for _ in range(int(rng.integers(3, 9 + int(length / 8))))]
    x, y, weight = (np.concatenate(part) for part in zip(*curves, strict=True))
    column, row = view.surface_to_pixel(x, y)
    threads = splat(view.shape, column, row, weight / view.pixel**2)
    body = blur(threads, 0.1 * spine.width / view.pixel)
    density = 0.5 * body + 0.5 * blur(threads, _THREAD_WIDTH / view.pixel)
    # Threads cover about half the length each: this is their usual density where the spine is at its widest.
    usual = 0.5 * _THREADS / spine.width
    return Filament(np.exp(-depth * 1.5 * np.tanh(density / usual / 1.5)), _channel(spine, view))


def _thread(rng: np.random.Generator, spine: _Spine, pixel: float) -> tuple[Floats, Floats, Floats]:
    """Draw one thread along the spine: its points and the length that each stands for."""
    middle, reach = rng.uniform(-0.9, 0.9), rng.uniform(0.1, 0.6)
    wave, lane, slope = wander(rng), rng.uniform(-1, 1), rng.normal(0, 0.8)
    start, stop = max(middle - reach, -1.0), min(middle + reach, 1.0)
    way, step = sampled(0.5 * (stop - start) * spine.length, pixel)
    position = start + (stop - start) * way
    along = (position - middle) / reach
    offset = spine.half_width(position) * np.clip(lane + slope * along + 0.3 * wave(position), -1.2, 1.2)
    return *spine.at(position, offset), step * (1 - along**2)


def _barb(rng: np.random.Generator, spine: _Spine, pixel: float) -> tuple[Floats, Floats, Floats]:
    """Draw a strand that leaves the spine sideways, as an exit from a road."""
    foot, sense = rng.uniform(-0.8, 0.8), rng.choice([-1.0, 1.0])
    reach, angle = rng.uniform(4, 18), rng.uniform(0.3, 1.0)
    way, step = sampled(reach, pixel)
    along = foot + 2 * sense * way * reach * np.cos(angle) / spine.length
    offset = sense * way**1.3 * reach * np.sin(angle)
    return *spine.at(along, offset), 4 * step * (1 - way)


def _channel(spine: _Spine, view: View) -> Complexes:
    way, step = sampled(spine.length, view.pixel)
    x, y = spine.at(2 * way - 1)
    phase = 2 * np.arctan2(np.gradient(y), np.gradient(x))
    column, row = view.surface_to_pixel(x, y)
    sigma = _CHANNEL_WIDTH / view.pixel
    weight = step / view.pixel**2 * 2.5 * _CHANNEL_WIDTH
    real = blur(splat(view.shape, column, row, weight * np.cos(phase)), sigma)
    imaginary = blur(splat(view.shape, column, row, weight * np.sin(phase)), sigma)
    channel: Complexes = real + 1j * imaginary
    return channel / np.maximum(np.abs(channel), 1)
