"""The quiet chromosphere: network, mottles and fibrils, limb darkening, spicules and sky."""

import numpy as np
from scipy import fft

from sunpy_ml.simulation.drawing import Complexes, Floats, oriented_noise, smooth_noise, wavenumbers
from sunpy_ml.simulation.halpha.view import View

__all__ = ["fibril_angle", "fibrils", "limb_darkening", "network_flux", "off_limb"]

# Supergranules measure about 30 Mm (Rieutord & Rincon 2010, doi:10.12942/lrsp-2010-2), and the network runs
# along their borders: here the zero lines of a random field, of which this is the correlation length in Mm.
_CELL_SIZE = 8.0
# Mottles and fibrils are about 1 Mm wide and several Mm long (Tsiropoula et al. 2012,
# doi:10.1007/s11214-012-9920-2); these are correlation lengths of noise that looks so.
_FIBRIL_WIDTH = 0.5
_FIBRIL_LENGTH = 2.0
# Modelling choices, in Mm: where the field directs the fibrils, and the scale height of the spicules.
_CANOPY = 2.5
_SPICULE_HEIGHT = 2.2
# The limb relative to the centre of the disk, as in full-disk images.
_LIMB = 0.39


def network_flux(rng: np.random.Generator, view: View) -> Floats:
    """Return the vertical field of the quiet network, mixed in polarity and about 1 where it is strong."""
    cells = smooth_noise(rng, view.shape, view.pixel, _CELL_SIZE)
    polarity = smooth_noise(rng, view.shape, view.pixel, 3.0)
    return np.exp(-((cells / 0.3) ** 2)) * polarity


def fibril_angle(view: View, flux: Floats, channel: Complexes, twist: Floats) -> Floats:
    """
    Return the directions of fibrils as the image shows them, in radians.

    Fibrils follow the horizontal part of the potential field above ``flux``, turned by ``twist`` and drawn
    into filament channels.

    Parameters
    ----------
    view : View
        The geometry.
    flux : numpy.ndarray
        Vertical field in the photosphere, in any unit.
    channel : numpy.ndarray
        Complex; the modulus is the weight and half the phase the direction of filament channels.
    twist : numpy.ndarray
        Angle between the potential field and the fibrils, in radians.

    Returns
    -------
    numpy.ndarray
        Angle from the rows, in radians; its sense does not matter.
    """
    kx, ky = wavenumbers(view.shape, view.pixel)
    wavenumber = np.hypot(kx, ky)
    potential = fft.rfft2(flux) * (np.exp(-_CANOPY * wavenumber) / np.maximum(wavenumber, 1e-6))
    potential[0, 0] = 0
    along_x, along_y = (fft.irfft2(-1j * k * potential, view.shape) for k in (kx, ky))
    # The square of the complex field forgets the sense, which fibrils do not show.
    field = (along_x + 1j * along_y) ** 2
    field *= np.exp(2j * twist).astype(np.complex64) / (np.abs(field) + 1e-9)
    direction = np.sqrt((1 - np.abs(channel)) * field + channel)
    return np.arctan2(*view.foreshorten(direction.real, direction.imag)[::-1])


def fibrils(rng: np.random.Generator, view: View, angle: Floats, *, contrast: Floats) -> Floats:
    """Return the brightness of fibrils along ``angle``: 1 with an rms of ``contrast`` at full resolution."""
    texture = oriented_noise(rng, angle, view.pixel, length=_FIBRIL_LENGTH, width=_FIBRIL_WIDTH)
    # Towards the limb one line of sight crosses many fibrils, which average out.
    return np.maximum(1 + contrast * np.sqrt(0.25 + 0.75 * view.mu) * texture, 0.3)


def limb_darkening(mu: Floats) -> Floats:
    """Return the brightness of the disk relative to its centre, a modelling choice close to real images."""
    return 1 - 0.08 * (1 - mu) - (0.92 - _LIMB) * (1 - mu) ** 2


def off_limb(rng: np.random.Generator, view: View) -> Floats:
    """Return spicules and scattered light above the limb, in units of the centre of the disk."""
    height = np.maximum(view.height, 0)
    ragged = 1 + 0.18 * smooth_noise(rng, view.shape, view.pixel, 1.0)
    spicules = _LIMB * np.exp(-height / (_SPICULE_HEIGHT * np.maximum(ragged, 0.4)))
    level, aureole = rng.uniform(0.005, 0.03, 2)
    return spicules + level + aureole * np.exp(-height / 60)
