"""From displacements on the grid of a network to velocities on the pixels of the images."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter

from sunpy_ml.exceptions import CardError
from sunpy_ml.flows.pairs import Pairs
from sunpy_ml.flows.result import along_the_sun
from sunpy_ml.observations import ImageSequence
from sunpy_ml.observations.resampling import resample

__all__ = ["count_contaminated", "log_tau", "pair_masks", "solar_deviation", "solar_velocity"]

Array = npt.NDArray[Any]

_TAU = re.compile(r"tau=([\d.]+)")


def solar_velocity(sequence: ImageSequence, pairs: Pairs, displacement: Array) -> Array:
    """Displacements (levels, 2, y, x) of a network as velocities (2, levels, y, x) in km/s along solar x, then y."""
    found = _on_images(sequence, pairs, displacement, pairs.turn.matrix) * _pixels(sequence, pairs)
    return along_the_sun(sequence, found[np.newaxis], pairs.cadence)[0].astype(np.float32)


def solar_deviation(sequence: ImageSequence, pairs: Pairs, variance: Array) -> Array:
    """Variances of displacements as the standard deviations of velocities, errors of both components independent."""
    found = _on_images(sequence, pairs, variance, abs(pairs.turn.matrix)) * _pixels(sequence, pairs) ** 2
    return np.sqrt(np.einsum("ij,jlyx->ilyx", sequence.step**2, found)).astype(np.float32) / pairs.cadence


def _on_images(sequence: ImageSequence, pairs: Pairs, values: Array, matrix: Array) -> Array:
    """Vectors (levels, 2, y, x) of the grid on the pixels of the images and along these, (2, levels, y, x)."""
    values = np.einsum("ij,ljyx->ilyx", matrix.astype(np.float32), pairs.turn.undo(values))
    shape = sequence.frames.shape[1:]
    if values.shape[2:] == shape:
        return values
    planes = values.reshape(-1, *values.shape[2:])
    # A spline may swing beyond the values between which it goes.
    smooth = [resample(plane, shape).clip(plane.min(), plane.max()) for plane in planes]
    return np.stack(smooth).reshape(*values.shape[:2], *shape)


def _pixels(sequence: ImageSequence, pairs: Pairs) -> Array:
    """Pixels of the images in one of the grid, along columns, then rows."""
    grid = np.array(pairs.pixel[:: -1 if pairs.turn.transpose else 1])
    return (grid / sequence.pixel.to_value(u.km)).reshape(2, 1, 1, 1)


def log_tau(levels: Sequence[str]) -> tuple[float, ...]:
    """Logarithms of the optical depths that levels are named after; none for a single level.

    Raises
    ------
    CardError
        If several levels are not such, or not evenly spaced.

    Examples
    --------
    >>> from sunpy_ml.flows.velocities import log_tau
    >>> log_tau(("tau=1", "tau=0.1", "tau=0.01"))
    (0.0, -1.0, -2.0)
    """
    if len(levels) == 1:
        return ()
    found = [_TAU.fullmatch(level) for level in levels]
    depths = [float(np.log10(float(match[1]))) for match in found if match is not None]
    if len(depths) != len(levels) or not np.allclose(np.diff(depths, n=2), 0, atol=1e-6):
        raise CardError(f"output.channels: several levels must be evenly spaced in log(tau), got {list(levels)}.")
    return tuple(depths)


def pair_masks(sequences: Mapping[str, ImageSequence]) -> Array:
    """(pairs, y, x), True where any image of a pair is masked."""
    first = next(iter(sequences.values()))
    mask = np.zeros((len(first.frames) - 1, *first.frames.shape[1:]), dtype=bool)
    for sequence in sequences.values():
        if sequence.mask is not None:
            mask |= sequence.mask[:-1] | sequence.mask[1:]
    return mask


def count_contaminated(mask: Array, pairs: Pairs, sequence: ImageSequence, halo: int) -> tuple[int, ...]:
    """For each pair, how many pixels that are not masked a network of that halo found by looking at masked ones."""
    if not mask.any():
        return (0,) * len(mask)
    reach = [int(np.ceil(halo * float(size))) for size in _pixels(sequence, pairs).ravel()[::-1]]
    size = (1, *(2 * pixels + 1 for pixels in reach))
    return tuple((maximum_filter(mask, size=size, mode="constant") & ~mask).sum(axis=(1, 2)).tolist())
