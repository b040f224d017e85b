"""Images that training pairs are made of, and which part of each is kept for the test."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from astropy.io import fits
from torch import Tensor
from torch.nn import functional as F

from sunpy_ml.observations import quiet_sun_level

__all__ = ["ARCSEC", "Source", "sources"]

Array = npt.NDArray[Any]

#: Kilometres per arcsec at the centre of the disk.
ARCSEC = 725.0
#: Of six SHARP regions, those that no network is trained on.
TEST_REGIONS = ("14159", "14221")
# Rows of the MHD snapshot, of 48 km: the first 18 Mm to train, the last 16 Mm to test, 14 Mm apart.
_MHD_TRAIN, _MHD_TEST = slice(0, 377), slice(667, 1000)


@dataclass(frozen=True)
class Source:
    """An image that can be moved.

    Attributes
    ----------
    name : str
        What it shows, and where it is from.
    image : torch.Tensor
        float32, (H, W), of mean 1.
    pixel : float
        Size of a pixel at the Sun in km.
    seen : bool
        Whether it was seen through a telescope; a computed one was not.
    coarsest : float
        Pixel, in km, up to which it is shown: beyond, too little would be left of it.
    """

    name: str
    image: Tensor
    pixel: float
    seen: bool
    coarsest: float

    def at(self, pixel: float) -> Tensor:
        """The image on other pixels, averaged over them where they are larger."""
        rows, columns = (round(length * self.pixel / pixel) for length in self.image.shape)
        if (rows, columns) == tuple(self.image.shape):
            return self.image
        finer = F.interpolate(
            self.image[None, None], (rows, columns), mode="bicubic", antialias=True, align_corners=False
        )
        return finer[0, 0]


def sources(data: Path, part: str) -> list[Source]:
    """The images to train or to test with.

    Parameters
    ----------
    data : pathlib.Path
        Folder with ``high_resolution``, ``hinode_sot`` and ``hmi_sharp``.
    part : {"train", "test"}
        Of the MHD snapshot two bands of rows, 14 Mm apart; of SUNRISE/IMaX the right half, and the left one; of the
        SHARPs four regions, and two others. The Hinode/SOT spot is to train, the DKIST image to test.

    Returns
    -------
    list of Source
    """
    train = part == "train"
    mhd = np.load(data / "high_resolution" / "mhd_continuum_48km.npy")
    found = [_source("MHD granulation", mhd[_MHD_TRAIN if train else _MHD_TEST], 48.0, seen=False, coarsest=94.0)]
    imax = _read(data / "high_resolution" / "sunrise_imax_focus.fits")[60:-60, 60:-60]
    middle = imax.shape[1] // 2
    half = imax[:, middle + 30 :] if train else imax[:, : middle - 30]
    found.append(_source("SUNRISE/IMaX granulation", half, 0.0545 * ARCSEC, coarsest=80.0))
    if train:
        spot = _read(sorted((data / "hinode_sot").glob("*.fits.gz"))[0])[4:-4, 4:-4]
        found.append(_source("Hinode/SOT spot", spot / quiet_sun_level(spot.ravel()), 0.16 * ARCSEC, coarsest=250.0))
    else:
        dkist = _read(data / "high_resolution" / "dkist_photosphere.fits")
        found.append(_source("DKIST granulation", dkist, 0.0101 * ARCSEC, coarsest=40.0))
    for path in sorted((data / "hmi_sharp").glob("*continuum.fits")):
        with fits.open(path) as hdus:
            if (str(hdus[1].header["NOAA_AR"]) in TEST_REGIONS) != train:
                image = np.array(hdus[1].data, np.float32)
                name = f"HMI, NOAA {hdus[1].header['NOAA_AR']}"
                found.append(_source(name, image / quiet_sun_level(image.ravel()), 364.0, coarsest=364.0))
    return found


def _source(name: str, image: Array, pixel: float, *, coarsest: float, seen: bool = True) -> Source:
    relative = torch.from_numpy(np.ascontiguousarray(image / image.mean(), dtype=np.float32))
    return Source(name, relative, pixel, seen, coarsest)


def _read(path: Path) -> Array:
    with fits.open(path) as hdus:
        image = next(hdu.data for hdu in hdus if hdu.data is not None)
        return np.array(image, dtype=np.float32)
