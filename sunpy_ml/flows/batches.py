"""The batches of the training: pieces of pairs, turned, with what is known of their motion without learning."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sunpy_ml.flows.material import Pair
from sunpy_ml.flows.networks import ShiftNetwork

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
        self._rough: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for _ in range(self.steps):
            chosen = self._rng.choice(len(self.pairs), self.size, p=self.chances)
            images, velocities, known = zip(*(self._drawn(int(index)) for index in chosen), strict=True)
            yield {"image": torch.stack(images), "velocity": torch.stack(velocities), "known": torch.stack(known)}

    def _drawn(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        pair = self.pairs[index]
        if index not in self._rough:
            # The same at each pass, and for the whole image better than for a piece of it.
            rough = ShiftNetwork.rough(with_planes(pair.frames, pair.pixel, pair.cadence)[None])[0]
            self._rough[index] = rough.half()
        top, left = (int(self._rng.integers(0, length - self.crop + 1)) for length in pair.known.shape)
        swapped, signs = self._rng.random() < 0.5, self._rng.choice((1, -1), 2)

        def piece(image: Tensor) -> Tensor:
            cut = image[..., top : top + self.crop, left : left + self.crop]
            cut = cut.transpose(-1, -2) if swapped else cut
            return cut.flip([dim for dim, sign in zip((-1, -2), signs, strict=True) if sign < 0])

        def turned(vectors: Tensor) -> Tensor:
            cut = piece(vectors)
            return (cut.flip(0) if swapped else cut) * torch.tensor(signs)[:, None, None]

        rough = self._rough[index].float()
        given = [with_planes(piece(pair.frames), pair.pixel, pair.cadence), turned(rough[:2]), turned(rough[2:4])]
        return torch.cat([*given, piece(rough[4:])]).float(), turned(pair.velocity).float(), piece(pair.known)
