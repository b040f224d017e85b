"""Tiles as data: which window of an image to read, and which part of the answer to keep."""

from dataclasses import dataclass

__all__ = ["Tile", "plan_tiles"]

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """One tile of an image, in its pixels.

    Attributes
    ----------
    read : tuple of slice
        The window that the network reads: the kept part and its halo, cut at the edges of the image.
    keep : tuple of slice
        The part of the image that this tile answers for; those of all tiles cover the image once.
    inner : tuple of slice
        ``keep`` within ``read``.
    """

    read: Window
    keep: Window
    inner: Window


def plan_tiles(shape: tuple[int, int], tile: int, halo: int, multiple: int = 1) -> list[Tile]:
    """Cover an image with tiles.

    A window never reaches over a true edge of the image, so that the network pads there and nowhere else. With
    a halo of at least its receptive radius, the tiled answer is the untiled one.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.
    tile : int
        Rows and columns that one tile answers for; rounded up to ``multiple``.
    halo : int
        Further pixels that it reads on each side; rounded up to ``multiple``.
    multiple : int
        Windows begin at multiples of this (the network's total stride).

    Returns
    -------
    list of Tile
        Row by row.

    Raises
    ------
    ValueError
        If a size is not positive or the halo is negative.

    Examples
    --------
    >>> from sunpy_ml.inference import plan_tiles
    >>> [tile.read[1] for tile in plan_tiles((4, 10), tile=5, halo=2)]
    [slice(0, 7, None), slice(3, 10, None)]
    """
    if min(*shape, tile, multiple) < 1 or halo < 0:
        raise ValueError(
            f"shape, tile and multiple must be at least 1 and halo at least 0, "
            f"got {shape}, {tile}, {multiple} and {halo}."
        )
    tile, halo = (-(-size // multiple) * multiple for size in (tile, halo))
    rows, columns = (_cut(length, tile, halo) for length in shape)
    return [
        Tile(read=(row[0], column[0]), keep=(row[1], column[1]), inner=(row[2], column[2]))
        for row in rows
        for column in columns
    ]


def _cut(length: int, tile: int, halo: int) -> list[tuple[slice, slice, slice]]:
    cuts = []
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        first, last = max(0, start - halo), min(length, stop + halo)
        cuts.append((slice(first, last), slice(start, stop), slice(start - first, stop - first)))
    return cuts
