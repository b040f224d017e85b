"""Figures that tell granulation from other patterns: size, life, contrast, speed."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Waves of the box have periods of three to eight minutes and wavelengths of its size, granules neither.
_BOX_MODES = 1.5


def power_per_wavenumber(images: ArrayLike, pixel: float) -> tuple[Floats, Floats]:
    """
    Return k P(k) of images: their power against the length of the wave vector.

    Parameters
    ----------
    images : array_like
        Of shape (..., y, x), periodic; the mean over all images.
    pixel : float
        Size of a pixel, in Mm.

    Returns
    -------
    wavenumber, power : `numpy.ndarray`
        Cycles per Mm, in steps of one per box; and the mean over directions times the circumference, in units of the
        step, so that it adds up to about the variance, apart from the corners of the Fourier plane.
    """
    data = np.asarray(images, float)
    rows, columns = data.shape[-2:]
    power = np.abs(np.fft.fft2(data - data.mean((-2, -1), keepdims=True))) ** 2 / (rows * columns) ** 2
    power = power.reshape(-1, rows, columns).mean(0)
    length = np.hypot(np.fft.fftfreq(rows, pixel)[:, None], np.fft.fftfreq(columns, pixel)[None])
    step = 1 / (max(rows, columns) * pixel)
    count = min(rows, columns) // 2
    ring = np.rint(length / step).astype(int)
    # The mean, since the number of wave vectors in a ring jumps from one to the next.
    mean = np.bincount(ring.ravel(), power.ravel())[1 : count + 1] / np.bincount(ring.ravel())[1 : count + 1]
    number = np.arange(1, count + 1)
    return step * number, 2 * np.pi * number * mean


def dominant_size(images: ArrayLike, pixel: float) -> float:
    """
    Return the wavelength in Mm at which k P(k) has its peak: the spacing of the granules.

    P is the power averaged over directions, see `power_per_wavenumber`. The highest ring is found in the spectrum
    smoothed over a factor of 1.5 in wavenumber (full width at half maximum); the vertex of a parabola around it, with
    the same weights, is the peak.
    """
    wavenumber, power = power_per_wavenumber(images, pixel)
    logarithm = np.log(wavenumber)

    near = np.exp(-0.5 * ((logarithm[:, None] - logarithm) / (np.log(1.5) / 2.3548)) ** 2)
    peak = int(np.argmax(near @ power / near.sum(1)))
    distance = logarithm - logarithm[peak]
    curvature, slope, _ = np.polyfit(distance, power, 2, w=np.sqrt(near[peak]))
    # Where the spectrum only falls or rises, or the parabola opens upward, the ring itself is the answer.
    shift = -slope / (2 * curvature) if curvature < 0 else 0.0
    return float(np.exp(-logarithm[peak] - (shift if abs(shift) < np.log(1.5) else 0.0)))


def without_oscillation(frames: ArrayLike) -> Floats:
    """
    Return frames (time, y, x) without their mean over the box and the waves as long as the box.

    These are the oscillations of the box, which correlate over their periods whatever the granules do.
    """
    data = np.asarray(frames, float)
    spectrum = np.fft.fft2(data)
    rows, columns = data.shape[1:]
    index = np.hypot(np.fft.fftfreq(rows, 1 / rows)[:, None], np.fft.fftfreq(columns, 1 / columns)[None])
    spectrum[:, index < _BOX_MODES] = 0
    return np.fft.ifft2(spectrum).real


def correlation_time(frames: ArrayLike, cadence: float) -> float:
    """
    Return the time in s in which the correlation of frames falls to 1/e.

    Parameters
    ----------
    frames : array_like
        Of shape (time, y, x).
    cadence : float
        Time between frames, in s.

    Returns
    -------
    float
        Infinite if it does not fall that far within half of the series. `without_oscillation` comes first.
    """
    data = without_oscillation(frames)
    norm = np.sqrt((data * data).sum((1, 2)))
    previous = 1.0
    for lag in range(1, len(data) // 2 + 1):
        product = (data[lag:] * data[:-lag]).sum((1, 2)) / (norm[lag:] * norm[:-lag])
        value = float(product.mean())
        if value < np.exp(-1):
            return float((lag - 1 + (previous - np.exp(-1)) / (previous - value)) * cadence)
        previous = value
    return float("inf")


def contrast(images: ArrayLike) -> Floats:
    """Return the rms of images over their mean, for each of (..., y, x)."""
    data = np.asarray(images, float)
    return np.asarray(data.std((-2, -1)) / data.mean((-2, -1)))


def rms_speed(vx: ArrayLike, vy: ArrayLike) -> Floats:
    """Return the root of the mean square of the horizontal velocity, as a vector, for each of (..., y, x)."""
    return np.asarray(np.sqrt(np.mean(np.square(vx, dtype=float) + np.square(vy, dtype=float), axis=(-2, -1))))


def share_of_mean(vx: ArrayLike, vy: ArrayLike) -> Floats:
    """Return the share that the mean flow has in the power of the horizontal velocity, for each of (..., y, x)."""
    mean = np.asarray(vx, float).mean((-2, -1)) ** 2 + np.asarray(vy, float).mean((-2, -1)) ** 2
    return np.asarray(mean / rms_speed(vx, vy) ** 2)


def share_of_largest(vx: ArrayLike, vy: ArrayLike) -> Floats:
    """
    Return the share that the waves as long as the box have in the power of the horizontal velocity.

    Both components, along x and along y, as sine and cosine: all that has one wavelength in the box.
    """
    total = np.zeros(np.shape(vx)[:-2])
    for velocity in (vx, vy):
        spectrum = np.abs(np.fft.fft2(np.asarray(velocity, float)) / np.prod(np.shape(velocity)[-2:])) ** 2
        total += spectrum[..., 0, 1] + spectrum[..., 0, -1] + spectrum[..., 1, 0] + spectrum[..., -1, 0]
    return np.asarray(total / rms_speed(vx, vy) ** 2)


def upflow_correlation(intensity: ArrayLike, vz: ArrayLike) -> Floats:
    """Return the correlation of intensity with upward velocity over each of (..., y, x)."""
    first = np.asarray(intensity, float)
    second = np.asarray(vz, float)
    first = first - first.mean((-2, -1), keepdims=True)
    second = second - second.mean((-2, -1), keepdims=True)
    return np.asarray((first * second).mean((-2, -1)) / (first.std((-2, -1)) * second.std((-2, -1))))
