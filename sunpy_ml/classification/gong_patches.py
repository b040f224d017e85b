"""The labelled fields of GONG's H-alpha full disks."""

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from sunpy_ml.classification.patches import FEATURES, Disk, Patch, cut_window, read_rows

__all__ = ["read_gong"]

Array = npt.NDArray[Any]


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


#: The tables of labels, and the ``source`` of their patches.
_GONG_LABELS = {"gong": "gong_halpha_patches.csv", "gong-grid": "gong_halpha_grid.csv"}


def read_gong(data: Path) -> list[Patch]:
    """The labelled patches of GONG H-alpha full disks; the images are in ``data/gong_halpha``.

    Those of ``source`` ``"gong"`` were chosen for a feature, which is about their middle, or for showing none; those
    of ``"gong-grid"`` lie where a grid over the disk, or along the limb, put them. A patch with an umbra that the JPEG
    has turned white comes with its mended twin, whose ``source`` ends in ``"-mended"``.
    """
    labels = resources.files("sunpy_ml.classification") / "labels"
    frames = {row["frame"]: row for row in read_rows(labels / "gong_halpha_frames.csv")}
    images: dict[str, Array] = {}
    patches = []
    for source, table in _GONG_LABELS.items():
        for row in read_rows(labels / table):
            if row["frame"] not in images:
                with Image.open(data / "gong_halpha" / row["frame"]) as file:
                    images[row["frame"]] = np.array(file.convert("L"))
            patches += _gong_patch(row, frames[row["frame"]], images[row["frame"]], source)
    return patches


def _gong_patch(row: dict[str, str], frame: dict[str, str], image: Array, source: str) -> list[Patch]:
    """A patch, and its twin where there is something to mend."""
    full_disk = Disk(float(frame["cx"]), float(frame["cy"]), float(frame["radius_px"]))
    window, disk = cut_window(image, int(row["x"]), int(row["y"]), int(row["size"]), full_disk)
    mended = _mend_umbrae(window, disk)
    patch = Patch(
        window,
        row["label"],
        tuple(float(row[name]) for name in FEATURES),
        source,
        row["frame"],
        frame["date"],
        disk,
        _focus(mended, row["label"], disk),
        int(row["confidence"]),
    )
    patch = replace(patch, hard=patch.label == "quiet" and (patch.at_limb or bool(row.get("kind"))))
    if np.array_equal(mended, window):
        return [patch]
    return [patch, replace(patch, window=mended, source=f"{source}-mended")]
