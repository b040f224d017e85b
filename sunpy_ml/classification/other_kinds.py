"""Real images of other kinds, of which no training saw any: the test of whether a classifier knows what it does not.

Photographs come with scikit-image, extreme-ultraviolet images with SunPy's test data, magnetograms from the data
folder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import skimage
from astropy.io import fits
from PIL import Image
from sunpy.data.test import rootdir

from sunpy_ml.classification.material import held_out_magnetograms

__all__ = ["read_other_kinds"]

Array = npt.NDArray[Any]

_PHOTOGRAPHS = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png", "coffee.png"),
    *("coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png"),
    *("motorcycle_right.png", "page.png", "retina.jpg", "rocket.jpg", "text.png"),
)
_LEAST_LEVELS = 60
_AIA_171, _AIA_193 = "aia_171_level1.fits", "2013_06_24__17_31_30_84__SDO_AIA_AIA_193.jp2"
_EUI_174 = "2022_04_01__00_00_45__SOLO-EUI-FSI_EUI_FSI_174.jp2"


def read_other_kinds(data: Path, seed: int = 0) -> dict[str, list[Array]]:
    """Fields by kind, drawn with ``seed``."""
    rng = np.random.default_rng(seed)
    solar = Path(rootdir)
    photographs = [_grey(Path(skimage.__file__).parent / "data" / name) for name in _PHOTOGRAPHS]
    gst = [_field(path) for path in sorted((data / "high_resolution").glob("gst_niris*.fits"))]
    return {
        "photographs": _crops(photographs, 100, (200, 2000), rng),
        "AIA 171": _crops([np.log(_field(solar / _AIA_171).clip(1))], 60, (24, 50), rng),
        "AIA 193": _crops([_grey(solar / _AIA_193)], 60, (60, 140), rng),
        "EUI 174": _crops([_grey(solar / _EUI_174)], 60, (120, 600), rng),
        "magnetograms, GST/NIRIS": _crops(gst, 60, (150, 700), rng),
        "magnetograms, HMI SHARP": _crops([_field(path) for path in held_out_magnetograms(data)], 60, (50, 300), rng),
        "noise": [_noise(slope, rng) for slope in np.repeat([0.0, 0.5, 1.0, 1.5], 15)],
    }


def _grey(path: Path) -> Array:
    with Image.open(path) as file:
        return np.array(file.convert("L"), np.float32)


def _field(path: Path) -> Array:
    return np.nan_to_num(np.squeeze(np.asarray(fits.getdata(path), np.float32)))


def _crops(images: Sequence[Array], n: int, sides: tuple[int, int], rng: np.random.Generator) -> list[Array]:
    """``n`` square fields, from each image as many, of sides that are uniform in the logarithm."""
    fields: list[Array] = []
    while len(fields) < n:
        image = images[len(fields) % len(images)]
        low, high = min(sides[0], *image.shape), min(sides[1], *image.shape)
        side = round(np.exp(rng.uniform(np.log(low), np.log(high))))
        row, column = (int(rng.integers(length - side + 1)) for length in image.shape)
        field = image[row : row + side, column : column + side]
        # Empty sky shows as few grey levels, and has nothing to be told from.
        if len(np.unique(field)) > _LEAST_LEVELS and np.ptp(np.percentile(field, [5, 95])):
            fields.append(field)
    return fields


def _noise(slope: float, rng: np.random.Generator, side: int = 256) -> Array:
    frequency = np.hypot(np.fft.fftfreq(side)[:, np.newaxis], np.fft.rfftfreq(side))
    frequency[0, 0] = np.inf if slope else 1.0
    waves = np.fft.rfft2(rng.standard_normal((side, side))) * frequency**-slope
    return np.fft.irfft2(waves, (side, side)).astype(np.float32)
