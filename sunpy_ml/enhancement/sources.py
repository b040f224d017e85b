"""Finely resolved images that training pairs are made of, and which part of each is kept for the test.

What is trained on and what is tested on differ by solar region or, within one simulation or one region, by place; see
`continuum_sources` and `magnetogram_sources`. Nothing here is divided at random.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import torch
from astropy.io import fits
from scipy.ndimage import find_objects, label

from sunpy_ml.observations import quiet_sun_level
from sunpy_ml.optics import GST_NIRIS, HINODE_SOT, HMI, SUNRISE_IMAX, Camera, Telescope
from sunpy_ml.simulation.photosphere import photosphere_scene

__all__ = ["QUIET_CONTRAST", "SOURCE_FLOOR", "Source", "continuum_sources", "magnetogram_sources", "quiet_contrast"]

Array = npt.NDArray[Any]

#: Contrast of the quiet Sun as HMI sees it: the range over the real images that were measured.
QUIET_CONTRAST = (0.037, 0.042)
#: A frequency of which the source's own telescope leaves less is lost.
SOURCE_FLOOR = 0.05
_MHD_STEP = 48 / 725  # km per pixel, over km per arcsec at disk centre
# Pixels of a SHARP count as this many arcsec, a quarter of what they are: its blur is then finer than 28 cm resolve.
_TEMPLATE_STEP = 0.126
#: Of six regions, those that no network is trained on.
TEST_REGIONS = ("14159", "14221")


@dataclass(frozen=True)
class Source:
    """An image finer than what a 28 cm telescope resolves.

    Attributes
    ----------
    name : str
        What it shows, and where it is from.
    group : str
        Sources of a group share their weight in the training, and are scored together.
    image : numpy.ndarray
        Intensity over that of the quiet Sun, or kilogauss.
    step : float
        Arcsec per pixel.
    telescope : Telescope or None
        That took it; None where it is a simulation, or a template whose blur does not matter.
    granulation : bool
        Whether it is an image of real or computed granules, of which the contrast can be set.
    integrated : bool
        Whether its pixels gathered light over their area.
    """

    name: str
    group: str
    image: Array
    step: float
    telescope: Telescope | None = None
    granulation: bool = False
    integrated: bool = True

    def with_contrast(self, contrast: float) -> Array:
        """The image, its contrast changed so that HMI sees ``contrast`` in its quiet Sun; dark spots stay positive."""
        if not self.granulation:
            return self.image
        # A power of the intensity scales small contrasts and leaves no pixel negative.
        power = contrast / self.seen_contrast()
        return np.asarray(np.maximum(self.image, 1e-3) ** power, dtype=np.float32)

    def seen_contrast(self) -> float:
        """Contrast of the quiet Sun as HMI would see this image."""
        step = self.step * u.arcsec / u.pix
        camera = Camera(
            HMI,
            self.image.shape,
            scale=step,
            source=self.telescope,
            source_integrated=self.integrated and self.telescope is not None,
            floor=SOURCE_FLOOR,
        )
        return quiet_contrast(camera(torch.from_numpy(self.image)).numpy())


def quiet_contrast(image: Array) -> float:
    """Rms contrast of the quiet part of an image: within 15 % of its level, and away from what is not."""
    level = quiet_sun_level(image.ravel())
    quiet = np.abs(image / level - 1) < 0.15
    return float(image[quiet].std() / image[quiet].mean())


def continuum_sources(data: Path, part: str) -> list[Source]:
    """The sources of continuum images.

    Parameters
    ----------
    data : pathlib.Path
        Folder with ``high_resolution``, ``hinode_sot`` and ``hmi_sharp``.
    part : {"train", "test"}
        Of the MHD snapshot the first 26 and the last 20 arcsec of its rows, 20 arcsec apart; IMaX and SOT to train on;
        of the spots of the SHARP regions, and of the drawn scenes, different ones.

    Returns
    -------
    list of Source
    """
    sources = [_mhd_snapshot(data, part)]
    if part == "train":
        sources += [_imax(data), _sot(data)]
    for region, images in _sharps(data, part).items():
        for number, spot in enumerate(_spots(images["continuum"])):
            sources.append(Source(f"spot {number} of NOAA {region}", "templates", spot, _TEMPLATE_STEP))
    return sources + [
        Source(name, "drawn scenes", np.asarray(scene.continuum.data), step)
        for name, step, scene in _drawn(part, ("spot", "pores", "plage"))
    ]


def magnetogram_sources(data: Path, part: str) -> list[Source]:
    """The sources of magnetograms; see `continuum_sources`.

    The GST magnetograms show one region: one quarter is to test, the others, without a margin of 3 arcsec, to train.
    """
    sources = _gst(data, part)
    for region, images in _sharps(data, part).items():
        sources.append(Source(f"NOAA {region}", "templates", _kilogauss(images["magnetogram"]), _TEMPLATE_STEP))
    return sources + [
        Source(name, "drawn scenes", _kilogauss(scene.magnetogram.data), step)
        for name, step, scene in _drawn(part, ("spot", "pores", "plage", "network"))
    ]


def _kilogauss(field: Array) -> Array:
    return np.asarray(field, dtype=np.float32) / 1000


def _read(path: Path) -> Array:
    with fits.open(path) as hdus:
        image = next(hdu.data for hdu in hdus if hdu.data is not None)
        return np.array(image, dtype=np.float32)


def _mhd_snapshot(data: Path, part: str) -> Source:
    image = np.load(data / "high_resolution" / "mhd_continuum_48km.npy")
    image = (image / image.mean()).astype(np.float32)
    first, last = round(26 / _MHD_STEP), round(46 / _MHD_STEP)
    rows = image[:first] if part == "train" else image[last:]
    return Source("MHD granulation", "MHD", np.ascontiguousarray(rows), _MHD_STEP, granulation=True, integrated=False)


def _imax(data: Path) -> Source:
    image = _read(data / "high_resolution" / "sunrise_imax_focus.fits")[60:-60, 60:-60]
    return Source("SUNRISE/IMaX granulation", "IMaX", image / image.mean(), 0.0545, SUNRISE_IMAX, granulation=True)


def _sot(data: Path) -> Source:
    """A spot: the two ends of the scan, which are continuum, taken 13 seconds apart."""
    ends = sorted((data / "hinode_sot").glob("*.fits.gz"))
    images = [_read(ends[index])[4:-4, 4:-4] for index in (0, -1)]
    image = sum(image / quiet_sun_level(image.ravel()) for image in images) / 2
    return Source("Hinode/SOT spot", "SOT", np.asarray(image, np.float32), 0.16, HINODE_SOT, granulation=True)


def _gst(data: Path, part: str) -> list[Source]:
    sources = []
    for path in sorted((data / "high_resolution").glob("gst_niris_bz_*.fits")):
        field = _kilogauss(_read(path))
        half, margin = field.shape[0] // 2, round(3 / 0.083)
        if part == "test":
            parts = {"upper right": field[half:, half:]}
        else:
            parts = {"lower": field[: half - margin], "upper left": field[half - margin :, : half - margin]}
        sources += [
            Source(f"GST/NIRIS {path.stem[-10:]}, {name}", "GST", np.ascontiguousarray(piece), 0.083, GST_NIRIS)
            for name, piece in parts.items()
        ]
    return sources


def _sharps(data: Path, part: str) -> dict[str, dict[str, Array]]:
    regions: dict[str, dict[str, Array]] = {}
    for path in sorted((data / "hmi_sharp").glob("*.fits")):
        with fits.open(path) as hdus:
            region = str(hdus[1].header["NOAA_AR"])
            if (region in TEST_REGIONS) == (part == "test"):
                regions.setdefault(region, {})[path.name.split(".")[-2]] = np.array(hdus[1].data, np.float32)
    return regions


def _spots(image: Array) -> list[Array]:
    """Windows about the dark features of a continuum image: half as large again as each, and 80 pixels more."""
    image = image / quiet_sun_level(image.ravel())
    labels, _ = label(image < 0.8)
    windows = []
    for rows, columns in find_objects(labels):
        if min(rows.stop - rows.start, columns.stop - columns.start) < 10:
            continue
        around = tuple(
            slice(max(0, where.start - 40 - size // 4), where.stop + 40 + size // 4)
            for where in (rows, columns)
            for size in (where.stop - where.start,)
        )
        windows.append(np.ascontiguousarray(image[around]))
    return windows


def _drawn(part: str, kinds: tuple[str, ...]) -> list[tuple[str, float, Any]]:
    """Scenes of `sunpy_ml.simulation`: seeds below 100 to train, others to test."""
    step, first, number = 0.1, *((0, 4) if part == "train" else (100, 2))
    return [
        (
            f"drawn {kind}, seed {seed}",
            step,
            photosphere_scene(kind, shape=(400, 400), scale=step * u.arcsec / u.pix, seed=seed),
        )
        for kind in kinds
        for seed in range(first, first + number)
    ]
