"""What the training of the embedded network minimises."""

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["flow_loss"]

# The edges of an image lack their surroundings, so that its outermost pixels are not asked for.
_EDGE = 6


def flow_loss(output: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Surprise at the true velocity, given the answer and its uncertainty.

    The likelihood is weighted by the standard deviation (Seitzer et al. 2022, arXiv:2203.09168): otherwise it would
    forget the places where motion is hard to see.

    Parameters
    ----------
    output : torch.Tensor
        (N, 4, H, W): displacements and deviations in pixels.
    batch : mapping
        ``image`` with its planes, ``velocity`` in km/s and ``known``.
    """
    step = batch["image"][:, 3:] / batch["image"][:, 2:3]
    inner = slice(_EDGE, -_EDGE)
    known = batch["known"][:, None, inner, inner]
    velocity = batch["velocity"][..., inner, inner]
    shift, spread = (output / step)[..., inner, inner].split(2, dim=1)
    surprise = torch.log(spread) + 0.5 * ((shift - velocity) / spread).square()
    return ((surprise * spread.detach()) * known).sum() / (2 * known.sum())
