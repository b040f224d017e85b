"""
Classifying an H-alpha image
============================

What does an image show, and how sure is the network? This example classifies simulated H-alpha fields, so that it
needs no download; your own Maps go in the same way.
"""

import astropy.units as u
import matplotlib.pyplot as plt

from sunpy_ml import classify_map, classify_maps
from sunpy_ml.simulation import halpha_scene

###############################################################################
# A field of view with sunspots and plage, as a SunPy Map with a true header.

spots = halpha_scene("sunspots", seed=1)
print(spots.center, spots.scale)

###############################################################################
# The result holds the probabilities of the classes, which exclude each other, and of each feature by itself.

result = classify_map(spots)
print(result.label, result.probabilities)
print("a filament is in the field with probability", round(result.features["filaments"], 2))

result.plot()
plt.show()

###############################################################################
# A prominence at the limb, at a coarser plate scale.

result = classify_map(halpha_scene("prominences", scale=1.5 * u.arcsec / u.pix, seed=5))
result.plot()
plt.show()

###############################################################################
# Many observations give a table, with a row for each.

kinds = ("filaments", "prominences", "quiet", "sunspots")
table = classify_maps([halpha_scene(kind, seed=11) for kind in kinds])
table["label", "p_filaments", "p_prominences", "p_quiet", "p_sunspots", "in_domain"]

###############################################################################
# An observation that the network was not trained on is answered with a warning, or refused.

from sunpy_ml.exceptions import DomainError  # noqa: E402

full_disk = halpha_scene("quiet", scale=10 * u.arcsec / u.pix)
try:
    classify_map(full_disk, strict=True)
except DomainError as error:
    print(error)
