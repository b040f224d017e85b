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

continuum = degrade(photosphere_scene("spot", shape=(800, 800), seed=3).continuum, noise=0.1 * u.percent)
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

for column, (name, image) in enumerate({"HMI": continuum, "enhance_hmi": sharp}.items(), start=2):
    axes = figure.add_subplot(grid[0, column], projection=image)
    image.plot(axes=axes, title=name, clip_interval=(0.5, 99.5) * u.percent, cmap="gray")
    axes.coords[0].set_ticks(number=3)
    axes.coords[1].set_axislabel("" if column == 3 else "Solar-Y")

axes = figure.add_subplot(grid[1, :2], projection=frames[0].wcs)
plot_flow(flow, frames.data[0], every=6, axes=axes)
axes.set_title("deepvel_flow")

axes = figure.add_subplot(grid[1, 2:])
days = (found.times - found.times[0]).to_value(u.day)
axes.fill_between(days, found.curves.min(axis=1), found.curves.max(axis=1), alpha=0.3, lw=0)
axes.plot(days, found.curve)
axes.axvline((found.time - found.times[0]).to_value(u.day), color="#d55e00", label=f"{found.time.isot[:16]} UTC")
axes.set(
    xlabel="days", ylabel="probability up to this time", title="detect_emergence", ylim=(0, 1), xlim=(0, np.max(days))
)
axes.legend(loc="upper left")
