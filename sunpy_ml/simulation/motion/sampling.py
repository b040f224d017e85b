"""Images between their pixels: Fourier series beyond the edges, splines between the pixels."""

import math

import torch
from torch import Tensor

__all__ = ["coefficients", "extend", "frequencies", "sample"]


def extend(image: Tensor, *, periodic: bool) -> Tensor:
    """
    Return one period of an image (..., H, W) that goes on for ever.

    What is not periodic is mirrored at its edges, which is continuous: a jump would ring all over the image.
    """
    if periodic:
        return image
    image = torch.cat([image, image.flip(-1)], dim=-1)
    return torch.cat([image, image.flip(-2)], dim=-2)


def frequencies(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return angular frequencies, in radians per pixel, along the columns and rows of `torch.fft.rfft2`."""
    rows, columns = image.shape[-2:]
    along = 2 * math.pi * torch.fft.rfftfreq(columns, device=image.device, dtype=image.dtype)
    up = 2 * math.pi * torch.fft.fftfreq(rows, device=image.device, dtype=image.dtype)
    return along[None, :], up[:, None]


def coefficients(image: Tensor, *, degree: int, fine: int = 1, periodic: bool = True) -> Tensor:
    """
    Return the B-spline coefficients of an image, on a grid that is ``fine`` times as fine.

    The image is first taken to the finer grid by its Fourier series. There even its smallest structures are wide,
    and a spline through them is close to the series.

    Parameters
    ----------
    image : torch.Tensor
        (..., H, W), real.
    degree : int
        Of the spline, odd.
    fine : int
        How many times as fine.
    periodic : bool
        Whether the image goes on at the other edge; otherwise it is mirrored.

    Returns
    -------
    torch.Tensor
        (..., fine * H, fine * W), or twice that along each axis if the image is not periodic.
    """
    image = extend(image, periodic=periodic)
    rows, columns = image.shape[-2:]
    spectrum = torch.fft.rfft2(image)
    if fine > 1:
        spectrum = _padded(spectrum, rows, columns, fine)
    rows, columns = fine * rows, fine * columns
    along, up = frequencies(image.new_empty(rows, columns))
    spectrum = spectrum * (fine**2 / (_response(along, degree) * _response(up, degree)))
    return torch.fft.irfft2(spectrum, s=(rows, columns))


def sample(knots: Tensor, displacement: Tensor, *, degree: int, fine: int = 1) -> Tensor:
    """
    Evaluate a spline beside the pixels.

    Parameters
    ----------
    knots : torch.Tensor
        What `coefficients` gives, (N, C, R, K).
    displacement : torch.Tensor
        (N, 2, H, W): how many columns and rows away from each pixel the image is looked at.
    degree, fine : int
        As given to `coefficients`.

    Returns
    -------
    torch.Tensor
        (N, C, H, W).
    """
    rows, columns = knots.shape[-2:]
    # Whole and broken part come from the displacement alone: added to the index, its last digits would be lost.
    whole = torch.floor(fine * displacement)
    broken = fine * displacement - whole
    height, width = displacement.shape[-2:]
    column = fine * torch.arange(width, device=knots.device) + whole[:, 0].long()
    row = fine * torch.arange(height, device=knots.device)[:, None] + whole[:, 1].long()
    flat = knots.flatten(-2)
    result = knots.new_zeros(*knots.shape[:2], height, width)
    across = [((column + tap) % columns, weight) for tap, weight in _taps(broken[:, 0], degree)]
    for tap, up_weight in _taps(broken[:, 1], degree):
        start = (row + tap) % rows * columns
        for position, weight in across:
            index = (start + position).flatten(-2)[:, None].expand(-1, knots.shape[1], -1)
            value = flat.gather(-1, index).unflatten(-1, (height, width))
            result = torch.addcmul(result, value, (weight * up_weight)[:, None])
    return result


def _taps(broken: Tensor, degree: int) -> list[tuple[int, Tensor]]:
    """Return the offsets of the knots that count at a broken part, and their weights."""
    # The recursion of Cox and de Boor for knots at whole numbers.
    weights = [torch.ones_like(broken)]
    for order in range(1, degree + 1):
        shorter = [torch.zeros_like(broken), *weights, torch.zeros_like(broken)]
        weights = [
            ((broken + (order - j)) * shorter[j] + (1 + j - broken) * shorter[j + 1]) / order for j in range(order + 1)
        ]
    return [(j - (degree - 1) // 2, weight) for j, weight in enumerate(weights)]


def _response(frequency: Tensor, degree: int) -> Tensor:
    """Return the Fourier transform of the B-spline at the whole numbers."""
    taps = _taps(frequency.new_zeros(()), degree)
    return torch.stack([weight * torch.cos(tap * frequency) for tap, weight in taps]).sum(dim=0)


def _padded(spectrum: Tensor, rows: int, columns: int, fine: int) -> Tensor:
    """Return the transform of the same Fourier series on a finer grid."""
    half, width = rows // 2, spectrum.shape[-1]
    spectrum = spectrum.clone()
    # The highest frequency of an even grid stands for two, of which the finer grid tells the sign.
    if columns % 2 == 0:
        spectrum[..., -1] *= 0.5
    if rows % 2 == 0:
        spectrum[..., half, :] *= 0.5
    padded = spectrum.new_zeros(*spectrum.shape[:-2], fine * rows, fine * columns // 2 + 1)
    padded[..., : half + 1, :width] = spectrum[..., : half + 1, :]
    padded[..., -half:, :width] = spectrum[..., -half:, :]
    return padded
