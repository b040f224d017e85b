"""Random fields, wandering curves and how they come onto pixels: what scenes are drawn with."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import gaussian_filter, uniform_filter

__all__ = [
    "Complexes",
    "Floats",
    "blur",
    "oriented_noise",
    "sampled",
    "smooth_noise",
    "splat",
    "wander",
    "wavenumbers",
]

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Complexes: TypeAlias = npt.NDArray[np.complexfloating[Any, Any]]

# The response of an oriented filter is about this narrow (pi over the number), so that a curved flow of
# fibrils is followed without visible steps.
_ORIENTATIONS = 14


def wavenumbers(shape: tuple[int, int], pixel: float) -> tuple[Floats, Floats]:
    """Return the angular wavenumbers (radians per Mm) along columns and rows of a real transform."""
    kx = 2 * np.pi * fft.rfftfreq(shape[1], pixel).astype(np.float32)[None, :]
    ky = 2 * np.pi * fft.fftfreq(shape[0], pixel).astype(np.float32)[:, None]
    return kx, ky


def blur(image: Floats, sigma: float) -> Floats:
    """Blur with a Gaussian of ``sigma`` pixels; beyond the edges there is nothing."""
    if sigma < 4:
        return gaussian_filter(image, sigma, mode="constant", truncate=3.0)
    # Four running means are close to a Gaussian, and their cost does not grow with its width. An even number
    # of pixels has no middle one: every other time it is shifted back.
    size = round(np.sqrt(3 * sigma**2 + 1))
    for turn in range(4):
        image = uniform_filter(image, size, mode="constant", origin=-(turn % 2) * (1 - size % 2))
    return image


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], pixel: float, size: float) -> Floats:
    """Return Gaussian noise of mean 0 and variance 1, of which the blobs measure ``size`` (sigma, in Mm)."""
    kx, ky = wavenumbers(shape, pixel)
    white = fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    # The gain makes the variance 1 wherever pixels resolve the blobs; where they do not, they average them.
    gain = 2 * np.sqrt(np.pi) * size / pixel
    return fft.irfft2(white * (gain * np.exp(-0.5 * size**2 * (kx**2 + ky**2))), shape)


def oriented_noise(
    rng: np.random.Generator,
    angle: Floats,
    pixel: float,
    *,
    length: float,
    width: float,
) -> Floats:
    """
    Return noise drawn out along a field of directions, with power-law tails towards large scales.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the noise.
    angle : numpy.ndarray
        Direction in each pixel, in radians; its sense does not matter.
    pixel : float
        Length of a pixel, in Mm.
    length, width : float
        Correlation lengths along and across, in Mm.

    Returns
    -------
    numpy.ndarray
        Noise of mean 0, and of variance 1 wherever the pixels resolve ``width``.
    """
    shape = (angle.shape[0], angle.shape[1])
    kx, ky = wavenumbers(shape, pixel)
    white = fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    white[0, 0] = 0
    white *= np.sqrt(8 * np.pi * length * width) / pixel
    position = (angle * (_ORIENTATIONS / np.pi)) % _ORIENTATIONS
    noise = np.zeros(shape, np.float32)
    for index in range(_ORIENTATIONS):
        distance = np.abs(position - index)
        weight = 1 - np.minimum(distance, _ORIENTATIONS - distance)
        if not (weight > 0).any():
            continue
        direction = np.pi * index / _ORIENTATIONS
        along = length * (kx * np.float32(np.cos(direction)) + ky * np.float32(np.sin(direction)))
        across = width * (ky * np.float32(np.cos(direction)) - kx * np.float32(np.sin(direction)))
        spread = 1 + along**2 + across**2
        response = 1 / (spread * np.sqrt(spread))
        noise += np.maximum(weight, 0) * fft.irfft2(white * response, shape)
    return noise


def wander(rng: np.random.Generator, *, modes: int = 4) -> Callable[[Floats], Floats]:
    """
    Draw a random smooth function of variance about 1 over positions from -1 to 1.

    Its coefficients are drawn, not its values: the curve is the same at any sampling.
    """
    order = np.arange(1, modes + 1)
    amplitude = rng.standard_normal(modes) / order * np.sqrt(2 / np.sum(1 / order**2))
    phase = rng.uniform(0, 2 * np.pi, modes)
    return lambda position: np.sin(np.multiply.outer(position, order * np.pi / 2) + phase) @ amplitude


def sampled(length: float, pixel: float) -> tuple[Floats, Floats]:
    """Return positions from 0 to 1, under half a pixel apart on a curve of ``length``, and the Mm of each."""
    count = max(int(length / (0.4 * pixel)), 16)
    return np.linspace(0, 1, count), np.full(count, length / count)


def splat(shape: tuple[int, int], column: Floats, row: Floats, weight: Floats) -> Floats:
    """Share out the weights of points among their four nearest pixels; what is outside, or NaN, is lost."""
    rows, columns = shape
    inside = (column >= 0) & (column < columns - 1) & (row >= 0) & (row < rows - 1)
    column, row, weight = column[inside], row[inside], weight[inside]
    left, low = column.astype(np.intp), row.astype(np.intp)
    right_part, upper_part = column - left, row - low
    corner = low * columns + left
    image = np.zeros(rows * columns)
    for offset, part in (
        (0, (1 - right_part) * (1 - upper_part)),
        (1, right_part * (1 - upper_part)),
        (columns, (1 - right_part) * upper_part),
        (columns + 1, right_part * upper_part),
    ):
        image += np.bincount(corner + offset, weight * part, minlength=rows * columns)
    return image.reshape(shape).astype(np.float32)
