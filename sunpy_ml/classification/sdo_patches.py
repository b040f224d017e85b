"""Fields of SDO's browse images: prominences in AIA 304 A, sunspots in HMI intensity, and quiet ones of both."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from sunpy_ml.classification.patches import FEATURES, Disk, Patch, cut_window, read_rows

__all__ = ["read_sdo", "read_whole_disks"]

Array = npt.NDArray[Any]

#: Radius of the solar disk in SDO's 512-pixel browse images, and the first row of the burnt-in date.
_SDO_RADIUS = {"aia_304": 205.0, "hmi_ic": 233.0}
_SDO_CENTRE, _SDO_DATE_ROW = 255.5, 484


def _present(label: str, unknown: tuple[str, ...] = ()) -> tuple[float, ...]:
    return tuple(np.nan if name in unknown else float(name == label) for name in FEATURES)


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
    active = np.count_nonzero(contrast[distance < 0.97] > 1.7) >= 40
    return not active and not _stands_out(contrast, distance)


def _stands_out(contrast: Array, distance: Array) -> bool:
    """Whether there is a bright structure beyond the limb in 304 A."""
    return np.count_nonzero(contrast[(distance > 1.03) & (distance < 1.2)] > 1.6) >= 12


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

    The images and the table of boxes are in ``data/sdo_browse``. A prominence that does not stand out is of confidence
    1. The quiet fields lie away from every box and
    are drawn with ``seed``, on the disk and at the limb of both channels: were they of one channel only, the
    channel would tell the class.
    """
    rng = np.random.default_rng(seed)
    boxes: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for row in read_rows(data / "sdo_browse" / "boxes.csv"):
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
        contrast = _contrast(image, full_disk)
        quiet = _quiet_boxes(channel, contrast, full_disk, reach, rng)
        fields += [("quiet", *box) for box in quiet]
        distance = full_disk.distance(*np.indices(image.shape)[::-1])
        for label, left, top, size in fields:
            window, disk = cut_window(image, left, top, size, full_disk)
            unknown = ("filaments",) if channel == "aia_304" else ()
            focus = None if label == "quiet" else (float(size), float(size))
            box = np.s_[max(top, 0) : top + size, max(left, 0) : left + size]
            clear = label != "prominences" or _stands_out(contrast[box], distance[box])
            patches.append(
                Patch(window, label, _present(label, unknown), channel, name, date, disk, focus, 2 if clear else 1)
            )
    return patches


def read_whole_disks(data: Path, each: int, side: int = 192) -> Iterator[tuple[Array, str, str]]:
    """The whole Sun on ``side`` pixels, its image's name and date, of every ``each``-th image of each instrument."""
    for folder, pattern in (("gong_halpha", "*.jpeg"), ("sdo_browse/aia_304", "*"), ("sdo_browse/hmi_ic", "*")):
        for path in sorted((data / folder).glob(pattern))[::each]:
            image = Image.open(path) if folder == "gong_halpha" else Image.fromarray(_sdo_grey(path))
            day = path.name
            grey = np.array(image.convert("L").resize((side, side), Image.Resampling.BOX))
            yield grey, path.name, f"{day[:4]}-{day[4:6]}-{day[6:8]}"
