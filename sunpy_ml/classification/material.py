"""What the classifier is trained on, gathered from the data folder and from simulation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sunpy_ml.classification.blocks import outside
from sunpy_ml.classification.continuum import read_continuum
from sunpy_ml.classification.gong_patches import read_gong
from sunpy_ml.classification.patches import Patch
from sunpy_ml.classification.sdo_patches import read_sdo
from sunpy_ml.classification.simulated import bare_limbs, flares_on, scenes
from sunpy_ml.classification.strangers import magnetograms, strangers, whole_disks

__all__ = ["Material", "held_out_magnetograms"]

#: Apart from the seeds of the other parts.
_STRANGERS_SEED = 77
#: Of the active regions in ``hmi_sharp``, in the order of their names; the others are for the test.
_TRAINED_REGIONS = 4


def _sharp_magnetograms(data: Path) -> list[Path]:
    return sorted((data / "hmi_sharp").glob("*magnetogram.fits"))


def held_out_magnetograms(data: Path) -> list[Path]:
    """The SHARP magnetograms that no training sees."""
    return _sharp_magnetograms(data)[_TRAINED_REGIONS:]


@dataclass(frozen=True)
class Material:
    """Patches by where they come from. Those of GONG and SDO have dates, the others are of no block.

    Attributes
    ----------
    gong, sdo, disks : list of Patch
        Labelled fields, and whole disks of both.
    undated : list of Patch
        Continuum at high resolution, simulated scenes, and images of other kinds.
    seed : int
        Of all that is drawn.
    """

    gong: Sequence[Patch]
    sdo: Sequence[Patch]
    disks: Sequence[Patch]
    undated: Sequence[Patch]
    seed: int

    @classmethod
    def read(cls, data: Path, seed: int) -> "Material":
        """Read the images below ``data``, and draw the rest."""
        rng = np.random.default_rng(seed + _STRANGERS_SEED)
        others = strangers(1400, rng) + magnetograms(_sharp_magnetograms(data)[:_TRAINED_REGIONS], 200, rng)
        return cls(
            gong=read_gong(data),
            sdo=read_sdo(data, seed),
            disks=whole_disks(data, each=10),
            undated=[*read_continuum(data, seed), *scenes(400, np.random.default_rng(seed)), *others],
            seed=seed,
        )

    def training(self, block: str | None = None) -> list[Patch]:
        """All but a block, with flares drawn on it and prominences taken away from it."""
        gong, sdo, disks = (outside(patches, block) for patches in (self.gong, self.sdo, self.disks))
        rng = np.random.default_rng(self.seed)
        return [*gong, *sdo, *flares_on(gong, 300, rng), *bare_limbs(gong, rng), *self.undated, *disks]
