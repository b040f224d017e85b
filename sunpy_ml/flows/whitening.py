"""Pairs of images in which all that differs is of equal strength. This module knows tensors only."""

from itertools import pairwise

import torch
from torch import Tensor

from sunpy_ml.flows.gradients import blurred

__all__ = ["whitened"]

# Standard deviations in pixels of the windows between which images are split into bands of frequencies.
_BANDS = (0.5, 0.8, 1.3, 2.0)
# Finer bands have more waves in them, and so their waves count more: by the ratio of the windows to this power.
_FINE = 1.25
# Standard deviation in pixels of the window in which differences are measured.
_PLACE = 8.0
_LEAST = 1e-6


def whitened(images: Tensor, seen: Tensor) -> Tensor:
    """Two images of the same scene, filtered so that each wave counts by how well it has been kept.

    Granules change and detectors are noisy, each at frequencies of its own, so that how the images differ tells by how
    much each band of frequencies can be believed. A band is divided by the deviation of its difference in the
    surroundings, and taken back where its mean could be noise as well (Wiener's filter). What is smoother than the
    bands is left out.

    Parameters
    ----------
    images : torch.Tensor
        (N, 2, H, W), aligned as well as is known.
    seen : torch.Tensor
        (N, 1, H, W), 1 where both are known and 0 elsewhere.

    Returns
    -------
    torch.Tensor
        (N, 2, H, W), in units of the deviation of their difference.
    """
    known = blurred(seen, _PLACE, mode="replicate") + _LEAST

    def strength(image: Tensor) -> Tensor:
        return (blurred(image.square() * seen, _PLACE, mode="replicate") + _LEAST) / known

    total = torch.zeros_like(images)
    levels = [images, *(blurred(images, sigma, mode="replicate") for sigma in _BANDS)]
    for sigma, (fine, coarse) in zip(_BANDS, pairwise(levels), strict=True):
        band = fine - coarse
        apart, common = strength(band[:, 1:] - band[:, :1]), strength(band.mean(dim=1, keepdim=True))
        # Independent noise of both images leaves a quarter of its difference's power in their mean.
        believed = torch.relu(1 - 0.25 * apart / common)
        total = total + (_BANDS[0] / sigma) ** _FINE * believed * torch.rsqrt(apart) * band
    return total * torch.rsqrt(strength(total[:, 1:] - total[:, :1]))
