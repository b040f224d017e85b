"""The 225 frames of a patch that was followed over 15 days."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from ndcube import NDCube

from sunpy_ml import detect_emergence
from sunpy_ml.emergence.video import CADENCE, FRAMES, video
from sunpy_ml.simulation.emergence import emergence_patch
from sunpy_ml.weights import load

SIDE = 90
PUBLISHED = "the ten networks, asked about every ending of one view by itself"
#: Of the endings of a video, those asked about one by one.
SOME = 15
SHARE = SOME / FRAMES


def observation(side: int = SIDE) -> NDCube:
    return emergence_patch(seed=4)


def call(seen: NDCube, device: str | None = None) -> np.ndarray:
    """225 endings of four views by ten members."""
    return detect_emergence(seen, device=device, progress=False).curve


def one_by_one(network: torch.nn.Module, images: torch.Tensor) -> None:
    """Each video that ends at a frame by itself."""
    with torch.inference_mode():
        for last in np.linspace(0, FRAMES - 1, SOME).astype(int):
            still = images.clone()
            still[:, last + 1 :] = still[:, last : last + 1]
            network(still)


def published(side: int = SIDE) -> Callable[[], Any]:
    images = torch.from_numpy(video(observation().data, np.arange(FRAMES) * CADENCE))[None]
    return partial(one_by_one, load("bipole-emergence-1"), images)
