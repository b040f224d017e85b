"""What `~sunpy_ml.emergence.relabel` learns labels with: one small network of the kind that the ensemble is made of.

It needs the extra ``train``.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ndcube import NDCube
from torch import Tensor
from torch.nn import functional

from sunpy_ml.emergence.cubes import read_patch
from sunpy_ml.emergence.networks import EmergenceEnsemble, binned, flux_blocks
from sunpy_ml.emergence.relabelling import Scorer
from sunpy_ml.emergence.video import SIDE, video
from sunpy_ml.training import NetworkTraining, fit, one_thread

__all__ = ["MemberTraining"]

# Patches at a time.
_BATCH = 32


@dataclass
class _Batches:
    """The batches of one epoch, in a new order, with polarities and latitudes reversed by chance at each pass."""

    bins: Tensor
    rows: npt.NDArray[np.int_]
    labels: npt.NDArray[np.bool_]
    seed: int

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def __len__(self) -> int:
        return -(-len(self.rows) // _BATCH)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        order = self._rng.permutation(len(self.rows))
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            image = self.bins[torch.from_numpy(self.rows[chosen])].float()
            for axis in (2, 3):
                turned = torch.from_numpy(self._rng.random(len(chosen)) < 0.5)
                image = torch.where(turned[:, None, None, None, None], image.flip(axis), image)
            yield {"image": image, "truth": torch.from_numpy(self.labels[chosen]).float()}


class MemberTraining:
    """Trains one member of an `~sunpy_ml.emergence.networks.EmergenceEnsemble` on some of the patches.

    Parameters
    ----------
    bins : torch.Tensor
        (N, bins, 2, rows, columns), what the fixed first stage makes of each patch; `of_cubes` makes it.
    epochs, seed : int
        Passes, and the seed of all chance.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_ml.emergence.learning import MemberTraining
    >>> from sunpy_ml.simulation.emergence import emergence_pairs
    >>> cubes = [cube for pair in emergence_pairs(2, frames=40, cadence=9 * u.h) for cube in pair]
    >>> train = MemberTraining.of_cubes(cubes, epochs=1)
    >>> scorer = train(np.array([0, 1, 2]), np.array([True, False, True]))
    >>> scorer(np.array([3])).shape
    (1,)
    """

    def __init__(self, bins: Tensor, *, epochs: int = 10, seed: int = 0) -> None:
        self.bins = bins
        self.epochs = epochs
        self.seed = seed

    @classmethod
    def of_cubes(cls, cubes: Iterable[NDCube], **options: Any) -> "MemberTraining":
        """Prepare cubes as `~sunpy_ml.detect_emergence` does, one after another."""
        config = EmergenceEnsemble.Config()
        bins = []
        for cube in cubes:
            patch = read_patch(cube, (SIDE, SIDE))
            images = torch.from_numpy(video(patch.field, patch.seconds))[np.newaxis]
            area = 1.0 if patch.pixel is None else config.area(patch.pixel)
            bins.append(binned(area * flux_blocks(images, config.block), config.bin).half())
        return cls(torch.cat(bins), **options)

    def __call__(self, rows: npt.NDArray[np.int_], labels: npt.NDArray[np.bool_]) -> Scorer:
        """Train on some rows with these labels."""
        with one_thread(), torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory() as folder:
            torch.random.manual_seed(self.seed)
            batches = _Batches(self.bins, rows, labels, self.seed)
            module = NetworkTraining(
                EmergenceEnsemble(EmergenceEnsemble.Config(members=1)).members[0],
                lambda logits, batch: functional.binary_cross_entropy_with_logits(logits, batch["truth"]),
                steps=self.epochs * len(batches),
                learning_rate=5e-3,
            )
            network = fit(module, batches, epochs=self.epochs, out=Path(folder), gradient_clip_val=1.0)

        def scorer(asked: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
            with torch.inference_mode():
                parts = torch.from_numpy(asked).split(_BATCH)
                return np.concatenate([network(self.bins[part].float()).sigmoid().double().numpy() for part in parts])

        return scorer
