"""The subsonic filter of Title et al. (1989). This module knows tensors only."""

import math

import torch
from torch import Tensor

__all__ = ["subsonic_filtered"]

# Rows of the spectrum that are transformed at a time are such that they take about so many bytes.
_BYTES = 256 * 2**20


def subsonic_filtered(frames: Tensor, pixel: tuple[float, float], cadence: float, speed: float) -> Tensor:
    """Keep what moves across the image more slowly than a speed: the inside of a cone in wavenumber and frequency.

    Parameters
    ----------
    frames : torch.Tensor
        (T, H, W), finite.
    pixel : tuple of float
        Size along columns and rows.
    cadence : float
        Time from frame to frame.
    speed : float
        In the units of ``pixel`` and ``cadence``.

    Returns
    -------
    torch.Tensor
        (T, H, W). The sequence is mirrored in time, so that its ends do not jump. What changes everywhere alike has no
        wavenumber, and is taken away.
    """
    count, rows, columns = frames.shape
    spectrum = torch.fft.rfft2(frames)
    up = 2 * math.pi * torch.fft.fftfreq(rows, d=pixel[1], device=frames.device)
    along = 2 * math.pi * torch.fft.rfftfreq(columns, d=pixel[0], device=frames.device)
    frequency = 2 * math.pi * torch.fft.fftfreq(2 * count, d=cadence, device=frames.device).abs()
    several = max(1, _BYTES // (16 * 2 * count * len(along)))
    for first in range(0, rows, several):
        part = spectrum[:, first : first + several]
        waves = torch.fft.fft(torch.cat([part, part.flip(0)]), dim=0)
        number = torch.hypot(up[first : first + several, None], along[None, :])
        waves *= frequency[:, None, None] <= speed * number
        spectrum[:, first : first + several] = torch.fft.ifft(waves, dim=0)[:count]
    return torch.fft.irfft2(spectrum, s=(rows, columns))
