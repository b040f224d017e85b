"""A field of HMI as large as the disk, all of it on the disk."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sunpy.map import GenericMap, Map

from sunpy_ml import enhance_hmi
from sunpy_ml.enhancement.networks import EnhanceNetwork

SIDE = 512
PUBLISHED = "Enhance, the whole image in one call"
SHARE = 1.0

_HEADER = {
    "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec", "crval1": 0.0, "crval2": 0.0,
    "cdelt1": 0.504, "cdelt2": 0.504, "date-obs": "2014-10-24T12:00:00", "hgln_obs": 0.0, "hglt_obs": 0.0,
    "dsun_obs": 1.496e11, "rsun_ref": 6.957e8, "wavelnth": 6173.0, "telescop": "SDO/HMI", "bunit": "DN / s",
}  # fmt: skip


def image(side: int) -> np.ndarray:
    return np.random.default_rng(0).normal(1, 0.04, (side, side)).astype(np.float32)


def observation(side: int) -> GenericMap:
    middle = (side + 1) / 2
    return Map(50000 * image(side), {**_HEADER, "crpix1": middle, "crpix2": middle, "rsun_obs": 0.8 * side})


def call(seen: GenericMap, device: str | None = None) -> np.ndarray:
    """Consistency map included."""
    return enhance_hmi(seen, device=device, progress=False).data


def network() -> EnhanceNetwork:
    torch.manual_seed(0)
    return EnhanceNetwork().eval()


def eagerly(enhance: EnhanceNetwork, batch: torch.Tensor) -> torch.Tensor:
    """One call, nothing folded."""
    with torch.inference_mode():
        return enhance(batch)


def published(side: int) -> Callable[[], Any]:
    return partial(eagerly, network(), torch.from_numpy(image(side))[None, None])
