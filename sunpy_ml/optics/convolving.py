"""Convolution by Fourier transforms, with a choice of what lies beyond the edges."""

import math
from dataclasses import dataclass

import astropy.units as u
import numpy as np
import torch
from scipy.fft import next_fast_len

from sunpy_ml.optics.transfer import Transfer, grid_response

__all__ = ["Padding", "apply_transfer", "convolve", "filtered", "steps_of"]

_MODES = ("periodic", "reflect", "level")


@dataclass(frozen=True)
class Padding:
    """
    What lies beyond the edges of an image.

    Parameters
    ----------
    mode : {"periodic", "reflect", "level"}
        The image over again, its mirror image, or a constant.
    margin : int or tuple of int
        Pixels that are added on each side, along y and x; none where periodic. Farther away the padded image repeats,
        so that no light is lost however far the wings of a point spread function reach.
    level : float, optional
        The constant, such as that of the quiet Sun; by default the mean of each image.

    Raises
    ------
    ValueError
        If the mode is unknown, a margin is negative, or the other values do not go with the mode.

    Examples
    --------
    >>> from sunpy_ml.optics import Padding
    >>> Padding("mirror")
    Traceback (most recent call last):
    ...
    ValueError: padding: got the mode 'mirror', choose from ('periodic', 'reflect', 'level').
    """

    mode: str = "periodic"
    margin: int | tuple[int, int] = 0
    level: float | None = None

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise ValueError(f"padding: got the mode {self.mode!r}, choose from {_MODES}.")
        if min(self.margins) < 0 or (self.mode == "periodic" and max(self.margins) > 0):
            raise ValueError(f"padding: expected a margin of 0 where periodic, else 0 or more, got {self.margin}.")
        if self.level is not None and self.mode != "level":
            raise ValueError(f"padding: level is {self.level} with the mode {self.mode!r}; it goes with 'level'.")

    @property
    def margins(self) -> tuple[int, int]:
        """Pixels along y and x."""
        return (self.margin, self.margin) if isinstance(self.margin, int) else self.margin

    def padded_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns after padding: a little more than the margins ask for where that is faster."""
        if self.mode == "periodic":
            return shape
        wanted = (length + 2 * margin for length, margin in zip(shape, self.margins, strict=True))
        rows, columns = (next_fast_len(length, real=True) for length in wanted)
        return rows, columns

    def pad(self, image: torch.Tensor) -> torch.Tensor:
        """The image (..., rows, columns) with what is beyond its edges; its first pixel is at ``margins``."""
        rows, columns = self.padded_shape((image.shape[-2], image.shape[-1]))
        if self.mode == "reflect":
            for axis, size in ((-2, rows), (-1, columns)):
                image = image.index_select(axis, self._mirrored(image.shape[axis], size, axis).to(image.device))
        elif self.mode == "level":
            top, left = self.margins
            edges = (left, columns - left - image.shape[-1], top, rows - top - image.shape[-2])
            level = image.mean(dim=(-2, -1), keepdim=True) if self.level is None else self.level
            image = torch.nn.functional.pad(image - level, edges) + level
        return image

    def crop(self, padded: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
        """The part of a padded image that is not padding."""
        top, left = self.margins
        return padded[..., top : top + shape[0], left : left + shape[1]]

    def _mirrored(self, length: int, size: int, axis: int) -> torch.Tensor:
        before = self.margins[axis]
        return torch.from_numpy(np.pad(np.arange(length), (before, size - length - before), mode="symmetric"))


@u.quantity_input
def apply_transfer(
    image: torch.Tensor,
    transfer: Transfer,
    *,
    scale: u.Quantity[u.arcsec / u.pix],
    padding: Padding | None = None,
) -> torch.Tensor:
    """Look at images through an optical system.

    Parameters
    ----------
    image : torch.Tensor
        (..., rows, columns), of a floating-point dtype.
    transfer : callable
        From frequencies along y and x, in cycles per arcsec, to the transfer; as of `Telescope.transfer`.
    scale : `~astropy.units.Quantity`
        Plate scale, an angle per pixel; one, or one for y and one for x.
    padding : Padding, optional
        What lies beyond the edges; periodic by default.

    Returns
    -------
    torch.Tensor
        Of the shape and dtype of ``image``. Gradients flow.

    Raises
    ------
    ValueError
        If ``image`` has no rows and columns, or ``scale`` is not positive.
    TypeError
        If ``image`` holds no floating-point numbers.

    Examples
    --------
    >>> import astropy.units as u
    >>> import torch
    >>> from sunpy_ml.optics import HMI, apply_transfer
    >>> point = torch.zeros(64, 64)
    >>> point[32, 32] = 1
    >>> seen = apply_transfer(point, HMI.transfer(), scale=0.25 * u.arcsec / u.pix)
    >>> seen.sum(), seen.max()
    (tensor(1.0000), tensor(0.0373))
    """
    padding = padding or Padding()
    shape = check_image(image)
    padded = padding.pad(image)
    response = grid_response(
        transfer, (padded.shape[-2], padded.shape[-1]), steps_of(scale), dtype=image.dtype, device=image.device
    )
    return padding.crop(filtered(padded, response), shape)


def convolve(image: torch.Tensor, kernel: torch.Tensor, *, padding: Padding | None = None) -> torch.Tensor:
    """Convolve images with sampled point spread functions.

    Parameters
    ----------
    image : torch.Tensor
        (..., rows, columns).
    kernel : torch.Tensor
        (..., rows, columns) on pixels of the same size, no larger than the padded image, centred on the pixel
        ``(rows // 2, columns // 2)``. Further axes broadcast with those of ``image``.
    padding : Padding, optional
        What lies beyond the edges; periodic by default.

    Returns
    -------
    torch.Tensor
        Of the rows and columns of ``image``. Gradients flow to both. The mean is conserved if the kernel's sum is 1.

    Raises
    ------
    ValueError
        If the kernel is larger than the padded image.

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.optics import convolve
    >>> convolve(torch.eye(3), torch.tensor([[0.0, 0.5, 0.5]])).round(decimals=3)
    tensor([[0.5000, 0.5000, 0.0000],
            [0.0000, 0.5000, 0.5000],
            [0.5000, 0.0000, 0.5000]])
    """
    padding = padding or Padding()
    shape = check_image(image)
    padded = padding.pad(image)
    size = (padded.shape[-2], padded.shape[-1])
    rows, columns = kernel.shape[-2:]
    if rows > size[0] or columns > size[1]:
        raise ValueError(
            f"kernel: {rows} x {columns} pixels are more than the {size[0]} x {size[1]} of the padded image; "
            "cut it, or give padding a margin."
        )
    spread = torch.nn.functional.pad(kernel, (0, size[1] - columns, 0, size[0] - rows))
    centred = torch.roll(spread, (-(rows // 2), -(columns // 2)), dims=(-2, -1))
    return padding.crop(filtered(padded, torch.fft.rfft2(centred)), shape)


def filtered(image: torch.Tensor, response: torch.Tensor) -> torch.Tensor:
    """The image (..., rows, columns) times a response on the frequencies of `torch.fft.rfft2`."""
    # PyTorch 2.6 fails on an image that was expanded, whose rows share memory.
    return torch.fft.irfft2(torch.fft.rfft2(image.contiguous()) * response, s=image.shape[-2:])


def check_image(image: torch.Tensor) -> tuple[int, int]:
    """Rows and columns of what must be images."""
    if not image.is_floating_point():
        raise TypeError(f"image: expected floating-point numbers, got {image.dtype}; convert it with .float().")
    if image.ndim < 2 or 0 in image.shape:
        raise ValueError(f"image: expected (..., rows, columns), got the shape {tuple(image.shape)}.")
    return image.shape[-2], image.shape[-1]


def steps_of(scale: u.Quantity) -> tuple[float, float]:
    """Arcsec per pixel along y and x."""
    steps = np.ravel(scale.to_value(u.arcsec / u.pix))
    if len(steps) not in (1, 2) or not all(0 < step < math.inf for step in steps):
        raise ValueError(f"scale: expected one positive angle per pixel, or one for y and one for x, got {scale}.")
    return float(steps[0]), float(steps[-1])
