"""The peak of a score between the displacements that were tried. This module knows tensors only."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Peak", "highest_peak"]


class Peak(NamedTuple):
    """Where a score is highest.

    Attributes
    ----------
    displacement : torch.Tensor
        (2, H, W), columns, then rows, in pixels.
    score : torch.Tensor
        (H, W), the highest of those that were tried.
    at_limit : torch.Tensor
        (H, W), True where the highest is the outermost, so that a higher one may lie beyond.
    usable : torch.Tensor
        (H, W), True where the displacement can be used.
    """

    displacement: Tensor
    score: Tensor
    at_limit: Tensor
    usable: Tensor

    @classmethod
    def empty(cls, like: Tensor) -> "Peak":
        """To be filled; ``like`` is an image (H, W)."""
        flags = [torch.zeros_like(like, dtype=torch.bool) for _ in range(2)]
        return cls(torch.zeros(2, *like.shape, device=like.device), torch.zeros_like(like), *flags)


def highest_peak(rows: Iterable[Tensor], fine: int = 1) -> Peak:
    """Find the highest peak of a score, and fit a quadratic function of two variables to it and its eight neighbours.

    Parameters
    ----------
    rows : iterable of torch.Tensor
        Scores (2 K + 1, H, W) of the displacements along the columns, in turn for each displacement along the rows,
        of which there is an odd number. Only three of them are held at a time.
    fine : int
        Displacements that are tried per pixel.

    Returns
    -------
    Peak
    """
    held: list[Tensor] = []
    best: Tensor | None = None
    for number, row in enumerate(rows):
        outermost = torch.maximum(row[0], row[-1])
        if best is None:
            best, limit = torch.full_like(row[0], -torch.inf), row.amax(dim=0)
            column, line = (torch.zeros_like(best, dtype=torch.long) for _ in range(2))
            around = row.new_zeros(9, *best.shape)
        limit = torch.maximum(limit, outermost)
        held = [*held, row][-3:]
        if len(held) == 3:
            score, place = held[1][1:-1].max(dim=0)
            higher = score > best
            best, column = torch.where(higher, score, best), torch.where(higher, place + 1, column)
            line = torch.where(higher, number - 1, line)
            near = torch.cat([one.gather(0, torch.stack([place, place + 1, place + 2])) for one in held])
            around = torch.where(higher, near, around)
    if best is None or number < 2:
        raise ValueError("rows: expected at least three rows of scores")
    limit = torch.maximum(limit, row.amax(dim=0))
    offset, peaked = _vertex(around)
    whole = torch.stack([column - (row.shape[0] - 1) // 2, line - number // 2])
    return Peak((whole + offset) / fine, torch.maximum(best, limit), limit > best, peaked & (best > limit))


def _vertex(around: Tensor) -> tuple[Tensor, Tensor]:
    """Where the quadratic function through nine values (9, H, W) is highest, and where it has such a place nearby."""
    grid = around.unflatten(0, (3, 3))
    along, up = 0.5 * (grid[1, 2] - grid[1, 0]), 0.5 * (grid[2, 1] - grid[0, 1])
    bend_along = grid[1, 2] + grid[1, 0] - 2 * grid[1, 1]
    bend_up = grid[2, 1] + grid[0, 1] - 2 * grid[1, 1]
    twist = 0.25 * (grid[2, 2] + grid[0, 0] - grid[2, 0] - grid[0, 2])
    determinant = bend_along * bend_up - twist**2
    peaked = (determinant > 0) & (bend_along < 0)
    safe = torch.where(peaked, determinant, 1.0)
    offset = torch.stack([twist * up - bend_up * along, twist * along - bend_along * up]) / safe
    # A ridge without an end has its vertex far from the nine values that it was fitted to.
    peaked &= (offset.abs() <= 1).all(dim=0)
    return torch.where(peaked, offset, 0.0), peaked
