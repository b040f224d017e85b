"""What networks say of the blocks of dates that they were not trained on."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from sunpy_ml.classification.augmentation import SIDE
from sunpy_ml.classification.batches import NORMALISER
from sunpy_ml.classification.blocks import within
from sunpy_ml.classification.material import Material
from sunpy_ml.classification.patches import Patch
from sunpy_ml.classification.scores import predict
from sunpy_ml.classification.simulated import flares_on, scenes
from sunpy_ml.observations.resampling import resample

__all__ = ["VIEWS", "Answered", "Pool", "ask_block"]

Array = npt.NDArray[Any]

#: Simulated flares, and simulated scenes, for each block.
_FLARES, _SCENES = 25, 60


def _coarse(factor: int) -> Callable[[Patch], Array]:
    def field(patch: Patch) -> Array:
        side = round(SIDE / factor)
        return resample(patch.field(), (side, side))

    return field


#: Other views of GONG's patches, under which the label still holds.
VIEWS: dict[str, Callable[[Patch], Array]] = {
    "3 times coarser": _coarse(3),
    "8 times coarser": _coarse(8),
    "half the field": lambda patch: patch.field(0.5),
    "twice the field": lambda patch: patch.field(2.0),
}


@dataclass(frozen=True)
class Answered:
    """Patches, the network's answers (N, outputs) to them, and the block (N,) in which each was tested."""

    patches: Sequence[Patch]
    logits: Array
    blocks: Array

    def __len__(self) -> int:
        return len(self.patches)

    def only(self, chosen: Callable[[Patch], bool]) -> "Answered":
        """Those of which ``chosen`` is true."""
        keep = np.array([chosen(patch) for patch in self.patches], dtype=bool)
        patches = [patch for patch, own in zip(self.patches, keep, strict=True) if own]
        return Answered(patches, self.logits[keep], self.blocks[keep])

    @classmethod
    def join(cls, parts: Sequence["Answered"]) -> "Answered":
        """All of several."""
        patches = [patch for part in parts for patch in part.patches]
        arrays = (np.concatenate([getattr(part, name) for part in parts]) for name in ("logits", "blocks"))
        return cls(patches, *arrays)


@dataclass(frozen=True)
class Pool:
    """All answers of a cross-validation: each labelled patch once, by a network that saw nothing near its date.

    Attributes
    ----------
    gong, sdo : Answered
        The labelled fields of the two sources.
    views : dict of str to Answered
        GONG's fields as `VIEWS` show them.
    made : Answered
        Simulated flares on GONG's fields, and simulated scenes.
    """

    gong: Answered
    sdo: Answered
    views: dict[str, Answered]
    made: Answered

    @classmethod
    def of(cls, pools: Iterable["Pool"]) -> "Pool":
        """One of the pools of several blocks."""
        found = list(pools)
        gong, sdo, made = (Answered.join([getattr(pool, name) for pool in found]) for name in ("gong", "sdo", "made"))
        return cls(gong, sdo, {view: Answered.join([pool.views[view] for pool in found]) for view in VIEWS}, made)


def ask_block(network: nn.Module, material: Material, block: str) -> Pool:
    """The answers of a network to all that its block holds."""

    def ask(patches: Sequence[Patch], field: Callable[[Patch], Array]) -> Answered:
        logits = predict(network, [field(patch) for patch in patches], NORMALISER).numpy()
        return Answered(patches, logits, np.full(len(patches), block))

    # A mended twin is the same field again, and there is only one real flare.
    real = [patch for patch in material.gong if patch.source in ("gong", "gong-grid") and patch.label != "flares"]
    gong = within(real, block)
    rng = np.random.default_rng([material.seed, ord(block)])
    made = flares_on(gong, _FLARES, rng) + scenes(_SCENES, rng)
    return Pool(
        ask(gong, Patch.field),
        ask(within(material.sdo, block), Patch.field),
        {view: ask(gong, field) for view, field in VIEWS.items()},
        ask(made, Patch.field),
    )
