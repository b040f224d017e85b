"""Labelled patches: fields cut from real images, with what can be seen in them.

Only labels ship with the package; the images are read from a folder that the user has.
"""

import csv
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CLASSES", "FEATURES", "UNFAMILIAR", "Disk", "Patch", "cut_window", "read_rows"]

Array = npt.NDArray[Any]

CLASSES = ("filaments", "flares", "prominences", "quiet", "sunspots")
FEATURES = ("filaments", "flares", "prominences", "sunspots")
#: The label of images of other kinds, which are of no class.
UNFAMILIAR = "unfamiliar"


@dataclass(frozen=True)
class Disk:
    """The solar disk in pixels of an array: column and row of its centre, and its radius."""

    x: float
    y: float
    radius: float

    def distance(self, x: Array, y: Array) -> Array:
        """Distance from the centre of the disk in units of its radius."""
        return np.hypot(x - self.x, y - self.y) / self.radius


@dataclass(frozen=True)
class Patch:
    """A labelled field, with as much of its surroundings as augmentation may show.

    Attributes
    ----------
    window : numpy.ndarray
        Square array; the labelled field is its central half in each direction.
    label : str
        One of the classes, or `UNFAMILIAR`.
    present : tuple of float
        For each feature 1 (seen), 0 (not seen) or NaN (not known).
    source, name, date : str
        Kind of data, image, and ISO date.
    disk : Disk, optional
        Where the solar disk lies in ``window``.
    focus : tuple of float, optional
        Column and row in ``window`` of the labelled feature, where it is known to a few pixels.
    confidence : int
        3 (certain) to 1 (doubtful).
    hard : bool
        Whether a quiet field shows what is easily taken for a feature: plage, dark clouds or a bare limb.
    """

    window: Array
    label: str
    present: tuple[float, ...]
    source: str
    name: str
    date: str
    disk: Disk | None = None
    focus: tuple[float, float] | None = None
    confidence: int = 3
    hard: bool = False

    @property
    def size(self) -> int:
        """Pixels along a side of the labelled field."""
        return self.window.shape[0] // 2

    @property
    def at_limb(self) -> bool:
        """Whether the labelled field reaches beyond the solar disk."""
        if self.disk is None:
            return False
        edges = np.array([self.size // 2, self.size // 2 + self.size])
        x, y = np.meshgrid(edges, edges)
        return bool(self.disk.distance(x, y).max() > 1)

    def field(self, factor: float = 1.0) -> Array:
        """The labelled field, or one ``factor`` times as large about the same centre (2 at most)."""
        half = round(self.size * factor / 2)
        return self.window[self.size - half : self.size + half, self.size - half : self.size + half]


def read_rows(path: Any) -> list[dict[str, str]]:
    """The rows of a CSV file by the names of its columns."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cut_window(image: Array, x: int, y: int, size: int, disk: Disk) -> tuple[Array, Disk]:
    """Twice the box (left x, top y), black beyond the image, and the disk in its pixels."""
    padded = np.pad(image, size)
    left, top = x - size // 2, y - size // 2
    window = padded[top + size : top + 3 * size, left + size : left + 3 * size]
    return window, Disk(disk.x - left, disk.y - top, disk.radius)
