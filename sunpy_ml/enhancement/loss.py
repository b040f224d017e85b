"""What the training of a deconvolution minimises."""

from collections.abc import Mapping

import torch
from torch import Tensor

from sunpy_ml.optics import HMI, IDEAL_28CM, Camera, Padding

__all__ = ["DeconvolutionLoss"]

# The edges of an image lack their surroundings, so that its outermost pixels (of HMI) are not asked for.
_EDGE = 4


class DeconvolutionLoss:
    """Mean square error of the answer, and of what HMI would see of it, and the likelihood of the stated uncertainty.

    HMI's view is compared with the input without its noise, which the training knows. Since the view is linear, it is
    taken of the error alone, and what lies beyond the edge counts as right.

    Parameters
    ----------
    size : int
        Side of the images in pixels of HMI.
    scale : float
        Error that is typical of the answer, in its unit.
    consistency : float
        Weight of the error that HMI sees.
    """

    def __init__(self, size: int, *, scale: float, consistency: float = 100.0) -> None:
        self.scale = scale
        self.consistency = consistency
        side = 2 * (size - 2 * _EDGE)
        # Wings beyond 15 arcsec hold 2 % of the light.
        self.camera = Camera(
            HMI, (side, side), scale=IDEAL_28CM.pixel, source=IDEAL_28CM, padding=Padding("level", 60, level=0.0)
        )

    def __call__(self, output: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """The loss of a batch."""
        inner = slice(2 * _EDGE, -2 * _EDGE)
        answer, spread = output[..., inner, inner].float().split(1, dim=1)
        error = answer - batch["target"][..., inner, inner]
        sharp = error.square().mean() / self.scale**2
        seen = self.camera(error).square().mean() / self.scale**2
        spread = spread.clamp(min=1e-6)
        surprise = torch.log(spread / self.scale) + 0.5 * (error.detach() / spread).square()
        return sharp + self.consistency * seen + 0.1 * surprise.mean()
