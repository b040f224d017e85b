"""Simulated patches as their files hold them, and as the embedded ensemble is shown them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from sunpy_ml.emergence.networks import EmergenceEnsemble

__all__ = ["FINE", "Case", "Patches", "flux_of", "read_chunks"]

Array = npt.NDArray[Any]

#: Pixels of a block on each side, in the files.
FINE = 3
# At the centre of the disk, from 1 au.
_ARCSEC_PER_DEGREE = 16.74


@dataclass(frozen=True)
class Case:
    """What is known of a patch.

    Attributes
    ----------
    kind : str
        ``"emerging"``, ``"emerged"`` or ``"quiet"``.
    seed, month : int
        Of the patch, and of the date drawn for it.
    scale, latitude : float
        In degrees per pixel, and degrees.
    old_regions : float
        How many there are in the mean.
    noise, missing, mu : float
        In gauss; share of frames without data; mean over the others of the cosine of the angle to the vertical.
    tenth, longitude : float
        When 10 % of the flux has emerged, in days, and the distance of that place from the central meridian then.
    flux : float
        Largest of the regions, in Mx.
    around : float
        Mean unsigned field that the place has without the region then, in gauss.
    """

    kind: str
    seed: int
    month: int
    scale: float
    old_regions: float
    latitude: float
    noise: float
    missing: float
    mu: float
    tenth: float
    longitude: float
    flux: float
    around: float


class Patches(NamedTuple):
    """Patches as the ensemble learns from them.

    Parameters
    ----------
    blocks : torch.Tensor
        (N, frames, 2, rows, columns): float16, flux in kilogauss and usual pixels, as the ensemble reads it; or uint8,
        as in the files, of which `flux_of` makes kilogauss.
    facts : mapping of str to numpy.ndarray
        The fields of `Case`, and ``curve`` and ``cosines`` (N, frames): the unsigned flux above the noise along the
        line of sight in Mx, NaN where it is missing, and the cosine of the angle to the vertical.
    """

    blocks: Tensor
    facts: Mapping[str, Array]

    @property
    def areas(self) -> Tensor:
        """Of a pixel, over that of a usual one, (N,)."""
        area = EmergenceEnsemble.Config().area
        return torch.tensor([area(_ARCSEC_PER_DEGREE * scale) for scale in self.facts["scale"]], dtype=torch.float32)

    def shown(self, block: int) -> Tensor:
        """Of patches as in the files, the blocks of so many pixels on each side that the ensemble reads."""
        flux = functional.avg_pool2d(flux_of(self.blocks).flatten(0, 1), block // FINE)
        return (flux.unflatten(0, self.blocks.shape[:2]) * self.areas.view(-1, 1, 1, 1, 1)).half()

    def pairs(self) -> list[tuple[int, ...]]:
        """Patches in which flux emerges, each with those that share all but this."""
        seeds, kinds = self.facts["seed"], self.facts["kind"]
        found = (np.flatnonzero(seeds == seed) for seed in np.unique(seeds))
        return [tuple(int(i) for i in sorted(same, key=lambda i: kinds[i] != "emerging")) for same in found]


def read_chunks(paths: Sequence[Path], block: int | None = None, *, name: str = "blocks") -> Patches:
    """Read patches from the files of `make_chunk`.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        The files.
    block : int, optional
        Pixels of a block on each side, a multiple of 3, to be read as the ensemble is shown them; by default the blocks
        are as in the files.
    name : {"blocks", "random", "gaps"}
        With all frames that there are, or with some left out.
    """
    blocks: list[Tensor] = []
    facts: dict[str, list[Array]] = {}
    for path in paths:
        with np.load(path) as file:
            part = Patches(
                torch.from_numpy(file[name]), {fact: file[fact] for fact in [*Case.__annotations__, "curve", "cosines"]}
            )
        blocks.append(part.blocks if block is None else part.shown(block))
        for fact, values in part.facts.items():
            facts.setdefault(fact, []).append(values)
    return Patches(torch.cat(blocks), {fact: np.concatenate(values) for fact, values in facts.items()})


def flux_of(roots: Tensor) -> Tensor:
    """Flux in kilogauss of its root on 255 steps."""
    return roots.float().div_(255).square_()
