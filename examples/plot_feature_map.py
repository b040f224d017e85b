"""
What is where on the disk
=========================

The classifier reads fields of a few hundred arcsec. To find features on a large image, it slides over it. This example
uses a simulated H-alpha image with a filament, a spot and a prominence; a full disk of your own goes in the same way.
"""

import astropy.units as u
import matplotlib.pyplot as plt

from sunpy_ml import detect_features, feature_map
from sunpy_ml.simulation import halpha_scene

field = halpha_scene("sunspots", extra=("filaments",), shape=(300, 300), scale=3.4 * u.arcsec / u.pix, seed=3)

###############################################################################
# The probability that each feature is in the window around a pixel, on the coarse grid of the windows.

maps = feature_map(field, progress=False)
print(list(maps))

figure = plt.figure(figsize=(11, 4), layout="constrained")
axes = figure.add_subplot(1, 3, 1, projection=field)
field.plot(axes=axes, title="H-alpha, simulated")
for column, name in enumerate(("has_filaments", "has_sunspots"), start=2):
    cube = maps[name]
    axes = figure.add_subplot(1, 3, column, projection=cube.wcs)
    image = axes.imshow(cube.data, origin="lower", vmin=0, vmax=1, cmap="viridis")
    axes.set_title(name)
    axes.coords[0].set_axislabel("solar x")
    axes.coords[1].set_axislabel("solar y")
figure.colorbar(image, label="probability")
plt.show()

###############################################################################
# As a table, with positions on the sky and on the Sun.

table = detect_features(field, progress=False)
table
