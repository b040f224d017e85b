"""The batches of the training: pairs of patches, whole and standing still from some frame on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sunpy_ml.emergence.networks import binned
from sunpy_ml.emergence.patch_files import FINE, Patches, flux_of
from sunpy_ml.emergence.video import CADENCE, FRAMES, UNSEEN

__all__ = ["Batches", "WholePairs", "averages", "pair_loss"]

#: Days after 10 % of the flux has emerged in which the label of a video that stands still goes from 0 to 1.
SEEN = 1.0
# How much it counts that of two patches with all the same but the event one is more likely to have it.
_PAIRED = 0.5
# Patches are reduced and enlarged to between these, and moved by up to this part of their width.
_ZOOMS, _MOVED = (1 / 1.6, 1.4), 0.1
# Days around an emergence in which half of the videos that stand still begin to do so.
_NEAR = (-1.0, 3.0)
# As far from the middle a region emerges at most, as a part of the width.
_FARTHEST = 0.35


@dataclass
class Batches:
    """The batches of one epoch, drawn anew at each pass.

    Each pair changes polarity and has north and south swapped by chance.

    Attributes
    ----------
    patches : Patches
        To draw from, in the blocks of the files.
    pairs : sequence of tuple of int
        A patch in which flux emerges, and those that are like it but for this.
    bin, block : int
        Frames of a bin, and pixels of a block on each side.
    size, seed : int
        Pairs of a batch, each of which it holds twice: whole, and standing still from some frame on.
    varied : bool
        Whether pairs are also enlarged or reduced, moved, and have east and west swapped by chance, and stand still
        more often from around the emergence on. Otherwise an early end would be a reason by itself to tell that
        nothing has emerged.
    """

    patches: Patches
    pairs: Sequence[tuple[int, ...]]
    bin: int
    block: int
    size: int
    seed: int
    varied: bool = True

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._bins = torch.cat([binned(flux_of(part), self.bin).half() for part in self.patches.blocks.split(50)])

    def __len__(self) -> int:
        return len(self.pairs) // self.size

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        order = self._rng.permutation(len(self.pairs))
        for step in range(len(self)):
            yield self._batch([self.pairs[index] for index in order[step * self.size :][: self.size]])

    def _batch(self, pairs: list[tuple[int, ...]]) -> dict[str, Tensor]:
        rng = self._rng
        chosen = torch.tensor([(new, others[rng.integers(len(others))]) for new, *others in pairs]).T
        tenth = torch.from_numpy(self.patches.facts["tenth"][chosen[0].numpy()]).float()
        last = self._last(tenth)
        bins = self._bins[chosen].float()
        if rng.random() < 0.5:
            bins[:, :, : UNSEEN // self.bin] = flux_of(self.patches.blocks[chosen, UNSEEN])[:, :, None]
            last = last.clamp(min=UNSEEN)
        bins = torch.stack([bins, self._still(bins, chosen, last)])
        later = ((last * (CADENCE / 86400) - tenth) / SEEN).clamp(0, 1)
        truth = torch.zeros(2, 2, len(pairs))
        truth[0, 0], truth[1, 0] = 1, later
        # New ones first, whole and standing still, and then those that go with them.
        seen = self._seen(bins, self.patches.areas[chosen[0]])
        return {"image": seen.transpose(0, 1).flatten(0, 2), "truth": truth.transpose(0, 1).flatten()}

    def _last(self, tenth: Tensor) -> Tensor:
        """From which frames on patches stand still: from any, or as often from one around the emergence."""
        anywhere = torch.from_numpy(self._rng.integers(FRAMES, size=len(tenth)))
        if not self.varied:
            return anywhere
        days = tenth + torch.from_numpy(self._rng.uniform(*_NEAR, len(tenth))).float()
        near = (days * (86400 / CADENCE)).long().clamp(0, FRAMES - 1)
        return torch.where(torch.from_numpy(self._rng.random(len(tenth)) < 0.5), near, anywhere)

    def _still(self, bins: Tensor, chosen: Tensor, last: Tensor) -> Tensor:
        """The bins of pairs (2, N, bins, ...) that stand still from a frame (N,) on."""
        now = last // self.bin
        begun = torch.minimum(now[:, None] * self.bin + torch.arange(self.bin), last[:, None])
        begun = flux_of(self.patches.blocks[chosen[..., None], begun]).mean(2, keepdim=True)
        still = flux_of(self.patches.blocks[chosen, last])[:, :, None]
        number, now = torch.arange(bins.shape[2])[:, None, None, None], now[:, None, None, None, None]
        return torch.where(number < now, bins, torch.where(number == now, begun, still))

    def _seen(self, bins: Tensor, areas: Tensor) -> Tensor:
        """Bins (..., N, bins, 2, rows, columns) in the network's blocks, of each pair as it happens to be turned.

        Where an image is enlarged, its pixels are so much smaller.
        """
        rng, count, fine = self._rng, bins.shape[-5], bins.shape[-1]
        reversed_, north, east = rng.random((3, count)) < 0.5
        smallest, largest = np.log(_ZOOMS)
        zooms = np.exp(self.varied * rng.uniform(smallest, largest, count))
        room = self.varied * np.clip(0.5 - _FARTHEST * zooms, 0, _MOVED)
        coarse = fine * FINE // self.block
        rows, columns = (
            torch.stack([averages(fine, coarse, *each) for each in zip(zooms, moves, mirrored, strict=True)])
            for moves, mirrored in ((rng.uniform(-room, room), each) for each in (north, east & self.varied))
        )
        bins = torch.where(torch.from_numpy(reversed_)[:, None, None, None, None], bins.flip(-3), bins)
        areas = areas / torch.from_numpy(zooms).float().square()
        return areas[:, None, None, None, None] * (rows[:, None, None] @ bins @ columns[:, None, None].mT)


def averages(fine: int, coarse: int, zoom: float, move: float, mirrored: bool) -> Tensor:
    """Which averages over blocks make the blocks of an enlarged image, (coarse, fine); outside, it is reflected.

    Parameters
    ----------
    fine, coarse : int
        Blocks before, and after.
    zoom : float
        Above 1 to enlarge.
    move : float
        Part of the width by which it moves, upwards.
    mirrored : bool
        In the other order.

    Examples
    --------
    >>> from sunpy_ml.emergence.batches import averages
    >>> averages(4, 2, 1.0, 0.0, mirrored=False).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    edges = ((np.arange(coarse + 1) / coarse - 0.5 - move) / zoom + 0.5) * fine
    cells = np.arange(-fine, 2 * fine)
    shares = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    before, there, after = np.split(shares.clip(0) / (edges[1] - edges[0]), 3, axis=1)
    weights = there + before[:, ::-1] + after[:, ::-1]
    return torch.from_numpy((weights[::-1] if mirrored else weights).astype(np.float32))


@dataclass(frozen=True)
class WholePairs:
    """Whole patches in batches, to validate on; each pair as in `Batches`, with the first that is like the new one."""

    patches: Patches
    pairs: Sequence[tuple[int, ...]]
    bin: int
    block: int
    size: int

    def __len__(self) -> int:
        return -(-len(self.pairs) // self.size)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for start in range(0, len(self.pairs), self.size):
            chosen = torch.tensor([pair[:2] for pair in self.pairs[start : start + self.size]]).T
            truth = torch.zeros(chosen.shape)
            truth[0] = 1
            chosen = chosen.flatten()
            flux = flux_of(self.patches.blocks[chosen])
            size = flux.shape[-1] * FINE // self.block
            image = functional.adaptive_avg_pool2d(binned(flux, self.bin).flatten(0, 1), size)
            image = image.unflatten(0, (len(flux), -1)) * self.patches.areas[chosen].view(-1, 1, 1, 1, 1)
            yield {"image": image, "truth": truth.flatten()}


def pair_loss(logits: Tensor, batch: dict[str, Any]) -> Tensor:
    """Cross-entropy, and that of which of two patches has the event; the first half of a batch goes with the second."""
    single = functional.binary_cross_entropy_with_logits(logits, batch["truth"])
    (new, old), (more, less) = logits.unflatten(0, (2, -1)), batch["truth"].unflatten(0, (2, -1))
    return single + _PAIRED * ((more - less) * functional.softplus(old - new)).mean()
