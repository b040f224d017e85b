"""
Granulation that moves as is known
==================================

To check a method that finds flows, one needs frames of which the flow is known. This example makes a pair of frames of
granulation, looks at the velocity that is in it, and at what a network must not be tempted by.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np

from sunpy_ml.simulation.motion import moving_granulation

###############################################################################
# Two frames, 30 seconds apart, of drawn granulation. The true velocity comes as two NDCubes on the same pixels, and a
# card says what it was made with.

frames, velocity, card = moving_granulation(shape=(160, 160), scale=0.12 * u.arcsec / u.pix, seed=2)
vx, vy = (velocity[name].data[0] for name in ("vx", "vy"))
print(f"{card.rms:.2f} rms, {card.pixel:.1f} per pixel, {card.cadence:.0f} apart; correlation {card.correlation:.3f}")

###############################################################################
# The frames look alike: at 1.4 km/s things move by half a pixel. Their difference shows it.

figure = plt.figure(figsize=(11, 4), layout="constrained")
panels = {"first frame": frames[0].data, "second frame": frames[1].data, "difference": frames[1].data - frames[0].data}
for column, (title, image) in enumerate(panels.items(), start=1):
    axes = figure.add_subplot(1, 3, column, projection=frames[0].wcs)
    axes.imshow(image, origin="lower", cmap="gray")
    axes.set_title(title)
    axes.coords[0].set_axislabel("solar x")
    axes.coords[1].set_axislabel("solar y" if column == 1 else " ")
plt.show()

###############################################################################
# The velocity, and its divergence. Here it flows out of what is bright and into the lanes, as on the Sun. The arrows
# are drawn every eighth pixel; positive vx is towards solar west, positive vy towards north.

pixel = card.pixel.to_value(u.km)
divergence = (np.gradient(vx, axis=1) + np.gradient(vy, axis=0)) / pixel
every = (slice(4, None, 8), slice(4, None, 8))
rows, columns = np.mgrid[: vx.shape[0], : vx.shape[1]]

figure, both = plt.subplots(1, 2, figsize=(11, 5), layout="constrained", sharex=True, sharey=True)
both[0].imshow(frames.data.mean(axis=0), origin="lower", cmap="gray")
both[0].quiver(columns[every], rows[every], vx[every], vy[every], color="tab:orange", width=0.004)
both[0].set_title(f"velocity, {card.rms:.1f} rms")
shown = both[1].imshow(1e3 * divergence, origin="lower", cmap="RdBu_r", vmin=-12, vmax=12)
both[1].contour(frames.data.mean(axis=0), levels=[1000], colors="k", linewidths=0.5)
both[1].set_title("divergence; inside the lines it is bright")
figure.colorbar(shown, ax=both[1], shrink=0.85, label="per 1000 s")
for axes in both:
    axes.set(xlabel="column", ylabel="row")
plt.show()

###############################################################################
# A network that learns from such pairs alone may learn that granules diverge, without looking at motion. So there are
# pairs with the opposite flow, with one that has nothing to do with the image, and with none.

for motion in ("diverging", "unrelated", "converging", "uniform", "still"):
    frames, velocity, card = moving_granulation(shape=(160, 160), motion=motion, seed=2)
    vx, vy = (velocity[name].data[0] for name in ("vx", "vy"))
    divergence = np.gradient(vx, axis=1) + np.gradient(vy, axis=0)
    common = 0.0 if not divergence.any() else np.corrcoef(divergence.ravel(), frames.data.mean(axis=0).ravel())[0, 1]
    print(f"{motion:>10}: {card.rms:.1f} rms; correlation of brightness and divergence {common:+.2f}")
