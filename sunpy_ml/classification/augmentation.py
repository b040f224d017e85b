"""Augmentation: the same patch as other telescopes, days and seeing would have shown it.

Every step keeps what the label says. Intensities are never inverted: dark and bright are what tells a filament
from a ribbon.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn.functional import grid_sample, interpolate

from sunpy_ml.classification.patches import FEATURES, UNFAMILIAR, Patch

__all__ = ["SIDE", "augment"]

Array = npt.NDArray[Any]

#: Pixels along a side of the network's input.
SIDE = 256

#: Least and largest field, relative to the labelled one. A quiet field shows nothing anywhere inside it, but may
#: have anything around it.
_ZOOM = {
    "filaments": (0.5, 1.4),
    "flares": (0.5, 1.5),
    "prominences": (0.45, 1.5),
    "quiet": (0.35, 1.05),
    "sunspots": (0.3, 1.4),
    UNFAMILIAR: (0.4, 1.3),
}

#: Share of views that keep the intensities as observed.
_AS_OBSERVED = 0.4


def _uniform_log(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _frame(patch: Patch, rng: np.random.Generator) -> tuple[float, float, float]:
    """Column, row and size (pixels of the window) of the field to show."""
    low, high = _ZOOM[patch.label]
    several = np.nansum(patch.present) > 1
    if patch.label not in ("quiet", UNFAMILIAR) and (patch.focus is None or several):
        low = 0.85
    # Half of the time about the labelled field itself, which is what the labeller looked at.
    size = patch.size * (_uniform_log(rng, low, high) if rng.random() < 0.5 else rng.uniform(0.9, 1.1))
    slack = (patch.size - size) / 2
    centre = float(patch.size)
    if patch.focus is None or size > 0.85 * patch.size:
        reach = max(slack, 0.0) if patch.label == "quiet" else 0.08 * size
        return centre + rng.uniform(-reach, reach), centre + rng.uniform(-reach, reach), size
    x, y = (place + rng.uniform(-0.3, 0.3) * size for place in patch.focus)
    return float(np.clip(x, centre - slack, centre + slack)), float(np.clip(y, centre - slack, centre + slack)), size


def _sampling_points(patch: Patch, rng: np.random.Generator) -> tuple[Array, Array]:
    """Columns and rows in the window that the pixels of the new image look at."""
    x, y, size = _frame(patch, rng)
    step = size / SIDE
    squash = _uniform_log(rng, 0.85, 1.18)
    tilt = math.radians(rng.normal(0, 8))
    steps = (np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2) * step
    columns, rows = np.meshgrid(steps * squash ** (-0.5), steps * squash**0.5)
    if rng.random() < 0.5:
        columns, rows = rows, columns
    # Plain numbers, since numpy's own would turn the arrays into float64.
    columns, rows = columns * float(rng.choice([-1, 1])), rows * float(rng.choice([-1, 1]))
    cosine, sine = math.cos(tilt), math.sin(tilt)
    return x - 0.5 + cosine * columns - sine * rows, y - 0.5 + sine * columns + cosine * rows


def _view(patch: Patch, rng: np.random.Generator) -> tuple[Array, Array, Array | None]:
    """Sampling points of which a tenth at least are on the disk, and their distances from its centre."""
    while True:
        columns, rows = _sampling_points(patch, rng)
        if patch.disk is None:
            return columns, rows, None
        distance = patch.disk.distance(columns, rows).astype(np.float32)
        if np.count_nonzero(distance < 1) > 0.1 * distance.size:
            return columns, rows, distance


def _remove_ring(patch: Patch, columns: Array, rows: Array, distance: Array) -> tuple[Array, Array]:
    """Sampling points that step over the artificial ring which GONG's JPEGs have at the limb."""
    near = np.where(distance < 1.0, 0.988, 1.014)
    inside = (distance > 0.988) & (distance < 1.014)
    stretch = np.where(inside, near / np.maximum(distance, 1e-6), 1.0).astype(np.float32)
    return patch.disk.x + (columns - patch.disk.x) * stretch, patch.disk.y + (rows - patch.disk.y) * stretch


def _sample(window: Array, columns: Array, rows: Array) -> Array:
    """The window at the given points: a cubic kernel where it is magnified, a linear one otherwise."""
    side = window.shape[0]
    points = np.stack([(2 * columns + 1) / side - 1, (2 * rows + 1) / side - 1], axis=-1)
    step = np.hypot(columns[0, 1] - columns[0, 0], rows[0, 1] - rows[0, 0])
    mode = "bicubic" if step < 0.9 else "bilinear"
    image = torch.from_numpy(window.astype(np.float32))[None, None]
    grid = torch.from_numpy(points.astype(np.float32))[None]
    return grid_sample(image, grid, mode=mode, padding_mode="reflection", align_corners=False)[0, 0].numpy()


def _shows_no_prominence(patch: Patch) -> bool:
    return patch.present[FEATURES.index("prominences")] == 0


def _sky_and_limb(image: Array, distance: Array, patch: Patch, rng: np.random.Generator) -> Array:
    """Other skies beyond the limb, and limb darkening, which GONG's images have taken out."""
    off = distance > 1.008
    if off.any() and not off.all():
        if _shows_no_prominence(patch) and rng.random() < 0.15:
            image[off] = 0
        elif rng.random() < 0.6:
            pedestal = np.percentile(image[off], 5)
            image[off] = (image[off] - pedestal).clip(0) * _uniform_log(rng, 0.35, 1.4)
            image[off] += rng.choice([0.0, rng.uniform(0, 60)])
    if rng.random() < 0.35:
        mu = np.sqrt(np.clip(1 - distance**2, 0, 1))
        image = np.where(off, image, image * (1 - rng.uniform(0.2, 0.7) * (1 - mu)))
    return image


def _coarsen(image: Array, rng: np.random.Generator) -> Array:
    """Worse seeing, or fewer pixels across the same field."""
    if rng.random() < 0.5:
        return ndimage.gaussian_filter(image, _uniform_log(rng, 0.4, 2.5))
    side = round(SIDE / _uniform_log(rng, 1.2, 6))
    small = interpolate(torch.from_numpy(image)[None, None], (side, side), mode="area")
    mode = "bicubic" if rng.random() < 0.7 else "bilinear"
    return interpolate(small, (SIDE, SIDE), mode=mode, align_corners=False)[0, 0].numpy()


def _tone(image: Array, rng: np.random.Generator) -> Array:
    """Another grey curve, a slope across the field, and a pedestal."""
    low, high = float(image.min()), float(image.max())
    if high > low and rng.random() < 0.6:
        image = ((image - low) / (high - low)) ** _uniform_log(rng, 0.6, 1.6) * 255
    if rng.random() < 0.4:
        slope_x, slope_y = rng.uniform(-0.15, 0.15, 2)
        across = np.linspace(-1, 1, SIDE, dtype=np.float32)
        image = image * (1 + slope_x * across + slope_y * across[:, np.newaxis])
    if rng.random() < 0.4:
        image = image + rng.uniform(0, 80)
    return image


def augment(patch: Patch, rng: np.random.Generator) -> Array:
    """A new view of a patch, of which its label is still true.

    Parameters
    ----------
    patch : Patch
        With its surroundings.
    rng : numpy.random.Generator
        The source of all chance.

    Returns
    -------
    numpy.ndarray
        float32 of shape (SIDE, SIDE), not yet normalised; NaN where nothing is measured beyond the limb.
    """
    columns, rows, distance = _view(patch, rng)
    if rng.random() < _AS_OBSERVED:
        return _sample(patch.window, columns, rows)
    if distance is not None and patch.source.startswith("gong") and rng.random() < 0.5:
        columns, rows = _remove_ring(patch, columns, rows, distance)
    image = _sample(patch.window, columns, rows)
    if distance is not None:
        image = _sky_and_limb(image, distance, patch, rng)
    if rng.random() < 0.45:
        image = _coarsen(image, rng)
    image = _tone(image, rng)
    if rng.random() < 0.5:
        noise = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
        image = image + noise * np.float32(image.std() * _uniform_log(rng, 0.02, 0.4))
    if distance is not None and _shows_no_prominence(patch) and rng.random() < 0.1:
        image[distance > 1.008] = np.nan
    return np.ascontiguousarray(image, dtype=np.float32)
