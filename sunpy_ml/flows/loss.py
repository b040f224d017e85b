"""What the training of the embedded network minimises."""

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["flow_loss"]

# The edges of an image lack their surroundings, so that its outermost pixels are not asked for.
_EDGE = 6
# Mean square speed in km^2/s^2 that is added to that of a piece: where nothing moves, errors have no relation to it.
_SLOW = 0.1


def flow_loss(output: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Surprise at the true velocity, given the answer and its uncertainty, relative to how fast a piece moves.

    The likelihood is weighted by the variance (Seitzer et al. 2022, arXiv:2203.09168): otherwise it would forget the
    places where motion is hard to see. Slow flows count as much as fast ones.

    Parameters
    ----------
    output : torch.Tensor
        (N, 4, H, W): displacements and deviations in pixels.
    batch : mapping
        ``image`` with its planes, ``velocity`` in km/s and ``known``.
    """
    step = batch["image"][:, 3:4] / batch["image"][:, 2:3]
    inner = slice(_EDGE, -_EDGE)
    known = batch["known"][:, None, inner, inner]
    velocity = batch["velocity"][..., inner, inner]
    shift, spread = (output / step)[..., inner, inner].split(2, dim=1)
    surprise = torch.log(spread) + 0.5 * ((shift - velocity) / spread).square()
    fast = velocity.square().mean(dim=(1, 2, 3), keepdim=True) + _SLOW
    return (surprise * spread.detach().square() / fast * known).sum() / (2 * known.sum())
