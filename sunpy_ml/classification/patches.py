"""Labelled patches: fields cut from real images, with what can be seen in them.

Only labels ship with the package; the images are read from a folder that the user has.
"""

import csv
from collections import Counter
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

__all__ = ["CLASSES", "FEATURES", "Disk", "Patch", "read_gong", "read_sdo"]

Array = npt.NDArray[Any]

CLASSES = ("filaments", "flares", "prominences", "quiet", "sunspots")
FEATURES = ("filaments", "flares", "prominences", "sunspots")

#: Radius of the solar disk in SDO's 512-pixel browse images, and the first row of the burnt-in date.
_SDO_RADIUS = {"aia_304": 205.0, "hmi_ic": 233.0}
_SDO_CENTRE, _SDO_DATE_ROW = 255.5, 484


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
        One of the classes.
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


def _rows(path: Any) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _window(image: Array, x: int, y: int, size: int, disk: Disk) -> tuple[Array, Disk]:
    """Twice the box (left x, top y), black beyond the image, and the disk in its pixels."""
    padded = np.pad(image, size)
    left, top = x - size // 2, y - size // 2
    window = padded[top + size : top + 3 * size, left + size : left + 3 * size]
    return window, Disk(disk.x - left, disk.y - top, disk.radius)


def _present(label: str, unknown: tuple[str, ...] = ()) -> tuple[float, ...]:
    return tuple(np.nan if name in unknown else float(name == label) for name in FEATURES)


def _focus(window: Array, label: str, disk: Disk) -> tuple[float, float] | None:
    """The darkest place on the disk (filament, sunspot) or the brightest beyond the limb, within the field."""
    if label == "quiet":
        return None
    grey = window.astype(float)
    y, x = np.indices(grey.shape)
    distance = disk.distance(x, y)
    size = grey.shape[0] // 2
    field = np.zeros(grey.shape, bool)
    field[size // 2 : size // 2 + size, size // 2 : size // 2 + size] = True
    if label == "prominences":
        smooth, place = ndimage.gaussian_filter(grey, 3), field & (distance > 1.015) & (distance < 1.12)
    else:
        smooth = -ndimage.gaussian_filter(grey, 4 if label == "filaments" else 2)
        place = field & (distance < 0.975)
    if not place.any():
        return None
    row, column = np.unravel_index(np.where(place, smooth, -np.inf).argmax(), grey.shape)
    return float(column), float(row)


def _mend_umbrae(image: Array, disk: Disk) -> Array:
    """The image with the cores of very dark umbrae dark again.

    GONG's JPEGs draw pixels below about grey level 40 on a brighter scale, so that an umbra becomes a white
    core in a thin black rim. Small bright holes in very dark components are such cores.
    """
    y, x = np.indices(image.shape)
    dark = (image < 80) & (disk.distance(x, y) < 0.97)
    labels, n = ndimage.label(ndimage.binary_fill_holes(dark) & ~dark) if dark.any() else (dark, 0)
    if not n:
        return image
    brightest = ndimage.maximum(image, labels, np.arange(n + 1))
    core = (labels > 0) & ((np.bincount(labels.ravel()) < 500) & (brightest > 120))[labels]
    mended = image.copy()
    mended[ndimage.binary_dilation(core)] = 25
    return mended


def read_gong(data: Path) -> list[Patch]:
    """The labelled patches of GONG H-alpha full disks; the images are in ``data/gong_halpha``.

    A patch with an umbra that the JPEG has turned white comes with its mended twin, whose ``source`` is
    ``"gong-mended"``.
    """
    labels = resources.files("sunpy_ml.classification") / "labels"
    frames = {row["frame"]: row for row in _rows(labels / "gong_halpha_frames.csv")}
    images: dict[str, Array] = {}
    patches = []
    for row in _rows(labels / "gong_halpha_patches.csv"):
        frame = frames[row["frame"]]
        if row["frame"] not in images:
            with Image.open(data / "gong_halpha" / row["frame"]) as file:
                images[row["frame"]] = np.array(file.convert("L"))
        full_disk = Disk(float(frame["cx"]), float(frame["cy"]), float(frame["radius_px"]))
        window, disk = _window(images[row["frame"]], int(row["x"]), int(row["y"]), int(row["size"]), full_disk)
        mended = _mend_umbrae(window, disk)
        patch = Patch(
            window,
            row["label"],
            tuple(float(row[name]) for name in FEATURES),
            "gong",
            row["frame"],
            frame["date"],
            disk,
            _focus(mended, row["label"], disk),
            int(row["confidence"]),
        )
        patches.append(patch)
        if not np.array_equal(mended, window):
            patches.append(replace(patch, window=mended, source="gong-mended"))
    return patches


def _sdo_grey(path: Path) -> Array:
    """A browse image in grey: the mean of the colours (both colour tables rise with it), its date blackened."""
    with Image.open(path) as file:
        grey = np.array(file.convert("RGB")).mean(axis=2)
    grey[_SDO_DATE_ROW:] = 0
    return grey.astype(np.uint8)


def _contrast(image: Array, disk: Disk) -> Array:
    """The image over its median at the same distance from the centre of the disk."""
    y, x = np.indices(image.shape)
    ring = np.minimum((disk.distance(x, y) * 100).astype(int), 139)
    level = ndimage.median(image, ring, np.arange(140))
    return image / np.maximum(level, 4.0)[ring]


def _looks_quiet(contrast: Array, distance: Array, channel: str) -> bool:
    """No spot in the continuum; no bright structure on or beyond the limb, nor active region, in 304 A."""
    if channel == "hmi_ic":
        return bool(contrast[distance < 0.985].min(initial=1.0) > 0.85)
    beyond, inside = contrast[(distance > 1.03) & (distance < 1.2)], contrast[distance < 0.97]
    return np.count_nonzero(beyond > 1.6) < 12 and np.count_nonzero(inside > 1.7) < 40


def _quiet_boxes(
    channel: str, contrast: Array, disk: Disk, boxes: list[tuple[float, ...]], rng: np.random.Generator
) -> list[tuple[int, int, int]]:
    """Up to four quiet fields of one image, two at the limb and two on the disk, away from every box."""
    y, x = np.indices(contrast.shape)
    distance = disk.distance(x, y)
    found: list[tuple[int, int, int]] = []
    kinds: Counter[bool] = Counter()
    for _ in range(30):
        size = 2 * int(rng.integers(22, 50))
        angle, at_limb = rng.uniform(0, 2 * np.pi), bool(rng.random() < 0.5)
        away = disk.radius * (rng.uniform(0.9, 1.1) if at_limb else rng.uniform(0, 0.6))
        column, row = disk.x + away * np.cos(angle), disk.y + away * np.sin(angle)
        near = any(max(abs(column - bx), abs(row - by)) < size / 2 + reach for bx, by, reach in boxes)
        left, top = round(column) - size // 2, round(row) - size // 2
        box = np.s_[top : top + size, left : left + size]
        inside = min(left, top) >= 0 and left + size <= 512 and top + size <= _SDO_DATE_ROW
        if near or not inside or kinds[at_limb] == 2:
            continue
        if _looks_quiet(contrast[box], distance[box], channel):
            kinds[at_limb] += 1
            found.append((left, top, size))
    return found


def read_sdo(data: Path, seed: int = 0) -> list[Patch]:
    """Prominences in AIA 304 A and sunspots in HMI intensity, and quiet fields of both.

    The images and the table of boxes are in ``data/sdo_browse``. The quiet fields lie away from every box and
    are drawn with ``seed``, on the disk and at the limb of both channels: were they of one channel only, the
    channel would tell the class.
    """
    rng = np.random.default_rng(seed)
    boxes: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for row in _rows(data / "sdo_browse" / "boxes.csv"):
        x, y, width, height = (float(row[f"{name}_px"]) for name in ("x_centre", "y_centre", "width", "height"))
        boxes.setdefault((row["channel"], row["image"]), []).append((x, y, max(width, height)))
    patches = []
    for (channel, name), image_boxes in sorted(boxes.items()):
        image = _sdo_grey(data / "sdo_browse" / channel / name)
        full_disk = Disk(_SDO_CENTRE, _SDO_CENTRE, _SDO_RADIUS[channel])
        feature = "prominences" if channel == "aia_304" else "sunspots"
        date = f"{name[:4]}-{name[4:6]}-{name[6:8]}"
        fields = []
        for x, y, extent in image_boxes:
            size = 2 * int(np.clip(extent * rng.uniform(0.6, 1.2), 20, 60))
            fields.append((feature, round(x) - size // 2, round(y) - size // 2, size))
        reach = [(x, y, extent / 2) for x, y, extent in image_boxes]
        quiet = _quiet_boxes(channel, _contrast(image, full_disk), full_disk, reach, rng)
        fields += [("quiet", *box) for box in quiet]
        for label, left, top, size in fields:
            window, disk = _window(image, left, top, size, full_disk)
            unknown = ("filaments",) if channel == "aia_304" else ()
            focus = None if label == "quiet" else (float(size), float(size))
            patches.append(Patch(window, label, _present(label, unknown), channel, name, date, disk, focus, 2))
    return patches
