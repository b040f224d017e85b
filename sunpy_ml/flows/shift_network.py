"""The network of the embedded weights: displacements between two images, which change their sign with the images."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sunpy_ml.flows.gradients import FLAT, blurred, doubled, gradient_shift, moved, slope
from sunpy_ml.flows.probable_shift import probable_shift
from sunpy_ml.flows.smooth_shift import smooth_shift
from sunpy_ml.flows.whitening import whitened

__all__ = ["ShiftNetwork"]

Parity = tuple[Tensor, Tensor]

# Contrasts are about 0.1.
_GAIN = 10.0
# What planes of pixel sizes (km) and cadences (s) are compared with.
_PIXEL, _CADENCE = 100.0, 30.0
_FASTEST = 10.0
# Of whitened images, as `FLAT` of contrasts.
_WHITE_FLAT = 1.0
# Standard deviation in pixels of the window in which the mean displacement is the smooth one's.
_PLACE, _BIN = 6.0, 2
# Power of the part of the displacement that is known, by which it is corrected.
_CAUTION = 4
# Least deviation in pixels, and by which factor the one that the place has may differ from that of the whole.
_LEAST, _FARTHEST = 1e-4, math.log(30.0)


class _Block(nn.Module):
    """Convolutions of even and of odd channels: both kinds meet in products that keep what is odd odd."""

    def __init__(self, even_in: int, odd_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.even = nn.Conv2d(even_in + odd_in, channels, 3, stride, padding=1)
        self.odd = nn.Conv2d(odd_in, channels, 3, stride, padding=1, bias=False)
        self.gate = nn.Conv2d(channels, channels, 1)
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, parts: Parity) -> Parity:
        even, odd = parts
        even = _bounded(F.relu(self.even(torch.cat([even, odd.abs()], dim=1))))
        return even, _bounded(self.mix(self.odd(odd) * self.gate(even)))


def _bounded(channels: Tensor) -> Tensor:
    # Products of products would run away; each pixel is divided by a number of its own, so that tiles do not matter.
    return channels * torch.rsqrt(channels.square().mean(dim=1, keepdim=True) + 1)


class _Rise(nn.Module):
    """What a coarser level tells, added to a finer one."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(coarse, fine, 1)
        self.odd = nn.Conv2d(coarse, fine, 1, bias=False)
        self.block = _Block(fine, fine, fine)

    def forward(self, coarse: Parity, fine: Parity) -> Parity:
        even, odd = self.even(coarse[0]), self.odd(coarse[1])
        return self.block((fine[0] + _finer(even, 2), fine[1] + _finer(odd, 2)))


class _Pyramid(nn.Module):
    """A U-shaped chain of blocks, on half the resolution: a displacement, weights of others, and an uncertainty."""

    def __init__(self, even: int, odd: int, channels: tuple[int, ...], weights: int) -> None:
        super().__init__()
        widths = list(channels)
        self.down = nn.ModuleList([nn.Sequential(_Block(even, odd, widths[0], 2), _Block(*3 * [widths[0]]))])
        for before, width in pairwise(widths):
            self.down.append(nn.Sequential(_Block(before, before, width), _Block(width, width, width)))
        self.up = nn.ModuleList(_Rise(coarse, fine) for fine, coarse in pairwise(widths))
        self.shift = nn.Conv2d(widths[0], 2, 1, bias=False)
        self.trust = nn.Conv2d(widths[0], weights, 1)
        self.spread = nn.Conv2d(widths[0], 2, 1)
        # At first nothing is corrected, and each place is as sure as the whole.
        for head in (self.shift, self.trust, self.spread):
            for parameter in head.parameters():
                nn.init.zeros_(parameter)

    def forward(self, parts: Parity) -> tuple[Tensor, Tensor, Tensor]:
        levels: list[Parity] = []
        for blocks in self.down:
            parts = blocks(parts if not levels else tuple(F.avg_pool2d(part, 2) for part in parts))
            levels.append(parts)
        for rise, finer in zip(reversed(self.up), levels[-2::-1], strict=True):
            parts = rise(parts, finer)
        return self.shift(parts[1]), self.trust(parts[0]), self.spread(parts[0])


class ShiftNetwork(nn.Module):
    """Displacements between two images, with their standard deviations.

    The displacement that is most probable, given spectra that are measured in the images, tells most of it first, which
    is undone, half in each image. What is left, and how sure that is, is found by a U-shaped chain of convolutions,
    which is also told what gradients in several windows say. The mean of the images is even when they are exchanged,
    their difference is odd; layers multiply odd channels by even ones, so the displacement changes its sign exactly
    when the images change places.

    Parameters
    ----------
    config : ShiftNetwork.Config
        Channels of the levels, from the finest, and windows (standard deviations in pixels) of the gradients, of the
        images and of the whitened ones, and of what may make the displacement smoother.

    References
    ----------
    Horn & Schunck 1981, doi:10.1016/0004-3702(81)90024-2; Simoncelli, Adelson & Heeger 1991 (probabilities of motion),
    doi:10.1109/CVPR.1991.139707; Lucas & Kanade 1981, Proc. 7th International Joint Conference on Artificial
    Intelligence, 674

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.flows.networks import ShiftNetwork
    >>> network = ShiftNetwork().eval()
    >>> images = torch.rand(1, 4, 64, 64)
    >>> there, back = network(images)[:, :2], network(images[:, [1, 0, 2, 3]])[:, :2]
    >>> bool(torch.allclose(there, -back, atol=1e-5))
    True
    """

    @dataclass(frozen=True)
    class Config:
        """Arguments of `ShiftNetwork`."""

        channels: tuple[int, ...] = (24, 32, 32, 32)
        windows: tuple[float, ...] = (1.5, 4.0)
        white_windows: tuple[float, ...] = (1.5, 3.0, 6.0)
        smoother: tuple[float, ...] = (2.0, 5.0, 12.0)

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        config = config or self.Config()
        self.windows, self.white_windows = config.windows, config.white_windows
        self.smoother = config.smoother
        gradients = len(self.windows) + len(self.white_windows)
        told = 2 + len(self.smoother) + gradients
        self.pyramid = _Pyramid(13 + gradients, 2 + 2 * told, config.channels, told)

    def forward(self, x: Tensor) -> Tensor:
        """Displacements and their standard deviations.

        Parameters
        ----------
        x : torch.Tensor
            (N, 4, H, W), with sides that are multiples of two to the number of levels: contrast (I - mean) / mean of
            the earlier and of the later image, and planes of the size of a pixel in km and of the time between the
            images in seconds. Further channels are what `ShiftNetwork.rough` said, where it is known already.

        Returns
        -------
        torch.Tensor
            (N, 4, H, W): displacement towards larger columns and larger rows from the first to the second, at the
            middle of the time, and the standard deviations of both, in pixels.
        """
        with torch.no_grad():
            rough = x[:, 4:] if x.shape[1] > 4 else self.rough(x)
            parts, candidates, step = self._told(_GAIN * x[:, :2], x[:, 2:4], rough)
        correction, trust, spread = (_finer(part, 2) for part in self.pyramid(parts))
        # What is told is trusted as far as the place lets it, and corrected, the less the more of it could be noise,
        for number, candidate in enumerate(candidates):
            correction = correction + trust[:, number : number + 1] * candidate
        shift = candidates[0] + rough[:, 5:] ** _CAUTION * correction
        # but not in the mean over a place: what learns from noise finds everything too slow.
        off = blurred(F.avg_pool2d(candidates[0] - shift, _BIN), _PLACE / _BIN, mode="replicate")
        shift = shift + _finer(off, _BIN)
        deviation = rough[:, 4:5].clamp(min=_LEAST) * torch.exp(spread.clamp(-_FARTHEST, _FARTHEST))
        return torch.cat([shift * step, deviation], dim=1)

    @staticmethod
    @torch.no_grad()
    def rough(x: Tensor) -> Tensor:
        """What needs no learning, of the first four channels of an input.

        Returns
        -------
        torch.Tensor
            (N, 6, H, W): the most probable displacement, the smooth one that it was found from minus it, and, the same
            everywhere, its standard deviation in pixels and how much of its power is known, from 0 to 1.
        """
        images, cadence = _GAIN * x[:, :2], x[:, 3:4, :1, :1]
        smooth = smooth_shift(images, cadence)
        shift, *known = probable_shift(images, smooth)
        return torch.cat([shift, smooth - shift, *(number.expand_as(shift[:, :1]) for number in known)], dim=1)

    def _told(self, images: Tensor, planes: Tensor, rough: Tensor) -> tuple[Parity, list[Tensor], Tensor]:
        """Even and odd channels, displacements to choose from in units of what 1 km/s moves, and that in pixels."""
        step = planes[:, 1:] / planes[:, :1]
        rough, smoother, deviation, part = rough.split((2, 2, 1, 1), dim=1)
        images, seen = moved(doubled(images), rough)
        conditions = torch.log(planes / planes.new_tensor([_PIXEL, _CADENCE])[:, None, None])
        white = whitened(images, seen)
        # The displacement, what makes it smoother, and what gradients say is left of it.
        others = [smoother, *(blurred(rough, width, mode="replicate") - rough for width in self.smoother)]
        candidates, odd = [each / step for each in (rough, *others)], []
        even = [seen, conditions, torch.log(deviation.clamp(min=_LEAST) / step), part]
        for seen_as, windows, flat in ((images, self.windows, FLAT), (white, self.white_windows, _WHITE_FLAT)):
            mean, difference = 0.5 * (seen_as[:, :1] + seen_as[:, 1:]), seen_as[:, 1:] - seen_as[:, :1]
            for window in windows:
                shift, steep = gradient_shift(seen_as, seen, window, flat)
                candidates.append(_limited(shift / step))
                even.append(torch.log(steep))
            # How strong structure is, is told by how steep it is.
            even += [image * torch.rsqrt(steep) for image in (mean, slope(mean, -1), slope(mean, -2))]
            odd.append(difference)
            even.append(torch.log(blurred(difference.square() * seen, windows[-1]) + FLAT))
        return (torch.cat(even, dim=1), torch.cat([*odd, *candidates], dim=1)), candidates, step


def _limited(speed: Tensor) -> Tensor:
    """Nearly the same up to some km/s, and never more than `_FASTEST`: flat places would tell anything."""
    return speed / (1 + speed.abs() / _FASTEST)


def _finer(part: Tensor, factor: int) -> Tensor:
    return F.interpolate(part, scale_factor=factor, mode="bilinear", align_corners=False)
