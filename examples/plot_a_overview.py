"""
Four questions to observations
==============================

What does an image show, what would a larger telescope have shown, how does the surface move, and when does flux emerge?
Each is one call. The observations here are simulated, so that the example runs anywhere; yours go in the same way.
"""

# %%
import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np

from sunpy_ml import classify_map, deepvel_flow, detect_emergence, enhance_hmi
from sunpy_ml.flows import plot_flow
from sunpy_ml.optics import degrade
from sunpy_ml.simulation import emergence_patch, halpha_scene, moving_granulation, photosphere_scene

# %%
# A Map of H-alpha goes in, and comes back with a label; a continuum image of HMI comes back as a telescope of twice the
# diameter would have taken it; two images become velocities; and fifteen days of magnetograms a time.

halpha = halpha_scene("sunspots", seed=1)
label = classify_map(halpha)

continuum = degrade(photosphere_scene("spot", shape=(800, 360), seed=3).continuum, noise=0.1 * u.percent)
sharp = enhance_hmi(continuum)

frames, _, _ = moving_granulation(shape=(128, 128), frames=2, rms=1 * u.km / u.s, seed=2)
flow = deepvel_flow(frames)

patch = emergence_patch("emerging", seed=2036)
found = detect_emergence(patch, progress=False)

# %%
# All of them are drawn by a method of their own; here they share a figure.

figure = plt.figure(figsize=(12, 9), layout="constrained")
grid = figure.add_gridspec(2, 4)

axes = figure.add_subplot(grid[0, :2], projection=halpha)
halpha.plot(axes=axes, title=f"classify_map: {label.label} ({label.probabilities[label.label]:.0%})")
axes.set(xlabel="solar x [arcsec]", ylabel="solar y [arcsec]")

for column, (name, image) in enumerate({"HMI": continuum, "enhance_hmi": sharp}.items(), start=2):
    axes = figure.add_subplot(grid[0, column], projection=image)
    image.plot(axes=axes, title=name, clip_interval=(0.5, 99.5) * u.percent, cmap="gray")
    axes.set(xlabel="solar x [arcsec]", ylabel="solar y [arcsec]" if column == 2 else " ")
    axes.coords[0].set_ticks(spacing=10 * u.arcsec)
    axes.coords[1].set_ticklabel_visible(column == 2)

axes = figure.add_subplot(grid[1, :2], projection=frames[0].wcs)
plot_flow(flow, frames.data[0], every=6, axes=axes)
axes.set_title("deepvel_flow", loc="left")

axes = figure.add_subplot(grid[1, 2:])
days = (found.times - found.times[0]).to_value(u.day)
emergence = (found.time - found.times[0]).to_value(u.day)
axes.fill_between(days, found.curves.min(axis=1), found.curves.max(axis=1), alpha=0.3, lw=0, label="ten networks")
axes.plot(days, found.curve, label="their mean")
axes.axvline(emergence, color="#d55e00", label=f"emergence, {found.time.isot[:10]}")
axes.set(xlim=(0, np.max(days)), ylim=(-0.02, 1.02), title=f"detect_emergence: {found.probability:.0%}")
axes.set(xlabel=f"days since {found.times[0].isot[:10]}", ylabel="probability of emergence, as the days go by")
axes.legend(loc="lower right")

# The field a day after the emergence, in a frame that is not missing, within 500 G.
after = np.argmax((days > emergence + 1) & np.isfinite(patch.data).all(axis=(1, 2)))
inset = axes.inset_axes((0.52, 0.31, 0.42, 0.58))
inset.imshow(patch.data[after], cmap="gray", vmin=-500, vmax=500, origin="lower")
inset.set(xticks=[], yticks=[], title=f"field on {found.times[after].isot[:10]}")
