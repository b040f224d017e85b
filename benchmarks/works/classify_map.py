"""A field of H-alpha of 271 arcsec, however fine its pixels."""

from collections.abc import Callable
from functools import partial
from typing import Any

import astropy.units as u
import numpy as np
import torch
from sunpy.map import GenericMap

from sunpy_ml import classify_map
from sunpy_ml.classification.networks import SlicNetwork
from sunpy_ml.simulation import halpha_scene

SIDE = 256
PUBLISHED = "Slic, one image"
SHARE = 1.0


def observation(side: int) -> GenericMap:
    return halpha_scene("sunspots", shape=(side, side), scale=1.06 * 256 / side * u.arcsec / u.pix, seed=1)


def call(seen: GenericMap, device: str | None = None) -> np.ndarray:
    return np.array(list(classify_map(seen, device=device).probabilities.values()))


def network() -> SlicNetwork:
    # Its speed does not depend on its weights.
    return SlicNetwork().eval().requires_grad_(False)


def eagerly(slic: SlicNetwork, images: np.ndarray) -> torch.Tensor:
    """One call on the whole batch, nothing folded."""
    with torch.inference_mode():
        return slic(torch.from_numpy(images[:, None]))


def published(side: int) -> Callable[[], Any]:
    images = np.random.default_rng(0).random((1, side, side), dtype=np.float32)
    return partial(eagerly, network(), images)
