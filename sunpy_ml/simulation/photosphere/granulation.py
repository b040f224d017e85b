"""Granulation, drawn: cells of uneven size with dark lanes between them."""

import numpy as np
from scipy import fft
from scipy.spatial import cKDTree

from sunpy_ml.simulation.drawing import Floats, smooth_noise, wavenumbers

__all__ = ["granulation", "lanes"]

# Granules keep this share of their spacing apart; they are moved apart this often.
_KEPT_APART, _MOVES = 0.75, 6
# Sizes of the wrinkles of the lanes, and how far they go (both sigma, in Mm).
_WRINKLES = ((0.4, 0.17), (0.15, 0.08), (0.07, 0.03))
# The granules of the pattern above have this spacing, in Mm: all its lengths grow with the spacing asked for.
_USUAL_SPACING = 1.35
# Below this wavenumber (per Mm) convection gives less and less light.
_LARGEST = 0.25


def granulation(
    rng: np.random.Generator, shape: tuple[int, int], pixel: float, *, spacing: float, contrast: float
) -> Floats:
    """
    Draw granulation.

    The amplitudes of its spectrum of spatial frequencies are those of a simulation of magneto-convection to 12 %
    from 0.15 to 8.6 waves per Mm. It is periodic.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the granules.
    shape : tuple of int
        Rows and columns.
    pixel : float
        Length of a pixel, in Mm.
    spacing : float
        Square root of the area of one granule, in Mm.
    contrast : float
        Standard deviation over the mean.

    Returns
    -------
    numpy.ndarray
        The continuum, of mean 1.
    """
    unit = spacing / _USUAL_SPACING
    step = pixel / unit
    cell, gap = _cells(rng, shape, step)

    def noise(size: float) -> Floats:
        return smooth_noise(rng, shape, step, size)

    ramp = np.clip((gap + 0.02 - 0.07 * noise(0.2)) / 0.4, 0, 1)
    inside = ramp * ramp * (3 - 2 * ramp)
    rim = np.exp(-(((gap - 0.45) / 0.25) ** 2))
    # Granules differ, are brighter near their edge, and dark where they begin to split.
    within = 0.22 * cell + 0.42 * noise(0.22) + 0.12 * noise(0.5) + 0.3 * rim
    within -= 0.7 * np.clip(noise(0.17) - 1.3, 0, 1.2)
    light = inside * within - 1.3 * (1 - inside) * (1 + 0.25 * noise(0.25))
    light += 0.1 * noise(0.09) * (0.6 + 0.8 * inside)
    light = _without_large_scales(light, step)
    light /= light.std()
    light = np.tanh(0.5 * light) + 0.2 * light
    light -= light.mean()
    return (1 + contrast / light.std() * light).astype(np.float32)


def lanes(light: Floats, pixel: float) -> Floats:
    """Return where the dark lanes are: positive there, negative in granules, of mean 0 and variance 1."""
    kx, ky = wavenumbers((light.shape[0], light.shape[1]), pixel)
    squared = kx**2 + ky**2
    # From the width of a lane to that of a granule.
    band = np.exp(-0.5 * 0.12**2 * squared) - np.exp(-0.5 * 0.9**2 * squared)
    dark = -fft.irfft2(fft.rfft2(light.astype(np.float32)) * band, light.shape)
    return dark / max(float(dark.std()), 1e-6)


def _cells(rng: np.random.Generator, shape: tuple[int, int], step: float) -> tuple[Floats, Floats]:
    """Return the brightness of each cell, of variance 1, and the distance to the next cell less that to the own."""
    box = step * np.array(shape[::-1], float)
    points = _spread(rng, box)
    rows, columns = np.indices(shape, np.float32)
    place = [step * columns, step * rows]
    for size, way in _WRINKLES:
        place = [axis + way * smooth_noise(rng, shape, step, size) for axis in place]
    place_in_box = np.stack(place, axis=-1).reshape(-1, 2).astype(float) % box
    # What rounds to the far edge is at the near one.
    place_in_box[place_in_box >= box] = 0
    distance, index = cKDTree(points, boxsize=box).query(place_in_box, k=2)
    gap = (distance[:, 1] - distance[:, 0]).reshape(shape).astype(np.float32)
    return rng.standard_normal(len(points)).astype(np.float32)[index[:, 0]].reshape(shape), gap


def _spread(rng: np.random.Generator, box: Floats) -> Floats:
    """Scatter the granules in a periodic box, and push apart those that are too close."""
    count = max(round(float(np.prod(box)) / _USUAL_SPACING**2), 2)
    points = rng.uniform(size=(count, 2)) * box
    for _ in range(_MOVES):
        distance, index = cKDTree(points, boxsize=box).query(points, k=2)
        away = points - points[index[:, 1]]
        away -= np.round(away / box) * box
        push = 0.5 * np.maximum(_KEPT_APART * _USUAL_SPACING - distance[:, 1:], 0)
        points = (points + away * push / np.maximum(distance[:, 1:], 1e-6)) % box
        points[points >= box] = 0
    return points


def _without_large_scales(light: Floats, step: float) -> Floats:
    kx, ky = wavenumbers((light.shape[0], light.shape[1]), step)
    squared = kx**2 + ky**2
    gain = np.sqrt(squared / (squared + (2 * np.pi * _LARGEST) ** 2))
    return fft.irfft2(fft.rfft2(light) * gain, light.shape)
