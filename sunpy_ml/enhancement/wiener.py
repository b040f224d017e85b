"""The best linear deconvolution: a radial Wiener filter, fitted on pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import fft2, fftfreq, ifft2
from scipy.signal.windows import hann

from sunpy_ml.enhancement.pairs import Pair

__all__ = ["RadialWiener", "fit_wiener"]

Array = npt.NDArray[Any]

_BINS = 96


@dataclass(frozen=True)
class RadialWiener:
    """Gain against spatial frequency, from an image to one of twice its sampling.

    Attributes
    ----------
    frequency : numpy.ndarray
        Cycles per pixel of the finer image, rising.
    gain : numpy.ndarray
        Of these; 1 at frequency 0.
    """

    frequency: Array
    gain: Array

    def kernels(self, radius: int) -> Array:
        """Weights (4, 2 radius + 1, 2 radius + 1) for each phase of the finer grid, to correlate the image with."""
        number = 8 * (radius + 1)
        along = fftfreq(number)
        gain = np.interp(np.hypot(along[:, None], along), self.frequency, self.gain)
        offsets = -2 * np.arange(-radius, radius + 1)
        kernels = []
        for phase in range(4):
            # The middle of a pixel lies half a fine pixel beyond the first of the two that it covers.
            rows, columns = (np.exp(2j * np.pi * along * (half - 0.5)) for half in divmod(phase, 2))
            # Each of the samples stands for four fine pixels.
            spread = 4 * ifft2(gain * rows[:, None] * columns).real
            kernels.append(spread[np.ix_(offsets, offsets)])
        return np.asarray(kernels, dtype=np.float32)


def fit_wiener(
    pairs: Sequence[Pair], *, noise: float, level: float, chances: Array | None = None, seed: int = 0
) -> RadialWiener:
    """The filter of least mean square error on pairs of one size.

    Parameters
    ----------
    pairs : sequence of Pair
        To fit on.
    noise : float
        Standard deviation of the noise that is added to what was seen.
    level : float
        That is taken off first: what windows taper to.
    chances : numpy.ndarray, optional
        Weights of the pairs, alike by default.
    seed : int
        Of the noise.

    Returns
    -------
    RadialWiener
    """
    rng = np.random.default_rng(seed)
    size = pairs[0].seen.shape[0]
    coarse, fine = (np.outer(window, window) for window in (hann(size), hann(2 * size)))
    index = np.arange(2 * size)
    frequency = fftfreq(2 * size)
    # As if the image were samples on the finer grid, which lie half a fine pixel beyond the first that they cover.
    turn = np.exp(-2j * np.pi * frequency * 0.5)
    bins = np.minimum((np.hypot(frequency[:, None], frequency) * 2 * _BINS).astype(int), _BINS).ravel()
    cross, power = np.zeros(_BINS + 1), np.zeros(_BINS + 1)
    weights = np.ones(len(pairs)) if chances is None else chances
    for pair, weight in zip(pairs, weights, strict=True):
        noisy = pair.seen + rng.normal(0, noise, pair.seen.shape) - level
        seen = fft2(noisy * coarse)[np.ix_(index % size, index % size)] * turn[:, None] * turn * 4
        target = fft2((pair.target - level) * fine)
        cross += weight * np.bincount(bins, (target * seen.conj()).real.ravel(), _BINS + 1)
        power += weight * np.bincount(bins, (np.abs(seen) ** 2).ravel(), _BINS + 1)
    # The last bin is of what lies beyond the finer grid's limit; small images leave others empty.
    filled = np.flatnonzero(power[:-1])
    centres = (filled + 0.5) / (2 * _BINS)
    return RadialWiener(np.concatenate([[0.0], centres]), np.concatenate([[1.0], cross[filled] / power[filled]]))
