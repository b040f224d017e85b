"""The most probable displacement between two images, smooth as far as they ask for. This module knows tensors only."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from sunpy_ml.flows.gradients import doubled, moved, slope

__all__ = ["probable_shift"]

# How often the spectra are measured anew, and steps of each solution.
_TIMES, _STEPS = 3, 8
# Pixels by which images are extended, in which they fade: the ends of Fourier's period must not meet.
_MARGIN = 16
# Rings of an octave of frequencies, in which power is averaged.
_RINGS = 4
# Variances of images and of displacements that are added, so that nothing is divided by nothing.
_LEAST_NOISE, _LEAST_POWER = 1e-9, 1e-10
_TINY = 1e-30
# Differences count up to so many times their rms.
_FARTHEST = 10.0


def probable_shift(images: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The displacement that is most probable, if it and what else differs in the images are Gaussian random fields.

    Their spectra are not known, and are measured: that of the noise in what is left of the difference when the
    displacement is undone, that of the displacement in itself, to which is added what must have been missed of it
    (empirical Bayes). So it is as smooth as the images ask for, wave by wave.

    Parameters
    ----------
    images : torch.Tensor
        (N, 2, H, W), the earlier first.
    shift : torch.Tensor
        (N, 2, H, W), in pixels, the displacement as far as it is known.

    Returns
    -------
    shift : torch.Tensor
        (N, 2, H, W), in pixels towards larger columns, then rows. It changes its sign with the images and ``shift``.
    deviation : torch.Tensor
        (N, 1, 1, 1), the standard deviation of either component, in pixels.
    part : torch.Tensor
        (N, 1, 1, 1), how much of the power of the displacement is known, from 0 to 1.
    """
    fade = _fade(images)
    size = (fade.shape[-2], fade.shape[-1])
    spectrum = _Spectrum(size, float(fade.square().sum()), images.device)
    fade = fade.to(images)
    fine, missed = doubled(images), torch.zeros((), device=images.device)
    deviation, part = missed, missed
    for _ in range(_TIMES):
        back, seen = (_extended(maps) for maps in moved(fine, shift))
        so_far, mean, difference = _extended(shift), 0.5 * (back[:, :1] + back[:, 1:]), back[:, 1:] - back[:, :1]
        seen = fade * _usual(difference, seen)
        difference = seen * difference
        slopes = seen * torch.cat([slope(mean, -1), slope(mean, -2)], dim=1)
        trust = 1 / (spectrum.of(difference) + _LEAST_NOISE)
        # What is told of a wave that is longer than those of the images.
        told = 0.5 * (slopes * spectrum.filtered(slopes, trust)).mean(dim=(-2, -1), keepdim=True).sum(1, keepdim=True)
        power = spectrum.of(so_far * fade) + missed + _LEAST_POWER
        missed = power / (1 + told * power)
        deviation, part = spectrum.mean(missed).sqrt(), 1 - spectrum.mean(missed) / spectrum.mean(power)
        left = difference - (slopes * so_far).sum(dim=1, keepdim=True)
        found = _solved(spectrum, slopes, left, so_far, power, trust, told)
        shift = found[..., _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    return shift, deviation, part


class _Spectrum:
    """Power of images in rings of frequencies, and filters of Fourier's waves.

    Parameters
    ----------
    size : tuple of int
        Rows and columns.
    pixels : float
        How many of them count.
    device : torch.device
        Of the images.
    """

    def __init__(self, size: tuple[int, int], pixels: float, device: torch.device) -> None:
        self.size, self.pixels = size, pixels
        rows, columns = size
        # Known before the images are, on whatever device these are.
        up, across = torch.fft.fftfreq(rows, device="cpu")[:, None], torch.fft.rfftfreq(columns, device="cpu")
        least = 1 / max(size)
        octaves = torch.log2(torch.hypot(up, across).clamp(min=least) / least)
        rings = torch.unique((_RINGS * octaves).round(), return_inverse=True)[1]
        self._count, self._rings = int(rings.max()) + 1, rings.to(device)
        # Of two waves that are each other's conjugates only one is there.
        times = torch.full(rings.shape, 2.0, device="cpu")
        times[:, 0] = 1
        if columns % 2 == 0:
            times[:, -1] = 1
        self._times = times.to(device)
        self._waves = self._summed(torch.ones_like(self._times))

    def _summed(self, power: Tensor) -> Tensor:
        flat = (power * self._times).flatten(-2)
        return flat.new_zeros(*flat.shape[:-1], self._count).index_add(-1, self._rings.flatten(), flat)

    def of(self, maps: Tensor) -> Tensor:
        """The mean power of the channels, as the variance that white noise of such power would have."""
        power = torch.fft.rfft2(maps).abs().square().mean(dim=1, keepdim=True) / self.pixels
        return (self._summed(power) / self._waves)[..., self._rings]

    def mean(self, power: Tensor) -> Tensor:
        """The variance."""
        return (power * self._times).sum(dim=(-2, -1), keepdim=True) / math.prod(self.size)

    def filtered(self, maps: Tensor, by: Tensor) -> Tensor:
        """Maps of which each wave is multiplied."""
        return torch.fft.irfft2(by * torch.fft.rfft2(maps), s=self.size)


def _solved(
    spectrum: _Spectrum, slopes: Tensor, left: Tensor, start: Tensor, power: Tensor, trust: Tensor, told: Tensor
) -> Tensor:
    """The displacement u that is most probable if slopes . u + left is noise, by conjugate gradients.

    They act on what is white before a filter makes the displacement of it, with the solution for slopes that are the
    same everywhere as preconditioner.
    """
    root = power.sqrt()
    easier = 1 / (1 + told * power)

    def seen(white: Tensor) -> Tensor:
        return (slopes * spectrum.filtered(white, root)).sum(dim=1, keepdim=True)

    def pulled(noise: Tensor) -> Tensor:
        return spectrum.filtered(slopes * spectrum.filtered(noise, trust), root)

    white = spectrum.filtered(start, root * told * easier)
    rest = -pulled(left + seen(white)) - white
    way = near = spectrum.filtered(rest, easier)
    length = _product(rest, near)
    for _ in range(_STEPS):
        turned = pulled(seen(way)) + way
        step = length / (_product(way, turned) + _TINY)
        white, rest = white + step * way, rest - step * turned
        near = spectrum.filtered(rest, easier)
        before, length = length, _product(rest, near)
        way = near + length / (before + _TINY) * way
    return spectrum.filtered(white, root)


def _product(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(dim=(1, 2, 3), keepdim=True)


def _usual(difference: Tensor, seen: Tensor) -> Tensor:
    """Where images are seen and do not differ by far more than elsewhere: a particle's hit would be in all waves."""
    for _ in range(2):
        power = (seen * difference.square()).sum(dim=(-2, -1), keepdim=True) / (
            seen.sum(dim=(-2, -1), keepdim=True) + _TINY
        )
        seen = seen * (difference.square() <= _FARTHEST**2 * power)
    return seen


def _extended(maps: Tensor) -> Tensor:
    return F.pad(maps, [_MARGIN] * 4, mode="replicate")


def _fade(images: Tensor) -> Tensor:
    """1, and from the edges of the images to those of what `_extended` makes of them down to nearly 0."""
    rise = torch.sin(0.5 * math.pi * (torch.arange(_MARGIN, device="cpu") + 0.5) / _MARGIN).square()
    rows, columns = (torch.cat([rise, rise.new_ones(length), rise.flip(0)]) for length in images.shape[-2:])
    return (rows[:, None] * columns)[None, None]
