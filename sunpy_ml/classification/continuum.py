"""Sunspots and granulation in the visible continuum at high resolution, where a spot may fill the field.

GONG's spots are a few pixels across; these teach what a spot looks like from near by.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from scipy import ndimage

from sunpy_ml.classification.patches import FEATURES, Patch

__all__ = ["read_continuum"]

Array = npt.NDArray[Any]

#: Smoothed intensity, relative to the median, below which a pixel belongs to a spot, and above which it is quiet.
_SPOT, _QUIET = 0.7, 0.85
#: Grey level of the quiet Sun, about as in the other images.
_LEVEL = 160
_FIELDS = 30


def _images(data: Path) -> dict[str, Array]:
    paths = sorted((data / "hmi_sharp").glob("*.continuum.fits"))
    images = {path.name: fits.getdata(path) for path in paths}
    images["ar_continuum.fits"] = fits.getdata(data / "hmi_cutouts" / "ar_continuum.fits")
    images["hmi_sunspot_cube.fits"] = fits.getdata(data / "time_series" / "hmi_sunspot_cube.fits")[0]
    images["mhd_continuum_48km.npy"] = np.load(data / "high_resolution" / "mhd_continuum_48km.npy")
    return {name: np.asarray(image, np.float32) / np.float32(np.median(image)) for name, image in images.items()}


def read_continuum(data: Path, seed: int = 0) -> list[Patch]:
    """Fields with and without a spot, by the darkness of the smoothed continuum, drawn with ``seed``.

    From the SHARP continuum images and HMI cut-outs in ``data/hmi_sharp``, ``hmi_cutouts`` and ``time_series``;
    granulation also from the simulation in ``high_resolution``. Fields are 60 to 300 pixels of 0.5 arcsec.
    """
    rng = np.random.default_rng(seed)
    patches = []
    for name, image in _images(data).items():
        grain = 5 if name.startswith("mhd") else 2
        smooth = ndimage.gaussian_filter(image, grain)
        spots = np.argwhere(smooth < _SPOT)
        for _ in range(_FIELDS):
            if len(spots):
                row, column = spots[rng.integers(len(spots))]
                patches.append(_field(name, image, float(column), float(row), "sunspots", rng))
            row, column = (rng.uniform(0.2, 0.8) * n for n in image.shape)
            quiet = _field(name, image, column, row, "quiet", rng)
            if ndimage.gaussian_filter(quiet.field(), grain).min() > _QUIET * _LEVEL:
                patches.append(quiet)
    return patches


def _field(name: str, image: Array, x: float, y: float, label: str, rng: np.random.Generator) -> Patch:
    """A field with (x, y) within its inner part; mirrored where it reaches beyond the image."""
    largest = min(300, *image.shape)
    half = round(float(np.exp(rng.uniform(np.log(30), np.log(largest / 2)))))
    left, top = (round(place + rng.uniform(-0.6, 0.6) * half) - 2 * half for place in (x, y))
    window = np.pad(image, 4 * half, mode="symmetric")[
        top + 4 * half : top + 8 * half, left + 4 * half : left + 8 * half
    ]
    present = tuple(float(feature == label) for feature in FEATURES)
    return Patch(window * np.float32(_LEVEL), label, present, "continuum", name, "")
