"""Displacements from the gradients of two images, in a window (Lucas & Kanade 1981). This module knows tensors only."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["FLAT", "blurred", "gradient_shift", "moved", "pyramid_shift", "sharp", "slope"]

#: Sum of squares of gradients, in squares of the contrast times `GAIN` per pixel, below which a place tells nothing.
FLAT = 1e-3
# Of one iteration, in pixels: beyond it gradients tell nothing.
_FARTHEST = 1.5
# By which the images are binned, one after another, and how often each is compared.
_BINS, _ITERATIONS = (4, 2, 1), 2
# Standard deviation, in binned pixels, of what is blurred before: what is too fine to follow would seem to rest.
_SOFT = 0.7
# Standard deviation in pixels of what `sharp` takes away.
_SHARP = 1.0
# Standard deviation of the window, in binned pixels.
_SIGMA = 3.0
_REACH = 3.0
# Share of torch's interpolation by cubic polynomials, which moves waves too far, while that by lines does not enough.
_CUBIC = 0.3


def gradient_shift(images: Tensor, seen: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """The displacement that explains best, within a Gaussian window, how two images differ.

    Parameters
    ----------
    images : torch.Tensor
        (N, 2, H, W), the earlier first.
    seen : torch.Tensor
        (N, 1, H, W), 1 where both are known and 0 elsewhere.
    sigma : float
        Standard deviation of the window in pixels.

    Returns
    -------
    shift : torch.Tensor
        (N, 2, H, W), in pixels towards larger columns, then rows. It changes its sign when the images change places.
    steep : torch.Tensor
        (N, 1, H, W), the mean square of the gradient in the window, which does not.
    """
    mean, difference = 0.5 * (images[:, :1] + images[:, 1:]), images[:, 1:] - images[:, :1]
    across, up = slope(mean, -1), slope(mean, -2)
    products = [across.square(), across * up, up.square(), across * difference, up * difference]
    sums = blurred(torch.cat(products, dim=1) * seen, sigma)
    xx, xy, yy, along_x, along_y = sums.split(1, dim=1)
    xx, yy = xx + FLAT, yy + FLAT
    whole = xx * yy - xy.square()
    shift = torch.cat([xy * along_y - yy * along_x, xy * along_x - xx * along_y], dim=1) / whole
    return shift, xx + yy


def pyramid_shift(images: Tensor) -> Tensor:
    """The displacement found in binned and finer images, of which what is known so far is undone each time.

    Parameters
    ----------
    images : torch.Tensor
        (N, 2, H, W), with sides that are multiples of 4.

    Returns
    -------
    torch.Tensor
        (N, 2, H, W), in pixels.
    """
    shift = torch.zeros_like(images)
    for size in _BINS:
        for _ in range(_ITERATIONS):
            # Binned images are undersampled, and would be moved too little.
            back, seen = moved(images, shift)
            if size > 1:
                back = F.avg_pool2d(blurred(back, _SOFT * size, mode="replicate"), size)
            found, _ = gradient_shift(sharp(back), F.avg_pool2d(seen, size), _SIGMA)
            found = size * found.clamp(-_FARTHEST, _FARTHEST)
            shift = shift + F.interpolate(found, images.shape[-2:], mode="bilinear", align_corners=False)
    return shift


def moved(images: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Two images after a displacement has been undone, half in each, and where both are known.

    Parameters
    ----------
    images, shift : torch.Tensor
        (N, 2, H, W).

    Returns
    -------
    images : torch.Tensor
        (N, 2, H, W).
    seen : torch.Tensor
        (N, 1, H, W), 1 where both come from within the image, and 0 elsewhere.
    """
    rows, columns = images.shape[-2:]
    row = torch.arange(rows, device=images.device, dtype=images.dtype)[:, None]
    column = torch.arange(columns, device=images.device, dtype=images.dtype)
    parts, seen = [], torch.ones_like(images[:, :1])
    for number, sign in ((0, -0.5), (1, 0.5)):
        x, y = column + sign * shift[:, 0], row + sign * shift[:, 1]
        grid = torch.stack([(2 * x + 1) / columns - 1, (2 * y + 1) / rows - 1], dim=-1)
        image = images[:, number : number + 1]
        linear, cubic = (
            F.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=False)
            for mode in ("bilinear", "bicubic")
        )
        parts.append(torch.lerp(linear, cubic, _CUBIC))
        seen = seen * (grid.abs() <= 1).all(dim=-1)[:, None]
    return torch.cat(parts, dim=1), seen


def sharp(images: Tensor) -> Tensor:
    """Images without what is smooth: granules that change look alike in it, and fine edges tell best how they move."""
    return images - blurred(images, _SHARP, mode="replicate")


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
