"""The network of the embedded weights: displacements between two images, which change their sign with the images."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sunpy_ml.flows.gradients import FLAT, blurred, gradient_shift, moved, pyramid_shift, sharp, slope

__all__ = ["ShiftNetwork"]

Parity = tuple[Tensor, Tensor]

# Contrasts are about 0.1.
_GAIN = 10.0
# What planes of pixel sizes (km) and cadences (s) are compared with.
_PIXEL, _CADENCE = 100.0, 30.0
_FASTEST = 10.0
# Standard deviation in pixels of the window in which the mean displacement is that of the gradients.
_PLACE, _BIN = 20.0, 4
_FINEST, _COARSEST = math.log(1e-4), math.log(10.0)


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
        # At first nothing is corrected, and all that is known is that the Sun moves with about 1 km/s.
        for head in (self.shift, self.trust, self.spread):
            nn.init.zeros_(head.weight)
        nn.init.zeros_(self.trust.get_parameter("bias"))

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

    Gradients of binned and then finer images tell most of it first, which is undone, half in each image. What is left
    is found by a U-shaped chain of convolutions, which is also told what gradients in several windows say. The mean of
    the images is even when they are exchanged, their difference is odd; layers multiply odd channels by even ones, so
    the displacement changes its sign exactly when the images change places.

    Parameters
    ----------
    config : ShiftNetwork.Config
        Channels of the levels, from the finest, and windows (standard deviations in pixels) of the gradients, of the
        images and of what is sharp in them.

    References
    ----------
    Lucas & Kanade 1981, Proc. 7th International Joint Conference on Artificial Intelligence, 674

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
        sharp_windows: tuple[float, ...] = (1.5, 3.0, 6.0)

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        config = config or self.Config()
        self.windows, self.sharp_windows = config.windows, config.sharp_windows
        told = len(self.windows) + len(self.sharp_windows)
        self.pyramid = _Pyramid(11 + told, 4 + 2 * told, config.channels, told + 1)

    def forward(self, x: Tensor) -> Tensor:
        """Displacements and their standard deviations.

        Parameters
        ----------
        x : torch.Tensor
            (N, 4, H, W), with sides that are multiples of two to the number of levels: contrast (I - mean) / mean of
            the earlier and of the later image, and planes of the size of a pixel in km and of the time between the
            images in seconds.

        Returns
        -------
        torch.Tensor
            (N, 4, H, W): displacement towards larger columns and larger rows from the first to the second, at the
            middle of the time, and the standard deviations of both, in pixels.
        """
        with torch.no_grad():
            parts, candidates, step = self._told(_GAIN * x[:, :2], x[:, 2:])
        shift, trust, spread = (_finer(part, 2) for part in self.pyramid(parts))
        # What gradients say is trusted as far as the place lets it, and corrected,
        for number, candidate in enumerate(candidates):
            weight = trust[:, number : number + 1]
            shift = shift + (1 + weight if number == 0 else weight) * candidate
        # but not in the mean over a place: what learns from noise finds everything too slow.
        off = blurred(F.avg_pool2d(candidates[0] - shift, _BIN), _PLACE / _BIN, mode="replicate")
        shift = shift + _finer(off, _BIN)
        return torch.cat([shift * step, torch.exp(torch.clamp(spread, _FINEST, _COARSEST)) * step], dim=1)

    def _told(self, images: Tensor, planes: Tensor) -> tuple[Parity, list[Tensor], Tensor]:
        """Even and odd channels, displacements to choose from in units of what 1 km/s moves, and that in pixels."""
        step = planes[:, 1:] / planes[:, :1]
        rough = pyramid_shift(images)
        images, seen = moved(images, rough)
        conditions = torch.log(planes / planes.new_tensor([_PIXEL, _CADENCE])[:, None, None])
        candidates, even, odd = [rough / step], [seen, conditions], []
        for seen_as, windows in ((images, self.windows), (sharp(images), self.sharp_windows)):
            mean, difference = 0.5 * (seen_as[:, :1] + seen_as[:, 1:]), seen_as[:, 1:] - seen_as[:, :1]
            even += [mean, slope(mean, -1), slope(mean, -2)]
            odd.append(difference)
            for window in windows:
                shift, steep = gradient_shift(seen_as, seen, window)
                candidates.append(_limited(shift / step))
                even.append(torch.log(steep))
            even.append(torch.log(blurred(difference.square() * seen, windows[-1]) + FLAT))
        return (torch.cat(even, dim=1), torch.cat([*odd, *candidates], dim=1)), candidates, step


def _limited(speed: Tensor) -> Tensor:
    """Nearly the same up to some km/s, and never more than `_FASTEST`: flat places would tell anything."""
    return speed / (1 + speed.abs() / _FASTEST)


def _finer(part: Tensor, factor: int) -> Tensor:
    return F.interpolate(part, scale_factor=factor, mode="bilinear", align_corners=False)
