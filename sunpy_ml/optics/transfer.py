"""Transfer functions: what an optical system does to each spatial frequency of an image."""

from collections.abc import Callable
from typing import TypeAlias

import astropy.units as u
import numpy as np
import torch

__all__ = ["Transfer", "grid_response", "per_arcsec", "pixel_transfer", "product", "ratio"]

#: From spatial frequencies along y and x (tensors that broadcast, in cycles per arcsec) to the transfer there.
Transfer: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

Pair: TypeAlias = tuple[float, float]


def per_arcsec(frequency: u.Quantity) -> torch.Tensor:
    """Frequencies as a tensor of float64, in cycles per arcsec."""
    # A copy, since what astropy gives back may be read-only or share the caller's memory.
    return torch.as_tensor(np.array(frequency.to_value(1 / u.arcsec), dtype=np.float64))


@u.quantity_input
def pixel_transfer(pixel: u.Quantity[u.arcsec / u.pix]) -> Transfer:
    """What the integration over square pixels does: a product of two sinc functions.

    Parameters
    ----------
    pixel : `~astropy.units.Quantity`
        The side of a pixel, an angle per pixel.

    Returns
    -------
    callable
        From frequencies along y and x, in cycles per arcsec, to the transfer.

    Examples
    --------
    >>> import astropy.units as u
    >>> import torch
    >>> from sunpy_ml.optics import pixel_transfer
    >>> float(pixel_transfer(0.504 * u.arcsec / u.pix)(torch.tensor(0.0), torch.tensor(0.96)))
    0.6570348
    """
    side = float(pixel.to_value(u.arcsec / u.pix))
    return lambda fy, fx: torch.sinc(side * fy) * torch.sinc(side * fx)


def product(*transfers: Transfer) -> Transfer:
    """One system after another.

    Parameters
    ----------
    *transfers : callable
        Each from frequencies along y and x, in cycles per arcsec, to a transfer.

    Returns
    -------
    callable
        The same for all of them together; the order does not matter.
    """

    def together(fy: torch.Tensor, fx: torch.Tensor) -> torch.Tensor:
        first, *others = (transfer(fy, fx) for transfer in transfers)
        for other in others:
            first = first * other
        return first

    return together


def ratio(numerator: Transfer, denominator: Transfer, *, floor: float = 0.01) -> Transfer:
    """What is left to do to an image that one system has seen, so that it looks as seen by another.

    Parameters
    ----------
    numerator : callable
        The system to look through.
    denominator : callable
        The system that the image has passed already.
    floor : float
        Frequencies of which ``denominator`` passes no more than this are lost, those beyond its cut-off among them:
        the ratio is zero there.

    Returns
    -------
    callable
        From frequencies along y and x, in cycles per arcsec, to the transfer.

    Raises
    ------
    ValueError
        If ``floor`` is not positive.

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.optics import HMI, IDEAL_28CM, ratio
    >>> missing = ratio(HMI.transfer(), IDEAL_28CM.transfer())
    >>> missing(torch.tensor(0.0), torch.tensor([0.0, 1.0, 3.0]))
    tensor([1.0000, 0.0445, 0.0000])
    """
    if floor <= 0:
        raise ValueError(f"floor: expected a positive transfer, below which nothing is divided, got {floor}.")

    def divided(fy: torch.Tensor, fx: torch.Tensor) -> torch.Tensor:
        passed = denominator(fy, fx)
        known = passed > floor
        return torch.where(known, numerator(fy, fx) / torch.where(known, passed, 1.0), 0.0)

    return divided


def grid_response(
    transfer: Transfer,
    shape: tuple[int, int],
    steps: Pair,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """A transfer function on the frequencies of `torch.fft.rfft2`.

    Parameters
    ----------
    transfer : callable
        From frequencies along y and x, in cycles per arcsec, to the transfer.
    shape : tuple of int
        Rows and columns of the image.
    steps : tuple of float
        Arcsec per pixel along y and x.
    dtype, device
        Of the result; it is computed in float64 where the device has that.

    Returns
    -------
    torch.Tensor
        (rows, columns // 2 + 1).
    """
    precise = torch.float32 if torch.device(device).type == "mps" else torch.float64
    fy = torch.fft.fftfreq(shape[0], steps[0], dtype=precise, device=device)[:, None]
    fx = torch.fft.rfftfreq(shape[1], steps[1], dtype=precise, device=device)[None, :]
    return transfer(fy, fx).to(dtype)
