"""The batches of the training: pieces of pairs, turned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sunpy_ml.flows.material import Pair

__all__ = ["Batches", "with_planes"]


def with_planes(frames: Tensor, pixel: float, cadence: float) -> Tensor:
    """Contrasts (2, H, W) with the planes that the network reads beside them, (4, H, W)."""
    planes = torch.tensor([pixel, cadence])[:, None, None].expand(2, *frames.shape[-2:])
    return torch.cat([frames.float(), planes])


@dataclass
class Batches:
    """The batches of one epoch, drawn anew at each pass.

    Attributes
    ----------
    pairs : sequence of Pair
        To draw from.
    chances : numpy.ndarray
        How often each is drawn; they sum to 1.
    steps, size, crop, seed : int
        Batches of an epoch, images of a batch, their side, and the seed of all chance.
    """

    pairs: Sequence[Pair]
    chances: np.ndarray
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
            images, velocities, known = zip(*(self._drawn(self.pairs[index]) for index in chosen), strict=True)
            yield {"image": torch.stack(images), "velocity": torch.stack(velocities), "known": torch.stack(known)}

    def _drawn(self, pair: Pair) -> tuple[Tensor, Tensor, Tensor]:
        top, left = (int(self._rng.integers(0, length - self.crop + 1)) for length in pair.known.shape)
        swapped, signs = self._rng.random() < 0.5, self._rng.choice((1, -1), 2)

        def piece(image: Tensor) -> Tensor:
            cut = image[..., top : top + self.crop, left : left + self.crop]
            cut = cut.transpose(-1, -2) if swapped else cut
            return cut.flip([dim for dim, sign in zip((-1, -2), signs, strict=True) if sign < 0])

        velocity = piece(pair.velocity)
        velocity = (velocity.flip(0) if swapped else velocity) * torch.tensor(signs)[:, None, None]
        return with_planes(piece(pair.frames), pair.pixel, pair.cadence), velocity.float(), piece(pair.known)
