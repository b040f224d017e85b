"""The batches of the training: pairs of patches, whole and standing still from some frame on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sunpy_ml.emergence.material import Patches
from sunpy_ml.emergence.networks import binned
from sunpy_ml.emergence.video import CADENCE, FRAMES, UNSEEN

__all__ = ["Batches", "WholePairs", "pair_loss"]

#: Days after 10 % of the flux has emerged in which the label of a video that stands still goes from 0 to 1.
SEEN = 1.0
# How much it counts that of two patches with all the same but the event one is more likely to have it.
_PAIRED = 0.5


@dataclass
class Batches:
    """The batches of one epoch, drawn anew at each pass.

    Attributes
    ----------
    patches : Patches
        To draw from.
    pairs : sequence of tuple of int
        A patch in which flux emerges, and those that are like it but for this.
    bin : int
        Frames of a bin.
    size, seed : int
        Pairs of a batch, each of which it holds twice: whole, and standing still from some frame on.
    """

    patches: Patches
    pairs: Sequence[tuple[int, ...]]
    bin: int
    size: int
    seed: int

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def __len__(self) -> int:
        return len(self.pairs) // self.size

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        order = self._rng.permutation(len(self.pairs))
        for step in range(len(self)):
            yield self._batch([self.pairs[index] for index in order[step * self.size :][: self.size]])

    def _batch(self, pairs: list[tuple[int, ...]]) -> dict[str, Tensor]:
        rng = self._rng
        chosen = np.array([(new, others[rng.integers(len(others))]) for new, *others in pairs]).T
        blocks = self.patches.blocks[torch.from_numpy(chosen)].float()
        if rng.random() < 0.5:
            blocks[:, :, :UNSEEN] = blocks[:, :, UNSEEN : UNSEEN + 1]
        blocks = _turned(blocks, *(torch.from_numpy(rng.random(len(pairs)) < 0.5) for _ in range(2)))
        last = torch.from_numpy(rng.integers(FRAMES, size=len(pairs)))
        frames = torch.minimum(torch.arange(FRAMES), last[:, None])
        still = blocks[:, torch.arange(len(pairs))[:, None], frames]
        tenth = torch.from_numpy(self.patches.facts["tenth"][chosen[0]]).float()
        later = ((last * (CADENCE / 86400) - tenth) / SEEN).clamp(0, 1)
        truth = torch.zeros(2, 2 * len(pairs))
        truth[0] = torch.cat([torch.ones(len(pairs)), later])
        image = binned(torch.cat([blocks, still], dim=1).flatten(0, 1), self.bin)
        return {"image": image, "truth": truth.flatten()}


def _turned(blocks: Tensor, reversed_: Tensor, mirrored: Tensor) -> Tensor:
    """Pairs (2, N, frames, 2, rows, columns), of which some change polarity and some have north and south swapped."""
    blocks = torch.where(reversed_[:, None, None, None, None], blocks.flip(3), blocks)
    return torch.where(mirrored[:, None, None, None, None], blocks.flip(4), blocks)


@dataclass(frozen=True)
class WholePairs:
    """Whole patches in batches, to validate on; each pair as in `Batches`, with the first that is like the new one."""

    patches: Patches
    pairs: Sequence[tuple[int, ...]]
    bin: int
    size: int

    def __len__(self) -> int:
        return -(-len(self.pairs) // self.size)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for start in range(0, len(self.pairs), self.size):
            chosen = torch.tensor([pair[:2] for pair in self.pairs[start : start + self.size]]).T
            truth = torch.zeros(chosen.shape)
            truth[0] = 1
            image = binned(self.patches.blocks[chosen.flatten()].float(), self.bin)
            yield {"image": image, "truth": truth.flatten()}


def pair_loss(logits: Tensor, batch: dict[str, Any]) -> Tensor:
    """Cross-entropy, and that of which of two patches has the event; the first half of a batch goes with the second."""
    single = functional.binary_cross_entropy_with_logits(logits, batch["truth"])
    (new, old), (more, less) = logits.unflatten(0, (2, -1)), batch["truth"].unflatten(0, (2, -1))
    return single + _PAIRED * ((more - less) * functional.softplus(old - new)).mean()
