"""Detectors: pixels of any size and place, and their noise."""

import astropy.units as u
import torch

from sunpy_ml.optics.convolving import check_image, steps_of

__all__ = ["add_noise", "sample", "sampled_length", "sampling_matrix"]


@u.quantity_input
def sample(
    image: torch.Tensor,
    *,
    scale: u.Quantity[u.arcsec / u.pix],
    pixel: u.Quantity[u.arcsec / u.pix],
    phase: tuple[float, float] = (0.0, 0.0),
    integrate: bool = True,
) -> torch.Tensor:
    """Sample a periodic image with the pixels of a detector.

    The image is taken as the sum of its Fourier components, so sampling is exact for one that was seen through a
    telescope and is periodic, whatever the ratio of the pixels and wherever they lie; `Camera` pads the others.

    Parameters
    ----------
    image : torch.Tensor
        (..., rows, columns), of a floating-point dtype.
    scale : `~astropy.units.Quantity`
        Of the image, an angle per pixel; one, or one for y and one for x.
    pixel : `~astropy.units.Quantity`
        Side of the detector's pixels, likewise.
    phase : tuple of float
        Where the first of them begins, along y and x, in its own size from the edge of the image; 0 to below 1.
    integrate : bool
        Whether light is gathered over the whole pixel, or at its centre alone.

    Returns
    -------
    torch.Tensor
        (..., rows, columns) of the pixels that lie within the image: means, so that the level stays as it is.

    Raises
    ------
    ValueError
        If the pixels are larger than the image, or a value cannot be.

    Examples
    --------
    >>> import astropy.units as u
    >>> import torch
    >>> from sunpy_ml.optics import sample
    >>> step = 1 * u.arcsec / u.pix
    >>> sample(torch.ones(1, 30, 45), scale=step, pixel=2.5 * step, phase=(0, 0.5)).shape
    torch.Size([1, 12, 17])
    """
    shape = check_image(image)
    ratios = [side / step for side, step in zip(steps_of(pixel), steps_of(scale), strict=True)]
    for length, ratio, start, axis in zip(shape, ratios, phase, (-2, -1), strict=True):
        matrix = sampling_matrix(
            length,
            sampled_length(length, ratio, start),
            step=ratio,
            start=start * ratio,
            box=ratio if integrate else 0.0,
        ).to(image)
        image = matrix @ image if axis == -2 else image @ matrix.T
    return image


def sampled_length(length: int, ratio: float, phase: float) -> int:
    """How many pixels, ``ratio`` times as large and beginning at ``phase`` of one, lie within ``length``."""
    if not 0 <= phase < 1:
        raise ValueError(f"phase: expected a part of a pixel, from 0 to below 1, got {phase}.")
    # A pixel that ends a rounding error beyond the edge is whole.
    count = int(length / ratio - phase + 1e-6)
    if count < 1:
        raise ValueError(f"pixel: not one lies within the image, of which the side is {length / ratio:g} pixels.")
    return count


def sampling_matrix(
    length: int, count: int, *, step: float, start: float, box: float, passed_box: float = 0.0
) -> torch.Tensor:
    """
    Weights (count, length), float64, that sample a periodic line of pixels at any places.

    Parameters
    ----------
    length, count : int
        Pixels of the line, and of the samples.
    step, start : float
        Size of a new pixel, and where the first begins from the edge of the line, in old pixels.
    box : float
        Width over which a new pixel gathers light, in old pixels.
    passed_box : float
        Width over which the old ones have done so already; at most 1.
    """
    frequency = torch.fft.rfftfreq(length, dtype=torch.float64)
    centre = start + step * (torch.arange(count, dtype=torch.float64) + 0.5) - 0.5
    gain = torch.sinc(box * frequency) / torch.sinc(passed_box * frequency)
    turn = torch.exp(-2j * torch.pi * frequency * centre[:, None])
    if length % 2 == 0:
        # Of the highest frequency only the cosine is in the samples; its phase is not known, and none is assumed.
        turn[:, -1] = turn[:, -1].real.to(turn.dtype)
    return torch.fft.irfft(gain * turn, n=length)


def add_noise(
    image: torch.Tensor,
    *,
    sigma: float = 0.0,
    photons: float | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Add the noise of a detector.

    Parameters
    ----------
    image : torch.Tensor
        Any shape, of a floating-point dtype.
    sigma : float
        Standard deviation of Gaussian noise (that of reading out), in the unit of ``image``.
    photons : float, optional
        Photons that a value of 1 stands for: their Poisson noise is added too. Negative values count as none.
    generator : torch.Generator, optional
        On the device of ``image``; torch's global one by default.

    Returns
    -------
    torch.Tensor
        Of the shape and dtype of ``image``. Gradients pass as if the noise were a constant.

    Raises
    ------
    ValueError
        If ``sigma`` is negative, or ``photons`` not positive.

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.optics import add_noise
    >>> noisy = add_noise(torch.ones(200, 200), photons=1e4, generator=torch.Generator().manual_seed(1))
    >>> noisy.std()
    tensor(0.0100)
    """
    if sigma < 0:
        raise ValueError(f"sigma: expected a standard deviation, got {sigma}.")
    if photons is not None and not photons > 0:
        raise ValueError(f"photons: expected a positive number for a value of 1, got {photons}.")
    noise = torch.zeros_like(image)
    if photons is not None:
        # Poisson numbers in float64: float32 counts only to 16 million.
        level = image.detach().clamp_min(0).double() * photons
        noise = ((torch.poisson(level, generator=generator) - level) / photons).to(image.dtype)
    if sigma:
        gauss = torch.randn(image.shape, generator=generator, dtype=image.dtype, device=image.device)
        noise = noise + sigma * gauss
    return image + noise
