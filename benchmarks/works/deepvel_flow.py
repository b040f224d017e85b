"""Two images of pixels of 40 km, 30 s apart, as those of IMaX."""

from collections.abc import Callable
from functools import partial
from typing import Any

import astropy.units as u
import numpy as np
import torch
from astropy.wcs import WCS
from ndcube import NDCube

from sunpy_ml import deepvel_flow
from sunpy_ml.flows.networks import DeepVelNetwork

SIDE = 256
PUBLISHED = "DeepVel, the whole pair in one call"
SHARE = 1.0

KNOWN = {"cadence": 30 * u.s, "scale": 0.0545 * u.arcsec / u.pix}


def frames(side: int) -> np.ndarray:
    return np.random.default_rng(0).normal(1, 0.1, (2, side, side)).astype(np.float32)


def observation(side: int) -> NDCube:
    return NDCube(frames(side), wcs=WCS(naxis=3), meta={"wavelnth": 5250})


def call(seen: NDCube, device: str | None = None) -> np.ndarray:
    flow = deepvel_flow(seen, device=device, progress=False, **KNOWN)
    return np.stack([flow["vx"].data, flow["vy"].data])


def network() -> DeepVelNetwork:
    torch.manual_seed(0)
    return DeepVelNetwork().eval()


def eagerly(deepvel: DeepVelNetwork, pair: np.ndarray, device: str = "cpu") -> torch.Tensor:
    """One call, nothing folded."""
    with torch.inference_mode():
        return deepvel.to(device)(torch.from_numpy(pair)[None].to(device)).cpu()


def published(side: int) -> Callable[[], Any]:
    return partial(eagerly, network(), frames(side))
