"""
HMI deconvolved, and how far to believe it
==========================================

`~sunpy_ml.enhance_hmi` frees an image of the telescope's blur, on a grid twice as fine. Here the truth is known: pores
are drawn, seen through HMI with its noise, enhanced, and compared with what an ideal telescope of twice HMI's aperture
would have shown. An HMI Map of your own goes in the same way.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np

from sunpy_ml import enhance_hmi
from sunpy_ml.optics import HMI, IDEAL_28CM, degrade
from sunpy_ml.simulation.photosphere import photosphere_scene

scene = photosphere_scene("pores", shape=(560, 560), scale=0.1 * u.arcsec / u.pix, seed=105).continuum
seen = degrade(scene, HMI, noise=0.1 * u.percent)
truth = degrade(scene, IDEAL_28CM)
sharp = enhance_hmi(seen)

###############################################################################
# The result is a Map over the same field, with half the pixel size. Its ``uncertainty`` is the standard deviation that
# the network expects of itself.

figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), sharex=True, sharey=True, layout="constrained")
side = seen.data.shape[0] * seen.scale.axis1.value
for ax, (name, m) in zip(axes, {"HMI": seen, "enhanced": sharp, "ideal 28 cm": truth}.items(), strict=True):
    image = ax.imshow(m.data, origin="lower", cmap="gray", vmin=0.4, vmax=1.3, extent=[0, side, 0, side])
    ax.set(title=name, xlabel="arcsec")
axes[0].set_ylabel("arcsec")
figure.colorbar(image, ax=axes, label="intensity over that of the quiet Sun", shrink=0.8)
plt.show()

###############################################################################
# How far is it right? The power of the enhanced image follows that of the truth up to HMI's limit, and the coherence
# with the truth falls there: finer structures are what the training makes likely, and are not measured.


def spectra(image, other, pixel, bins=40):
    """Power of two images, and their coherence, against spatial frequency."""
    rows, columns = (min(a, b) for a, b in zip(image.shape, other.shape, strict=True))
    window = np.outer(np.hanning(rows), np.hanning(columns))
    first, second = (np.fft.fft2((m[:rows, :columns] - m.mean()) * window) for m in (image, other))
    frequency = np.hypot(np.fft.fftfreq(rows, pixel)[:, None], np.fft.fftfreq(columns, pixel))
    edges = np.linspace(0, 1 / (2 * pixel), bins + 1)
    index = np.digitize(frequency.ravel(), edges)

    def mean(values):
        counts = np.bincount(index, minlength=bins + 2)[1 : bins + 1]
        return np.bincount(index, values.ravel(), minlength=bins + 2)[1 : bins + 1] / counts

    power, other_power = mean(abs(first) ** 2), mean(abs(second) ** 2)
    return edges[1:], power, other_power, mean((first * second.conj()).real) / np.sqrt(power * other_power)


pixel = sharp.scale.axis1.value
doubled = np.kron(seen.data, np.ones((2, 2)))
frequency, power, true_power, coherence = spectra(sharp.data, truth.data, pixel)
_, seen_power, _, _ = spectra(doubled, truth.data, pixel)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
# HMI's own pixels know nothing beyond half their rate.
seen_power[frequency > 1 / (2 * seen.scale.axis1.value)] = np.nan
styles = {"HMI": (seen_power, "C0:"), "enhanced": (power, "C1-"), "ideal 28 cm": (true_power, "k--")}
for name, (values, style) in styles.items():
    left.semilogy(frequency, values, style, label=name)
left.set(xlabel="spatial frequency (1/arcsec)", ylabel="power", ylim=(true_power.max() * 1e-9, true_power.max() * 3))
right.plot(frequency, coherence, "C1-", label="enhanced and ideal 28 cm")
right.set(xlabel="spatial frequency (1/arcsec)", ylabel="coherence", ylim=(-0.1, 1.05))
for ax in (left, right):
    ax.axvline(HMI.cutoff.to_value(1 / u.arcsec), color="0.6", label="limit of HMI's aperture")
    ax.legend()
plt.show()

###############################################################################
# On real observations the truth is not known, but one thing can always be asked: seen by HMI again, the enhanced image
# must give the observation back. The difference comes with each result.

difference = sharp.meta["consistency"]
figure, ax = plt.subplots(figsize=(5.5, 4.4), layout="constrained")
image = ax.imshow(100 * difference.data, origin="lower", cmap="RdBu_r", vmin=-0.5, vmax=0.5, extent=[0, side, 0, side])
ax.set(title=f"seen again, less seen: rms {100 * sharp.meta['consrms']:.2f} %", xlabel="arcsec", ylabel="arcsec")
figure.colorbar(image, label="% of the quiet Sun")
plt.show()
