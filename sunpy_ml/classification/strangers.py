"""Images of other kinds, which a classifier must learn not to know (outlier exposure).

Drawn, but for whole disks and magnetograms: noise, things with edges that hide one another, as photographs have them,
the corona in extreme-ultraviolet light, and bipolar fields. Real images of other kinds stay for the test.

References
----------
Hendrycks et al. 2019, Deep Anomaly Detection with Outlier Exposure, https://doi.org/10.48550/arXiv.1812.04606;
Lee, Mumford & Huang 2001, Occlusion Models for Natural Images, https://doi.org/10.1023/A:1011109015675
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from PIL import Image, ImageDraw
from scipy import ndimage

from sunpy_ml.classification.patches import FEATURES, UNFAMILIAR, Patch
from sunpy_ml.classification.sdo_patches import read_whole_disks

__all__ = ["magnetograms", "strangers", "whole_disks"]

Array = npt.NDArray[Any]

#: Pixels along a side of a window; the field is its central half.
_SIDE = 384


def strangers(n: int, rng: np.random.Generator) -> list[Patch]:
    """``n`` drawn images, the kinds in turn."""
    kinds = list(_KINDS.items())
    return [_stranger(*kinds[index % len(kinds)], rng) for index in range(n)]


def magnetograms(paths: Sequence[Path], n: int, rng: np.random.Generator) -> list[Patch]:
    """``n`` fields of 50 to 300 pixels from line-of-sight magnetograms (FITS, the last HDU), in each file as many."""
    fields = [np.nan_to_num(np.asarray(fits.getdata(path), np.float32)) for path in paths]
    patches = []
    for index in range(n):
        field = fields[index % len(fields)]
        half = round(_log_uniform(rng, 25, min(150, min(field.shape) / 2 - 1)))
        row, column = (int(rng.integers(half, side - half + 1)) for side in field.shape)
        limit = _log_uniform(rng, 100, 1500)
        window = np.pad(field, half, mode="reflect")[row - half : row + 3 * half, column - half : column + 3 * half]
        grey = ((window / limit).clip(-1, 1) + 1) * 127.5
        patches.append(_patch(grey, paths[index % len(paths)].name))
    return patches


def whole_disks(data: Path, *, each: int) -> list[Patch]:
    """The whole Sun in one field, of every ``each``-th image of each instrument: known light, but no known view."""
    return [
        Patch(np.pad(image, image.shape[0] // 2), UNFAMILIAR, _UNKNOWN, "whole-disk", name, date)
        for image, name, date in read_whole_disks(data, each)
    ]


_UNKNOWN = (np.nan,) * len(FEATURES)


def _stranger(kind: str, draw: Callable[[np.random.Generator], Array], rng: np.random.Generator) -> Patch:
    image = draw(rng).astype(np.float32)
    low, high = np.percentile(image, [0.5, 99.5])
    grey = ((image - low) / max(float(high - low), 1e-6)).clip(0, 1)
    if rng.random() < 0.3 and "corona" not in kind:
        grey = 1 - grey
    # With some noise, so that no part of it is flat: a flat image cannot be normalised.
    return _patch(4 + 247 * grey + rng.uniform(1, 4) * rng.standard_normal(grey.shape), kind)


def _patch(grey: Array, name: str) -> Patch:
    return Patch(grey.clip(0, 255).astype(np.uint8), UNFAMILIAR, _UNKNOWN, "stranger", name, "")


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _power_law(rng: np.random.Generator, slope: float) -> Array:
    """Noise of which the amplitude falls with frequency to the power ``slope``; standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(_SIDE)[:, np.newaxis], np.fft.rfftfreq(_SIDE))
    frequency[0, 0] = 1 / _SIDE
    waves = np.fft.rfft2(rng.standard_normal((_SIDE, _SIDE))) * frequency**-slope
    noise = np.fft.irfft2(waves, (_SIDE, _SIDE))
    return (noise - noise.mean()) / noise.std()


def _noise(rng: np.random.Generator) -> Array:
    """White to cloudy, with bad rows or hot pixels now and then."""
    image = _power_law(rng, max(0.0, rng.uniform(-1, 2)))
    chance = rng.random()
    if chance < 0.2:
        image += rng.uniform(0.5, 3) * rng.standard_normal((_SIDE, 1))
    elif chance < 0.4:
        image[rng.random(image.shape) < _log_uniform(rng, 1e-4, 0.05)] = image.max() * rng.uniform(1, 4)
    elif chance < 0.5:
        image = rng.poisson(_log_uniform(rng, 0.05, 3), image.shape).astype(float)
    return image


def _things(rng: np.random.Generator) -> Array:
    """Things of all sizes that hide one another, some with a texture, as in a photograph."""
    picture = Image.new("F", (_SIDE, _SIDE), rng.uniform(0, 255))
    pen = ImageDraw.Draw(picture)
    smallest = _log_uniform(rng, 3, 40)
    for _ in range(int(_log_uniform(rng, 15, 400))):
        # The density of sizes falls with their third power, so that no scale is preferred.
        radius = min(smallest / np.sqrt(rng.uniform(1e-3, 1)), _SIDE / 2)
        centre = rng.uniform(-radius, _SIDE + radius, 2)
        corners = centre + radius * rng.uniform(0.3, 1, (2, 1)) * np.array([[-1], [1]])
        grey = rng.uniform(0, 255)
        shape = rng.integers(4)
        if shape == 0:
            pen.ellipse([*corners.min(axis=0), *corners.max(axis=0)], fill=grey)
        elif shape == 1:
            pen.rectangle([*corners.min(axis=0), *corners.max(axis=0)], fill=grey)
        elif shape == 2:
            angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
            pen.polygon([tuple(centre + radius * np.array([np.cos(a), np.sin(a)])) for a in angles], fill=grey)
        else:
            ends = [tuple(centre + radius * rng.uniform(-1, 1, 2)) for _ in range(2)]
            pen.line(ends, fill=grey, width=int(_log_uniform(rng, 1, 8)))
    image = np.array(picture)
    image *= 1 + rng.uniform(0, 0.3) * _power_law(rng, rng.uniform(0.5, 1.8)).clip(-2, 2)
    shade = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.5, 1), _SIDE)
    return ndimage.gaussian_filter(image * (shade if rng.random() < 0.5 else shade[:, np.newaxis]), rng.uniform(0.3, 2))


def _pattern(rng: np.random.Generator) -> Array:
    """Regular things: waves, chequers, blots on a plain ground, writing, slopes."""
    rows, columns = np.indices((_SIDE, _SIDE)) - _SIDE / 2
    angle, period = rng.uniform(0, np.pi), _log_uniform(rng, 4, 100)
    along, across = (
        rows * np.cos(angle) + columns * np.sin(angle),
        columns * np.cos(angle) - rows * np.sin(angle),
    )
    waves = np.sin(2 * np.pi * along / period)
    kind = rng.integers(5)
    if kind == 4:
        return along * rng.choice([1.0, _SIDE / period]) + rng.uniform(0, 0.3) * np.abs(across) ** rng.uniform(0.5, 1.5)
    if kind == 0:
        return waves + rng.uniform(0, 0.5) * rng.standard_normal(waves.shape)
    if kind == 1:
        return np.sign(waves * np.sin(2 * np.pi * across / period)) + 0.1 * rng.standard_normal(waves.shape)
    if kind == 2:
        spots = rng.random(waves.shape) < _log_uniform(rng, 2e-4, 5e-3)
        return ndimage.gaussian_filter(spots.astype(float), _log_uniform(rng, 2, 12)) ** rng.uniform(0.3, 1)
    words = ndimage.uniform_filter(rng.standard_normal(waves.shape), (2, 12)) > 0.15
    return words * (np.sin(2 * np.pi * rows / _log_uniform(rng, 14, 40)) > 0) + 0.05 * rng.standard_normal(waves.shape)


def _corona(rng: np.random.Generator) -> Array:
    """Loops and moss over a patchy corona, with the limb and the haze above it in every other image."""
    image = np.exp(rng.uniform(0.3, 0.9) * _power_law(rng, rng.uniform(1.0, 1.6)))
    image *= 1 + 0.15 * np.abs(_power_law(rng, rng.uniform(0.3, 0.9)))
    for _ in range(int(rng.integers(0, 4))):
        image += _log_uniform(rng, 0.5, 4) * _loops(rng)
    if rng.random() < 0.5:
        rows, columns = np.indices(image.shape)
        radius = _log_uniform(rng, 0.4, 4) * _SIDE
        angle = rng.uniform(0, 2 * np.pi)
        away = radius + rng.uniform(-0.3, 0.3) * _SIDE
        x, y = _SIDE / 2 - away * np.cos(angle), _SIDE / 2 - away * np.sin(angle)
        height = np.hypot(columns - x, rows - y) - radius
        haze = np.exp(-height.clip(0) / (_log_uniform(rng, 0.03, 0.3) * radius))
        image = np.where(height > 0, haze * (0.8 + 0.6 * ndimage.gaussian_filter(image, 4)), image)
        image += rng.uniform(0, 1.5) * np.exp(-np.abs(height) / (0.02 * radius))
    image = ndimage.gaussian_filter(image, rng.uniform(0.4, 1.2))
    return np.log(image + 0.05) if rng.random() < 0.6 else image ** rng.uniform(0.4, 1)


def _loops(rng: np.random.Generator) -> Array:
    """A sheaf of arches between two feet; the taller ones lean over."""
    canvas = np.zeros((_SIDE, _SIDE))
    feet = rng.uniform(0.1, 0.9, (2, 2)) * _SIDE
    span = feet[1] - feet[0]
    lean = np.array([-span[1], span[0]]) * rng.choice([-1, 1])
    phase = np.linspace(0, np.pi, 400)[:, np.newaxis]
    for _ in range(int(rng.integers(8, 60))):
        ends = feet + rng.normal(0, 0.12, (2, 2)) * np.hypot(*span)
        tall = rng.uniform(0.1, 1.2)
        path = (ends[0] + ends[1]) / 2 + np.cos(phase) * (ends[1] - ends[0]) / 2 + np.sin(phase) * lean * tall
        inside = ((path >= 0) & (path < _SIDE)).all(axis=1)
        rows, columns = path[inside].astype(int).T
        canvas[rows, columns] += rng.uniform(0.2, 1) * (1 - rng.uniform(0, 0.8) * np.sin(phase[inside, 0]))
    canvas = ndimage.gaussian_filter(canvas, _log_uniform(rng, 0.6, 2))
    return canvas / max(float(np.percentile(canvas, 99.8)), 1e-6)


def _bipoles(rng: np.random.Generator) -> Array:
    """A longitudinal field: grains of either sign on grey, gathered in patches."""
    density = np.exp(rng.uniform(0.5, 2) * _power_law(rng, rng.uniform(1.2, 2)))
    sign = np.sign(_power_law(rng, rng.uniform(1.2, 2)) + rng.uniform(-0.3, 0.3))
    grains = (rng.random(density.shape) < 0.02 * density) * rng.exponential(1, density.shape)
    field = ndimage.gaussian_filter(grains * sign, _log_uniform(rng, 0.8, 4))
    field += rng.uniform(0, 0.15) * np.abs(field).max() * rng.standard_normal(field.shape)
    limit = float(np.percentile(np.abs(field), rng.uniform(90, 99.8))) + 1e-9
    return (field / limit).clip(-1, 1)


_KINDS: dict[str, Callable[[np.random.Generator], Array]] = {
    "noise": _noise,
    "things": _things,
    "corona": _corona,
    "pattern": _pattern,
    "bipoles": _bipoles,
    "more things": _things,
    "more corona": _corona,
}
