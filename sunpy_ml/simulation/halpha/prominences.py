"""Prominences above the limb: arches, hedgerows, pillars and clouds, all bundles of bright threads."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from sunpy_ml.simulation.drawing import Floats, blur, sampled, splat, wander
from sunpy_ml.simulation.halpha.view import View

__all__ = ["draw_prominence"]

# A thread: distance along the limb and height in Mm, and the length that each of its points stands for.
_Thread: TypeAlias = tuple[Floats, Floats, Floats]

# Modelling choices, in Mm (sigma): a thread, and the haze around it.
_THREAD_WIDTH = 0.6
_HAZE_WIDTH = 2.5


def draw_prominence(rng: np.random.Generator, view: View) -> Floats:
    """
    Draw a prominence above the limb, of one or two of the forms arch, hedgerow, pillar and cloud.

    Their sizes are modelling choices within what full-disk images show: 15 to 80 Mm high, 10 to 150 Mm long.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all that is random.
    view : View
        The geometry; some of the limb has to be in the field.

    Returns
    -------
    numpy.ndarray
        Brightness in units of the centre of the disk, 0 on the disk.
    """
    limb = view.limb_angles()
    foot = limb[int(rng.uniform(0.3, 0.7) * limb.size)]
    brightness = rng.uniform(0.35, 0.95)
    forms = np.array([_arch, _hedgerow, _pillar, _cloud])
    chosen = rng.choice(forms, size=int(rng.integers(1, 3)), replace=False)
    room = float(view.height.max())
    threads = [thread for form in chosen for thread in form(rng, rng.normal(0, 0.1) * room, room, view.pixel)]
    along, height, weight = (np.concatenate(part) for part in zip(*threads, strict=True))
    column, row = view.limb_to_pixel(foot + along / view.radius, height)
    density = splat(view.shape, column, row, weight / view.pixel**2)
    haze = blur(density, _HAZE_WIDTH / view.pixel)
    thickness = 0.5 * blur(density, _THREAD_WIDTH / view.pixel) + 0.6 * haze
    return np.where(view.on_disk, 0, brightness * (1 - np.exp(-thickness)))


def _arch(rng: np.random.Generator, middle: float, room: float, pixel: float) -> Iterator[_Thread]:
    span, height = rng.uniform(25, 90), _height(rng, 18, 60, room)
    lean = rng.normal(0, 0.2)
    for _ in range(30):
        size = rng.uniform(0.75, 1.05)
        start, stop = np.sort(rng.uniform(0, 1, 2))
        way, step = sampled((stop - start) * 1.5 * span, pixel)
        turn = np.pi * (start + (stop - start) * way)
        up = height * size * np.sin(turn) + 0.7 * wander(rng)(2 * way - 1)
        yield middle + 0.5 * span * size * np.cos(turn) + lean * up, up, step * _glow(rng, way)


def _hedgerow(rng: np.random.Generator, middle: float, room: float, pixel: float) -> Iterator[_Thread]:
    span, height = rng.uniform(30, 140), _height(rng, 20, 50, room)
    crest = wander(rng, modes=8)
    for _ in range(int(span * 0.9)):
        foot = rng.uniform(-1, 1)
        top = height * np.sqrt(1 - foot**2) * np.clip(0.7 + 0.35 * crest(np.array(foot)), 0.4, None)
        low = rng.uniform(0, 0.5) * top
        way, step = sampled(top - low, pixel)
        sway = rng.normal(0, 0.15) * way * top + 0.8 * wander(rng)(2 * way - 1)
        yield middle + 0.5 * span * foot + sway, low + (top - low) * way, step * _glow(rng, way)


def _pillar(rng: np.random.Generator, middle: float, room: float, pixel: float) -> Iterator[_Thread]:
    height, width = _height(rng, 25, 80, room), rng.uniform(3, 9)
    lean, trunk = rng.normal(0, 0.3), wander(rng)
    spreading = rng.uniform(0, 2)
    for _ in range(30):
        low, high = np.sort(rng.uniform(0, 1, 2)) * [0.7, 1.0]
        way, step = sampled((high - low) * height, pixel)
        level = low + (high - low) * way
        lane = rng.uniform(-1, 1) * (0.6 + spreading * level**2) + 0.3 * wander(rng)(2 * way - 1)
        sway = 0.06 * height * trunk(level) + lean * height * level
        yield middle + sway + width * lane, height * level, step * _glow(rng, way)


def _cloud(rng: np.random.Generator, middle: float, room: float, pixel: float) -> Iterator[_Thread]:
    level, span, depth = _height(rng, 15, 55, 0.7 * room), rng.uniform(15, 50), rng.uniform(3, 9)
    tilt, sag = rng.normal(0, 0.3), rng.normal(0, 0.1)
    for _ in range(30):
        reach, start = rng.uniform(0.2, 0.6) * span, rng.normal(0, 0.25) * span
        way, step = sampled(reach, pixel)
        along = start + reach * (way - 0.5)
        lane = rng.normal(0, 0.5) + 0.3 * wander(rng)(2 * way - 1)
        up = level + tilt * along + sag * along**2 / span + depth * lane
        yield middle + along, np.maximum(up, 1.0), step * _glow(rng, way)


def _height(rng: np.random.Generator, low: float, high: float, room: float) -> float:
    """Draw a height in Mm, lower where the field has less ``room`` above the limb."""
    return float(min(rng.uniform(low, high), rng.uniform(0.8, 1.2) * room))


def _glow(rng: np.random.Generator, way: Floats) -> Floats:
    """Return how the brightness of a thread varies along it: uneven, and fading at both ends."""
    uneven = np.clip(1 + 0.6 * wander(rng)(2 * way - 1), 0.1, None)
    return uneven * np.sqrt(4 * way * (1 - way))
