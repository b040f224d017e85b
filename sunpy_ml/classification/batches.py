"""What a batch of the classifier's training holds: how often each kind of patch, seen how, with which targets."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sunpy_ml.classification.augmentation import augment
from sunpy_ml.classification.patches import CLASSES, FEATURES, UNFAMILIAR, Patch
from sunpy_ml.observations.normalisation import NORMALISERS

__all__ = ["NORMALISER", "Batches", "class_target"]

Array = npt.NDArray[Any]

NORMALISER: tuple[str, dict[str, float]] = ("percentile", {"low": 5.0, "high": 95.0})

#: Share of each kind of patch in a batch. GONG's own patches are the task; the others widen it.
SHARES = {
    ("gong", "filaments"): 0.14,
    ("gong", "prominences"): 0.14,
    ("gong", "quiet"): 0.14,
    ("gong", "sunspots"): 0.19,
    ("gong-bare", "quiet"): 0.05,
    ("gong-flare", "flares"): 0.07,
    ("aia_304", "prominences"): 0.07,
    ("aia_304", "quiet"): 0.10,
    ("hmi_ic", "quiet"): 0.03,
    ("hmi_ic", "sunspots"): 0.04,
    ("continuum", "quiet"): 0.02,
    ("continuum", "sunspots"): 0.04,
    ("simulated", "filaments"): 0.02,
    ("simulated", "flares"): 0.01,
    ("simulated", "prominences"): 0.02,
    ("simulated", "quiet"): 0.02,
    ("simulated", "sunspots"): 0.02,
    ("stranger", UNFAMILIAR): 0.18,
    ("whole-disk", UNFAMILIAR): 0.02,
}


@dataclass
class Batches:
    """The batches of one epoch, drawn by `SHARES` and augmented anew at each pass."""

    patches: Sequence[Patch]
    steps: int
    seed: int
    size: int

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._chances = _chances(self.patches)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        # One batch is prepared while the network learns from the one before.
        with ThreadPoolExecutor(max_workers=1) as pool:
            ahead = pool.submit(self._draw)
            for _ in range(self.steps - 1):
                batch, ahead = ahead.result(), pool.submit(self._draw)
                yield batch
            yield ahead.result()

    def _draw(self) -> dict[str, Tensor]:
        patches = [self.patches[index] for index in self._rng.choice(len(self.patches), self.size, p=self._chances)]
        images = np.stack([normalised(augment(patch, self._rng)) for patch in patches])
        return {
            "image": torch.from_numpy(images[:, np.newaxis]),
            "classes": torch.from_numpy(np.stack([class_target(patch) for patch in patches])),
            "features": torch.tensor([patch.present for patch in patches]),
            "unfamiliar": torch.tensor([float(patch.label == UNFAMILIAR) for patch in patches]),
            "weight": torch.tensor([0.3 if patch.confidence == 1 else 1.0 for patch in patches]),
        }


def normalised(image: Array) -> Array:
    """As `sunpy_ml.observations.prepare` does it: measured where there are data, zero where there is no light."""
    name, constants = NORMALISER
    valid = np.isfinite(image)
    return NORMALISERS[name](image[valid], constants).apply(np.where(valid, image, 0))


def _chances(patches: Sequence[Patch]) -> Array:
    """How often each patch is drawn. Hard quiet fields are drawn more, or a limb would mean a prominence."""
    kinds = [(patch.source.removesuffix("-mended").removesuffix("-grid"), patch.label) for patch in patches]
    own = np.array([2.0 if patch.hard or (patch.label == "quiet" and patch.at_limb) else 1.0 for patch in patches])
    total: Counter[tuple[str, str]] = Counter()
    for kind, weight in zip(kinds, own, strict=True):
        total[kind] += weight
    chances = np.array([SHARES.get(kind, 0.0) / total[kind] for kind in kinds]) * own
    return chances / chances.sum()


def class_target(patch: Patch) -> Array:
    """Three quarters for the label and the rest for all features seen, so that a mixed field is not absolute.

    An image of another kind belongs to all classes alike.
    """
    if patch.label == UNFAMILIAR:
        return np.full(len(CLASSES), 1 / len(CLASSES), np.float32)
    target = np.zeros(len(CLASSES), np.float32)
    seen = [name for name, value in zip(FEATURES, patch.present, strict=True) if value == 1] or [patch.label]
    for name in seen:
        target[CLASSES.index(name)] += 0.25 / len(seen)
    target[CLASSES.index(patch.label)] += 0.75
    return target
