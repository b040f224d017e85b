"""
Spots, plage and network
========================

Continuum and magnetogram of the same piece of the photosphere, drawn at 0.1 arcsec: a source for training pairs, with
everything in it known.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

from sunpy_ml.simulation.photosphere import PhotosphereParameters, photosphere_scene

kinds = ("spot", "plage", "network")
scenes = [photosphere_scene(kind, shape=(360, 360), scale=0.12 * u.arcsec / u.pix, seed=5) for kind in kinds]

figure = plt.figure(figsize=(12, 8), layout="constrained")
for column, (kind, scene) in enumerate(zip(kinds, scenes, strict=True), start=1):
    axes = figure.add_subplot(2, 3, column, projection=scene.continuum)
    scene.continuum.plot(axes=axes, title=kind, cmap="gray", vmin=0.1, vmax=1.4)
    axes = figure.add_subplot(2, 3, column + 3, projection=scene.magnetogram)
    scene.magnetogram.plot(axes=axes, title="line-of-sight field", cmap="gray", vmin=-1200, vmax=1200)
plt.show()

###############################################################################
# Both polarities carry the same flux.

for kind, scene in zip(kinds, scenes, strict=True):
    field = scene.magnetogram.data
    print(f"{kind:8s} mean unsigned {np.abs(field).mean():5.1f} G, net {field.mean():5.1f} G")

###############################################################################
# The darker, the stronger; but the flux concentrations of plage are small and not dark. Blurred to an arcsec, as a
# small telescope sees them, bright pixels with strong field are left.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharex=True, sharey=True)
for panel, blur, title in ((axes[0], 0, "at 0.12 arcsec"), (axes[1], 0.96, "blurred to 0.96 arcsec")):
    for kind, scene in zip(kinds, scenes, strict=True):
        sigma = blur / 2.355 / 0.12
        light = gaussian_filter(scene.continuum.data, sigma)
        field = gaussian_filter(scene.continuum.data * scene.magnetogram.data, sigma) / light
        panel.plot(light[::3, ::3].ravel(), np.abs(field[::3, ::3]).ravel(), ".", markersize=1, label=kind)
    panel.set(title=title, xlabel="continuum / quiet Sun")
axes[0].set_ylabel("|line-of-sight field| (G)")
axes[0].legend(markerscale=8)
plt.show()

###############################################################################
# Everything is drawn from ranges, each with its source. Narrow one to get, say, small spots only.

small = photosphere_scene(
    shape=(300, 300), seed=2, parameters=PhotosphereParameters(spot_radius=(3.0, 4.0) * u.Mm)
).continuum
print(f"darkest pixel {small.min():.2f} of the quiet Sun")
PhotosphereParameters().table()
