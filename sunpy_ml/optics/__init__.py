"""Optics: what telescopes, the air and detectors do to images, in torch, differentiable and in batches."""

from sunpy_ml.optics.airy import airy_mtf, airy_psf
from sunpy_ml.optics.camera import Camera, observe
from sunpy_ml.optics.convolving import Padding, apply_transfer, convolve
from sunpy_ml.optics.degrading import degrade
from sunpy_ml.optics.detector import add_noise, sample
from sunpy_ml.optics.phase import kolmogorov_coefficients, kolmogorov_screen, kolmogorov_structure
from sunpy_ml.optics.seeing import (
    long_exposure_mtf,
    psf_from_phase,
    pupil_grid,
    seeing_psf,
    short_exposure_mtf,
)
from sunpy_ml.optics.telescope import (
    GST_NIRIS,
    HINODE_SOT,
    HMI,
    HMI_WACHTER,
    IDEAL_28CM,
    MDI,
    SUNRISE_IMAX,
    TELESCOPES,
    Telescope,
    telescope_table,
)
from sunpy_ml.optics.transfer import Transfer, grid_response, pixel_transfer, product, ratio
from sunpy_ml.optics.wachter import WACHTER, WACHTER_MODIFIED, WachterForm
from sunpy_ml.optics.zernike import noll_covariance, noll_index, zernike

__all__ = [
    "GST_NIRIS",
    "HINODE_SOT",
    "HMI",
    "HMI_WACHTER",
    "IDEAL_28CM",
    "MDI",
    "SUNRISE_IMAX",
    "TELESCOPES",
    "WACHTER",
    "WACHTER_MODIFIED",
    "Camera",
    "Padding",
    "Telescope",
    "Transfer",
    "WachterForm",
    "add_noise",
    "airy_mtf",
    "airy_psf",
    "apply_transfer",
    "convolve",
    "degrade",
    "grid_response",
    "kolmogorov_coefficients",
    "kolmogorov_screen",
    "kolmogorov_structure",
    "long_exposure_mtf",
    "noll_covariance",
    "noll_index",
    "observe",
    "pixel_transfer",
    "product",
    "psf_from_phase",
    "pupil_grid",
    "ratio",
    "sample",
    "seeing_psf",
    "short_exposure_mtf",
    "telescope_table",
    "zernike",
]
