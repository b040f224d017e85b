"""From elements of flux to magnetograms: geometry, blur, noise, saturation, gaps and bad frames."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from sunpy_ml.simulation.drawing import Floats, splat
from sunpy_ml.simulation.emergence.elements import MM_PER_DEGREE, Booleans, Elements
from sunpy_ml.simulation.emergence.parameters import PARAMETERS, draw, value

__all__ = ["INSTRUMENTS", "View", "field_frames", "losses", "observed", "spoiled"]

INSTRUMENTS = ("mdi_1min", "mdi_5min", "hmi_45s", "hmi_720s")
# Pixels around the patch, so that what is outside does not come in at the other side.
_MARGIN = 9
# Sidereal rotation at the equator and the motion of the Earth, in degrees per day.
_EQUATOR, _EARTH = 14.42, 0.9856
# Nearer to the limb structures are not blurred further along longitudes.
_LEAST_MU = 0.12


@dataclass(frozen=True)
class View:
    """
    How a patch is seen.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    scale : float
        Degrees per pixel.
    latitude, first_longitude : float
        Of the middle, and from the central meridian in the first frame, in degrees.
    days : numpy.ndarray
        Of the frames.
    """

    shape: tuple[int, int]
    scale: float
    latitude: float
    first_longitude: float
    days: Floats

    @property
    def pixel(self) -> float:
        """Side of a pixel, in Mm."""
        return self.scale * MM_PER_DEGREE

    @property
    def rate(self) -> float:
        """Synodic rotation of the middle, in degrees per day."""
        square = np.sin(np.deg2rad(self.latitude)) ** 2
        return float(_EQUATOR + value("rotation_b") * square + value("rotation_c") * square**2 - _EARTH)

    @property
    def longitudes(self) -> Floats:
        """Of the middle in each frame, from the central meridian, in degrees."""
        return self.first_longitude + self.rate * self.days

    def offset(self, x: float) -> float:
        """Degrees of longitude of a place x Mm to the west of the middle."""
        return x / (MM_PER_DEGREE * np.cos(np.deg2rad(self.latitude)))

    def cosines(self) -> Floats:
        """The cosine of the angle between the line of sight and the vertical, (time, latitude, longitude)."""
        rows, columns = self.shape
        latitude = np.deg2rad(self.latitude + (np.arange(rows) - (rows - 1) / 2) * self.scale)
        across = np.deg2rad((np.arange(columns) - (columns - 1) / 2) * self.scale)
        longitude = np.deg2rad(self.longitudes)[:, None, None] + across / np.cos(np.deg2rad(self.latitude))
        return (np.cos(latitude)[:, None] * np.cos(longitude)).astype(np.float32)


def field_frames(elements: Elements, view: View, blur: float) -> Floats:
    """Return the vertical field in gauss, as blurred as a telescope shows it where the patch is; blur in Mm."""
    rows, columns = (size + 2 * _MARGIN for size in view.shape)
    count = len(view.days)
    x = elements.x / view.pixel + (columns - 1) / 2
    y = elements.y / view.pixel + (rows - 1) / 2
    inside = (elements.flux != 0) & (x >= 0) & (x < columns - 1) & (y >= 0) & (y < rows - 1)
    x, y, flux = x[inside], y[inside], elements.flux[inside]
    # One tall image of all the frames; nothing is shared out beyond its own.
    frame = np.nonzero(inside)[1]
    image = splat((count * rows, columns), x, frame * rows + y, flux / (view.pixel * 1e8) ** 2)
    frames = image.reshape(count, rows, columns)
    spectrum = fft.rfft2(frames, overwrite_x=True)
    # A pixel of the telescope covers more of the Sun towards the limb.
    wide = blur / view.pixel / np.maximum(np.cos(np.deg2rad(view.longitudes)), _LEAST_MU)
    high = blur / view.pixel / np.cos(np.deg2rad(view.latitude))
    kx = 2 * np.pi * fft.rfftfreq(columns)
    ky = 2 * np.pi * fft.fftfreq(rows)
    spectrum *= np.exp(-0.5 * (wide[:, None] * kx) ** 2)[:, None, :].astype(np.float32)
    spectrum *= np.exp(-0.5 * (high * ky) ** 2)[:, None].astype(np.float32)
    frames = fft.irfft2(spectrum, (rows, columns), overwrite_x=True)
    return frames[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def observed(rng: np.random.Generator, field: Floats, view: View, instrument: str, radial: bool) -> Floats:
    """Return what an instrument tells of a vertical field, NaN beyond the limb."""
    cosine = view.cosines()
    known = cosine > 0
    gain = 1.0 if instrument.startswith("mdi") else 1 / value("mdi_over_hmi")
    seen = field * np.where(known, cosine, 0) * np.float32(gain)
    if instrument.startswith("mdi"):
        level = draw(rng, "saturation")
        np.clip(seen, -level, level, out=seen)
    growth = draw(rng, "noise_at_limb") - 1
    noise = rng.standard_normal(seen.shape, dtype=np.float32)
    noise *= np.float32(value(f"noise_{instrument}")) * (1 + np.float32(growth) * (1 - cosine) ** 2)
    seen += noise
    if radial:
        seen /= np.where(known, cosine, 1)
    seen[~known] = np.nan
    return seen


def losses(rng: np.random.Generator, days: Floats) -> tuple[Booleans, Booleans]:
    """Return which frames are lost, and which are bad."""
    lost = rng.uniform(size=len(days)) < draw(rng, "lost")
    for _ in range(rng.poisson(value("gaps"))):
        start = rng.uniform(days[0], days[-1])
        lost |= (days >= start) & (days < start + draw(rng, "gap"))
    lost |= days > days[-1] - draw(rng, "tail")
    bad = (rng.uniform(size=len(days)) < value("bad")) & ~lost
    return lost, bad


def spoiled(rng: np.random.Generator, frames: Floats, bad: Booleans) -> None:
    """Spoil bad frames in place: noise ten times as strong, or a block of rows without field."""
    for index in np.flatnonzero(bad):
        if rng.uniform() < 0.5:
            frames[index] += 10 * PARAMETERS["noise_mdi_1min"].low * rng.standard_normal(frames[index].shape)
        else:
            start = rng.integers(frames.shape[1])
            block = frames[index, start : start + max(frames.shape[1] // 4, 1)]
            block[np.isfinite(block)] = 0
