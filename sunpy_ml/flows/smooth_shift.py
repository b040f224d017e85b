"""The smooth displacement that explains best how two images differ. This module knows tensors only."""

import torch
from torch import Tensor
from torch.nn import functional as F

from sunpy_ml.flows.gradients import blurred, doubled, gradient_products, moved
from sunpy_ml.flows.whitening import whitened

__all__ = ["smooth_shift"]

# By which the images are binned, one after another, and how often each is compared.
_STEPS = ((4, 2), (2, 2), (1, 2))
# Standard deviation, in binned pixels, of what is blurred before: what is too fine to follow would seem to rest.
_SOFT = 0.7
# Standard deviation, in binned pixels, of the window of the gradients.
_WINDOW = 3.5
# What is asked of one iteration at most, in binned pixels: beyond it gradients tell nothing.
_FARTHEST = 1.5
# How much a steep displacement costs at a cadence, in s; at another, velocities that are as steep cost as much.
_COST, _CADENCE = 3.0, 30.0
_SHORTEST, _LONGEST = 8.0, 60.0
# What keeps places without structure solvable.
_FLAT = 1e-3
# Steps of Chebyshev's iteration, and what part of the spectrum, relative to its greatest 2, these are good for.
_ITERATIONS, _SLOWEST = 10, 0.06


def smooth_shift(images: Tensor, cadence: Tensor) -> Tensor:
    """The displacement for which differences, in units of what is left of them, and slopes are least in squares.

    This is Horn & Schunck's method with gradients in windows (Bruhn et al. 2005), on binned and then on finer images,
    of which what is known so far is undone each time. The images are whitened, so that images that change or are noisy
    lead to smoother displacements.

    Parameters
    ----------
    images : torch.Tensor
        (N, 2, H, W), with sides that are multiples of 4.
    cadence : torch.Tensor
        (N, 1, 1, 1), the time between the images in s.

    Returns
    -------
    torch.Tensor
        (N, 2, H, W), in pixels towards larger columns, then rows. It changes its sign when the images change places.

    References
    ----------
    Horn & Schunck 1981, doi:10.1016/0004-3702(81)90024-2; Bruhn, Weickert & Schnoerr 2005,
    doi:10.1023/B:VISI.0000045324.43199.43
    """
    cost = _cost(cadence)
    fine, shift = doubled(images), torch.zeros_like(images)
    for size, times in _STEPS:
        for _ in range(times):
            # Binned images are undersampled, and would be moved too little.
            back, seen = moved(fine, shift)
            so_far = shift
            if size > 1:
                back = F.avg_pool2d(blurred(back, _SOFT * size, mode="replicate"), size)
                seen, so_far = F.avg_pool2d(seen, size), F.avg_pool2d(shift, size) / size
            xx, xy, yy, along_x, along_y = gradient_products(whitened(back, seen), seen, _WINDOW)
            pull = cost * _bend(so_far) - torch.cat([along_x, along_y], dim=1)
            found = size * _solved((xx + _FLAT, xy, yy + _FLAT), pull, cost).clamp(-_FARTHEST, _FARTHEST)
            shift = shift + F.interpolate(found, images.shape[-2:], mode="bilinear", align_corners=False)
    return shift


def _cost(cadence: Tensor) -> Tensor:
    return _COST * (_CADENCE / cadence.clamp(_SHORTEST, _LONGEST)).square()


def _solved(matrix: tuple[Tensor, Tensor, Tensor], pull: Tensor, cost: Tensor) -> Tensor:
    """Solve matrix u - cost bend(u) = pull by Chebyshev's iteration: no pixel depends on pixels far away."""
    xx, xy, yy = matrix
    own_x, own_y = xx + 4 * cost, yy + 4 * cost
    whole = own_x * own_y - xy.square()

    def nearly(rest: Tensor) -> Tensor:
        x, y = rest.split(1, dim=1)
        return torch.cat([own_y * x - xy * y, own_x * y - xy * x], dim=1) / whole

    middle, half = (2 + _SLOWEST) / 2, (2 - _SLOWEST) / 2
    ratio = half / middle
    step = nearly(pull) / middle
    found = step
    for _ in range(_ITERATIONS - 1):
        x, y = step.split(1, dim=1)
        pull = pull - torch.cat([xx * x + xy * y, xy * x + yy * y], dim=1) + cost * _bend(step)
        following = 1 / (2 * middle / half - ratio)
        step = following * ratio * step + 2 * following / half * nearly(pull)
        found, ratio = found + step, following
    return found


def _bend(maps: Tensor) -> Tensor:
    """The sum of second derivatives."""
    up, down, left, right = (
        F.pad(maps, (1, 1, 1, 1), mode="replicate")[..., rows, columns]
        for rows, columns in (
            (slice(None, -2), slice(1, -1)),
            (slice(2, None), slice(1, -1)),
            (slice(1, -1), slice(None, -2)),
            (slice(1, -1), slice(2, None)),
        )
    )
    return up + down + left + right - 4 * maps
