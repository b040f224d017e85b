"""Local correlation of images that are shifted against each other, half each way. This module knows tensors only."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from sunpy_ml.flows.peak import Peak, highest_peak

__all__ = ["Window", "half_shifted", "track"]

Method = Literal["correlation", "difference"]

# Of the window, in standard deviations: what is beyond weighs 3e-4 of the centre.
_REACH = 4.0
# Bytes that the maps of one tile may take.
_BUDGET = 512 * 2**20
# Maps of a tile that are held besides the frames and three rows of scores.
_COPIES = 40
# Part of the window that has to be seen: less than the quarter that a pixel in a corner of the image sees.
_LEAST_SEEN = 0.1
# Variances below this part of that of all frames are rounding.
_FLAT = 1e-8


@dataclass(frozen=True)
class Window:
    """What is correlated: standard deviations of the window and farthest displacements, in pixels.

    Attributes
    ----------
    sigma : tuple of float
        Along columns, then rows.
    farthest : tuple of float
        Displacements that are searched, along columns, then rows.
    fine : int
        Number of displacements that are tried per pixel.
    """

    sigma: tuple[float, float]
    farthest: tuple[float, float]
    fine: int = 1

    @property
    def reach(self) -> tuple[int, int]:
        """How far the window reaches, in pixels."""
        return math.ceil(_REACH * self.sigma[0]), math.ceil(_REACH * self.sigma[1])

    @property
    def tries(self) -> tuple[int, int]:
        """Displacements on either side of zero; the outermost only tell that a maximum lies beyond."""
        return math.ceil(self.fine * self.farthest[0]) + 1, math.ceil(self.fine * self.farthest[1]) + 1


class _Tile(NamedTuple):
    rows: slice
    columns: slice


def track(frames: Tensor, valid: Tensor | None, window: Window, method: Method = "correlation") -> Peak:
    """Find the mean displacement from frame to frame.

    The covariances of all pairs of successive frames are summed before the peak is looked for.

    Parameters
    ----------
    frames : torch.Tensor
        (T, H, W), finite, float32, on any device.
    valid : torch.Tensor or None
        (T, H, W), False where nothing is known.
    window : Window
        Its Gaussian and how far to look.
    method : {"correlation", "difference"}
        The largest normalised covariance, or the smallest mean square difference.

    Returns
    -------
    Peak
        Displacements (2, H, W) in pixels, columns first, and which of them can be used.
    """
    frames = frames - frames.mean()
    frames = frames / frames.std().clamp(min=torch.finfo(frames.dtype).tiny)
    phases = half_shifted(frames, 2 * window.fine)
    seen = _always_seen(frames if valid is None else valid, valid is None, window)
    result = Peak.empty(frames[0])
    for tile in _tiles(frames.shape, window):
        part = _Part(phases, seen, tile, window)
        found = highest_peak(part.rows(method), window.fine)
        enough = part.share >= _LEAST_SEEN
        found = found._replace(usable=found.usable & enough, at_limit=found.at_limit & enough)
        for whole, piece in zip(result, found, strict=True):
            whole[..., tile.rows, tile.columns] = piece
    return result


def half_shifted(frames: Tensor, phases: int) -> Tensor:
    """The images between their pixels, by their Fourier series.

    Parameters
    ----------
    frames : torch.Tensor
        (T, H, W); mirrored at their edges.
    phases : int
        Number of places per pixel.

    Returns
    -------
    torch.Tensor
        (phases, phases, T, H, W): what lies ``i / phases`` rows and ``j / phases`` columns before each pixel.
    """
    rows, columns = frames.shape[-2:]
    result = frames.new_empty(phases, phases, *frames.shape)
    up, along = (2 * math.pi * torch.fft.fftfreq(2 * length, device=frames.device) for length in (rows, columns))
    along = along[: columns + 1].abs()
    for index, frame in enumerate(frames):
        # One after another, since a mirrored image is four times as large.
        period = torch.cat([frame, frame.flip(-1)], dim=-1)
        spectrum = torch.fft.rfft2(torch.cat([period, period.flip(-2)], dim=-2))
        for i in range(phases):
            for j in range(phases):
                turn = torch.exp(-1j * (i * up[:, None] + j * along[None, :]) / phases)
                moved = torch.fft.irfft2(spectrum * turn, s=(2 * rows, 2 * columns))[:rows, :columns]
                result[i, j, index] = moved if i or j else frame
    return result


def _always_seen(maps: Tensor, everywhere: bool, window: Window) -> Tensor:
    """Where all frames are valid however they are shifted, (H, W) as numbers.

    With the same pixels for all displacements, none of them is preferred because it sees more.
    """
    seen = torch.ones_like(maps[0], dtype=torch.bool) if everywhere else maps.all(dim=0)
    across, up = (_margin(tries, 2 * window.fine) for tries in window.tries)
    beside = torch.nn.functional.pad((~seen).float()[None], (across, across, up, up), value=1.0)
    return 1 - torch.nn.functional.max_pool2d(beside, (2 * up + 1, 2 * across + 1), stride=1)[0]


def _margin(tries: int, places: int) -> int:
    """By how many pixels images are shifted at most."""
    return -(-tries // places) + 1


def _tiles(shape: torch.Size, window: Window) -> list[_Tile]:
    """Cut an image such that the maps of a tile, with the reach of its window, stay within the budget."""
    count, rows, columns = shape
    maps = (count + 2) * (2 * window.fine) ** 2 + 4 * (2 * window.tries[0] + 1) + _COPIES
    side = math.sqrt(_BUDGET / (4 * maps))
    height, width = (max(32, int(side) - 2 * reach) for reach in window.reach[::-1])
    return [
        _Tile(slice(row, min(row + height, rows)), slice(column, min(column + width, columns)))
        for row in range(0, rows, height)
        for column in range(0, columns, width)
    ]


class _Part:
    """The scores on one tile."""

    def __init__(self, phases: Tensor, seen: Tensor, tile: _Tile, window: Window) -> None:
        self.window, self.places = window, phases.shape[0]
        self.margin = tuple(_margin(tries, self.places) for tries in window.tries)
        self.images = _cut(phases, tile, (self.margin[0] + window.reach[0], self.margin[1] + window.reach[1]))
        self.seen = _cut(seen, tile, window.reach)
        self.share = self._averaged(self.seen)

    def rows(self, method: Method) -> Iterator[Tensor]:
        """Scores (2 K + 1, h, w) of all displacements along the columns, from row to row of displacements."""
        across, up = self.window.tries
        score = self._correlation if method == "correlation" else self._difference
        for row in range(-up, up + 1):
            pairs = [
                (self._at((row, column))[:-1], self._at((-row, -column))[1:]) for column in range(-across, across + 1)
            ]
            yield torch.stack([score(*pair) for pair in pairs])

    def _correlation(self, earlier: Tensor, later: Tensor) -> Tensor:
        """The covariance over the windows of all pairs together, normalised."""
        count = len(earlier)
        sums = [torch.einsum("tyx,tyx->yx", *pair) for pair in ((earlier, later), (earlier, earlier), (later, later))]
        moments = torch.stack([*sums, earlier.sum(dim=0), later.sum(dim=0)])
        both, first, second, mean_first, mean_second = self._averaged(self.seen * moments) / count
        share = self.share.clamp(min=_LEAST_SEEN)
        covariance = both - mean_first * mean_second / share
        variances = [first - mean_first**2 / share, second - mean_second**2 / share]
        return covariance / torch.stack(variances).clamp(min=_FLAT).sqrt().prod(dim=0)

    def _difference(self, earlier: Tensor, later: Tensor) -> Tensor:
        """The negative mean square difference."""
        square = (earlier - later).square().mean(dim=0)
        return -self._averaged(self.seen * square) / self.share.clamp(min=_LEAST_SEEN)

    def _at(self, shift: tuple[int, int]) -> Tensor:
        """The images, moved by half of a displacement, on the tile and as far around it as the window reaches."""
        (row, phase_row), (column, phase_column) = (divmod(step, self.places) for step in shift)
        height, width = self.seen.shape
        top, left = self.margin[1] - row, self.margin[0] - column
        return self.images[phase_row, phase_column][:, top : top + height, left : left + width]

    def _averaged(self, maps: Tensor) -> Tensor:
        across, up = self.window.reach
        return _smooth(maps, self.window)[..., up : maps.shape[-2] - up, across : maps.shape[-1] - across]


def _smooth(maps: Tensor, window: Window) -> Tensor:
    """Average over the window; within its reach from the edges, what is beyond the other edge counts, too."""
    # Lengths with small factors only, which are quickly transformed.
    rows, columns = (next_fast_len(length, real=True) for length in maps.shape[-2:])
    spectrum = torch.fft.rfft2(maps, s=(rows, columns))
    spectrum *= torch.fft.fft(_kernel(window.sigma[1], window.reach[1], rows, maps))[:, None]
    spectrum *= torch.fft.rfft(_kernel(window.sigma[0], window.reach[0], columns, maps))
    return torch.fft.irfft2(spectrum, s=(rows, columns))[..., : maps.shape[-2], : maps.shape[-1]]


def _kernel(sigma: float, reach: int, length: int, like: Tensor) -> Tensor:
    distance = torch.arange(length, device=like.device)
    distance = torch.minimum(distance, length - distance)
    weight = torch.exp(-0.5 * (distance / sigma) ** 2) * (distance <= reach)
    return (weight / weight.sum()).to(like)


def _cut(maps: Tensor, tile: _Tile, around: tuple[int, int]) -> Tensor:
    """A tile with pixels around it; zero beyond the edges of the image."""
    height, width = maps.shape[-2:]
    top, bottom = tile.rows.start - around[1], tile.rows.stop + around[1]
    left, right = tile.columns.start - around[0], tile.columns.stop + around[0]
    inner = maps[..., max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    padding = max(-left, 0), max(right - width, 0), max(-top, 0), max(bottom - height, 0)
    return torch.nn.functional.pad(inner, padding)
