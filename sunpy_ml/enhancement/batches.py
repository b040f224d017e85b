"""The batches of the training: pieces of pairs, turned and noisy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sunpy_ml.enhancement.pairs import Pair

__all__ = ["Batches"]

#: The noise of the training, in that of the observations: what telescopes and averages of several images have.
NOISE_RANGE = (0.5, 3.0)


@dataclass
class Batches:
    """The batches of one epoch, drawn anew at each pass.

    Attributes
    ----------
    pairs : sequence of Pair
        To draw from.
    chances : numpy.ndarray
        How often each is drawn; they sum to 1.
    noise : float
        Standard deviation of the usual noise, which is varied by `NOISE_RANGE`.
    odd : bool
        Whether the negative of an image is as likely as the image.
    steps, size, crop, seed : int
        Batches of an epoch, images of a batch, their side in pixels of HMI, and the seed of all chance.
    """

    pairs: Sequence[Pair]
    chances: np.ndarray
    noise: float
    odd: bool
    steps: int
    size: int
    crop: int
    seed: int

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for _ in range(self.steps):
            chosen = self._rng.choice(len(self.pairs), self.size, p=self.chances)
            drawn = [self._drawn(self.pairs[index]) for index in chosen]
            clean, target = (torch.from_numpy(np.stack(images)[:, np.newaxis]) for images in zip(*drawn, strict=True))
            low, high = (float(np.log(limit)) for limit in NOISE_RANGE)
            noise = self.noise * np.exp(self._rng.uniform(low, high, (self.size, 1, 1, 1)))
            noisy = clean.numpy() + noise * self._rng.standard_normal(clean.shape)
            yield {"image": torch.from_numpy(noisy.astype(np.float32)), "clean": clean, "target": target}

    def _drawn(self, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        top, left = self._rng.integers(0, pair.seen.shape[0] - self.crop + 1, 2)
        swapped, rows, columns = self._rng.random() < 0.5, *self._rng.choice((1, -1), 2)
        sign = np.float32(self._rng.choice((1, -1))) if self.odd else np.float32(1)

        def piece(image: np.ndarray, factor: int) -> np.ndarray:
            cut = image[factor * top : factor * (top + self.crop), factor * left : factor * (left + self.crop)]
            return sign * (cut.T if swapped else cut)[::rows, ::columns]

        return piece(pair.seen, 1), piece(pair.target, 2)
