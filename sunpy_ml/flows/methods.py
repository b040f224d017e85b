"""Ways to find the motion between two images, to be compared: each takes a pair and gives km/s."""

import math
from collections.abc import Callable

import numpy as np
import torch
from skimage.registration import optical_flow_ilk
from torch import Tensor
from torch.nn import functional as F

from sunpy_ml.flows.batches import with_planes
from sunpy_ml.flows.correlation import Window, track
from sunpy_ml.flows.material import Pair
from sunpy_ml.flows.networks import ShiftNetwork

__all__ = ["Method", "correlation_tracking", "network_answer", "optical_flow", "probable_displacement"]

Method = Callable[[Pair], Tensor]

_FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))
# Speed in km/s that is looked for.
_FASTEST = 4.5
_MULTIPLE = 16


def network_answer(network: Callable[[Tensor], Tensor], pair: Pair) -> Tensor:
    """Velocity and, if the network tells it, its standard deviation, (2 or 4, H, W) in km/s."""
    rows, columns = pair.known.shape
    images = with_planes(pair.frames, pair.pixel, pair.cadence)[None]
    images = F.pad(images, (0, -columns % _MULTIPLE, 0, -rows % _MULTIPLE), mode="replicate")
    with torch.inference_mode():
        return network(images)[0, :, :rows, :columns] * (pair.pixel / pair.cadence)


def probable_displacement(pair: Pair) -> Tensor:
    """What the network starts from, before anything is learned."""
    return network_answer(ShiftNetwork.rough, pair)[:2]


def correlation_tracking(window: float) -> Method:
    """`~sunpy_ml.lct_flow` with a window of so many Mm."""

    def method(pair: Pair) -> Tensor:
        sigma = 1e3 * window / pair.pixel / _FWHM_PER_SIGMA
        farthest = min(_FASTEST * pair.cadence / pair.pixel, min(pair.known.shape) / 4)
        peak = track(pair.frames.float(), None, Window((sigma, sigma), (farthest, farthest)))
        return peak.displacement * (pair.pixel / pair.cadence)

    return method


def optical_flow(radius: int) -> Method:
    """The iterative Lucas-Kanade method of scikit-image, with a window of so many pixels each way."""

    def method(pair: Pair) -> Tensor:
        first, second = pair.frames.float().numpy()
        # Where the later image has to look for what the earlier one shows; rows come first.
        rows, columns = optical_flow_ilk(first, second, radius=radius, prefilter=False)
        return torch.from_numpy(np.array([columns, rows], np.float32)) * (pair.pixel / pair.cadence)

    return method
