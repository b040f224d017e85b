"""Displacements from the gradients of two images, in a window (Lucas & Kanade 1981). This module knows tensors only."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["FLAT", "blurred", "doubled", "gradient_products", "gradient_shift", "moved", "slope"]

#: Sum of squares of gradients, in squares of the contrast times `GAIN` per pixel, below which a place tells nothing.
FLAT = 1e-3
_REACH = 3.0
# Pixels on each side that are interpolated between, by Lanczos's window.
_TAPS = 3


def gradient_shift(images: Tensor, seen: Tensor, sigma: float, flat: float = FLAT) -> tuple[Tensor, Tensor]:
    """The displacement that explains best, within a Gaussian window, how two images differ.

    Parameters
    ----------
    images : torch.Tensor
        (N, 2, H, W), the earlier first.
    seen : torch.Tensor
        (N, 1, H, W), 1 where both are known and 0 elsewhere.
    sigma : float
        Standard deviation of the window in pixels.
    flat : float
        Sum of squares of gradients below which a place tells nothing.

    Returns
    -------
    shift : torch.Tensor
        (N, 2, H, W), in pixels towards larger columns, then rows. It changes its sign when the images change places.
    steep : torch.Tensor
        (N, 1, H, W), the mean square of the gradient in the window, which does not.
    """
    xx, xy, yy, along_x, along_y = gradient_products(images, seen, sigma)
    xx, yy = xx + flat, yy + flat
    whole = xx * yy - xy.square()
    shift = torch.cat([xy * along_y - yy * along_x, xy * along_x - xx * along_y], dim=1) / whole
    return shift, xx + yy


def gradient_products(images: Tensor, seen: Tensor, sigma: float) -> tuple[Tensor, ...]:
    """Means of products of gradients (xx, xy, yy), and with the difference (x, y): see `gradient_shift`."""
    mean, difference = 0.5 * (images[:, :1] + images[:, 1:]), images[:, 1:] - images[:, :1]
    across, up = slope(mean, -1), slope(mean, -2)
    products = [across.square(), across * up, up.square(), across * difference, up * difference]
    return blurred(torch.cat(products, dim=1) * seen, sigma).split(1, dim=1)


def doubled(images: Tensor) -> Tensor:
    """Images on pixels of half the size, (..., 2 H, 2 W): each second one as it was, those between interpolated."""
    offsets = torch.arange(-_TAPS, _TAPS, device=images.device, dtype=images.dtype) + 0.5
    weights = torch.sinc(offsets) * torch.sinc(offsets / _TAPS)
    kernel = (weights / weights.sum()).expand(images.shape[1], 1, 1, -1)
    for _ in range(2):
        # The last axis, and then, with the axes exchanged, the other one.
        padded = F.pad(images, (_TAPS - 1, _TAPS, 0, 0), mode="replicate")
        between = F.conv2d(padded, kernel, groups=images.shape[1])
        images = torch.stack([images, between], dim=-1).flatten(-2).transpose(-1, -2)
    return images


def moved(fine: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Two images after a displacement has been undone, half in each, and where both are known.

    Parameters
    ----------
    fine : torch.Tensor
        (N, 2, 2 H, 2 W), what `doubled` makes of the images: straight between their own pixels, interpolation would
        move fine waves too little.
    shift : torch.Tensor
        (N, 2, H, W), in pixels of the images.

    Returns
    -------
    images : torch.Tensor
        (N, 2, H, W).
    seen : torch.Tensor
        (N, 1, H, W), 1 where both come from within the image, and 0 elsewhere.
    """
    rows, columns = shift.shape[-2:]
    row = torch.arange(rows, device=fine.device, dtype=fine.dtype)[:, None]
    column = torch.arange(columns, device=fine.device, dtype=fine.dtype)
    parts, seen = [], torch.ones_like(shift[:, :1])
    for number, sign in ((0, -0.5), (1, 0.5)):
        x, y = column + sign * shift[:, 0], row + sign * shift[:, 1]
        inside = (x >= -0.5) & (x <= columns - 0.5) & (y >= -0.5) & (y <= rows - 0.5)
        grid = torch.stack([4 * x / (2 * columns - 1) - 1, 4 * y / (2 * rows - 1) - 1], dim=-1)
        image = fine[:, number : number + 1]
        parts.append(F.grid_sample(image, grid, padding_mode="border", align_corners=True))
        seen = seen * inside[:, None]
    return torch.cat(parts, dim=1), seen


def slope(image: Tensor, dim: int) -> Tensor:
    """The gradient along an axis, by central differences."""
    padded = F.pad(image, (1, 1, 0, 0) if dim == -1 else (0, 0, 1, 1), mode="replicate")
    length = image.shape[dim]
    return 0.5 * (padded.narrow(dim, 2, length) - padded.narrow(dim, 0, length))


def blurred(maps: Tensor, sigma: float, mode: str = "constant") -> Tensor:
    """Sums in a Gaussian window of weight 1; nothing is beyond the edges unless another mode of padding is given."""
    reach = math.ceil(_REACH * sigma)
    offsets = torch.arange(-reach, reach + 1, device=maps.device, dtype=maps.dtype)
    window = torch.exp(-0.5 * (offsets / sigma).square())
    window = (window / window.sum()).expand(maps.shape[1], 1, 1, -1)
    along = F.conv2d(F.pad(maps, (reach, reach, 0, 0), mode=mode), window, groups=maps.shape[1])
    return F.conv2d(F.pad(along, (0, 0, reach, reach), mode=mode), window.transpose(-1, -2), groups=maps.shape[1])
