"""
What a network looked at
========================

A network calls a field "sunspots". Because of the spot? This example asks it, in several ways, and then asks whether
the answers can be believed. It uses simulated H-alpha fields, so that it needs no download.
"""

import matplotlib.pyplot as plt
import numpy as np

from sunpy_ml import classify_map
from sunpy_ml.explain import explain_map, plot_relevance, randomisation_check
from sunpy_ml.simulation import halpha_scene

###############################################################################
# A field with sunspots and plage, and what the network says of it.

m = halpha_scene("sunspots", seed=4)
result = classify_map(m)
print(result.label, round(result.probabilities[result.label], 2))

###############################################################################
# Grad-CAM shows where the last features of the network speak for the predicted class. It is coarse: the maps that it
# weighs have 8 by 8 cells, each of which sees far around itself. As the answer is, it is the mean over the eight turns
# and reflections of the image.

relevance = explain_map(m, "gradcam")
plot_relevance(relevance, m)
plt.show()

###############################################################################
# The relevance is a Map on the grid of the observation, so coordinates can be asked.

peak = np.unravel_index(relevance.data.argmax(), relevance.data.shape)
print(relevance.wcs.pixel_to_world(peak[1], peak[0]))

###############################################################################
# Occlusion uses no gradient. It covers one window after another with a flat field and reports by how much the score
# falls; where it is blue, the network would be surer without what is there. Here of the feature by itself: is there a
# spot, whatever else there is?

plot_relevance(explain_map(m, "occlusion", target="has_sunspots", window=48), m)
plt.show()

###############################################################################
# Guided backpropagation is sharp, and looks most convincing.

plot_relevance(explain_map(m, "guided_backprop"), m)
plt.show()

###############################################################################
# Looks prove nothing. What happens when the last layers of the network, those that decide what a spot is, get random
# weights? An explanation must change. The rank correlation of the relevance before and after should be near zero; that
# of guided backpropagation is not: most of its picture is of the image, and little of the network's reasons.

for method in ("saliency", "guided_backprop"):
    left = randomisation_check(m, method, layers=["classes", "present"], target="sunspots")
    print(f"{method}: {left.mean():.2f} of the relevance is left")
