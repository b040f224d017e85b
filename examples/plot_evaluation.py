"""
How good are these weights on my data?
======================================

A model card tells how a network did on its authors' data. This example measures it on a labelled set of one's own: a
folder of FITS files for each class. Here the files are simulated H-alpha fields, so that it needs no download and the
labels are beyond doubt. It therefore shows how to measure, and not how good the weights are on the Sun. Figures on real
observations, with instruments and dates, are in the :doc:`model card </generated/cards/halpha-2>`. The network has seen
fields of this simulation in training too, though none of these.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np

from sunpy_ml.simulation import halpha_scene
from sunpy_ml.training import FolderDataset, evaluate
from sunpy_ml.weights import get_card

card = get_card("halpha-2")

###############################################################################
# Twelve fields of each class, each at a plate scale of its own.

rng = np.random.default_rng(2024)
temporary = TemporaryDirectory()
folder = Path(temporary.name)
for kind in card.output.classes:
    (folder / kind).mkdir()
    for number in range(12):
        scale = rng.uniform(0.35, 1.5) * u.arcsec / u.pix
        scene = halpha_scene(kind, scale=scale, seed=rng)
        scene.save(folder / kind / f"{number:02d}.fits")

###############################################################################
# The data set opens each file only when it is asked for, and prepares it as the card says: orientation, resampling and
# normalisation belong to the weights. So does the averaging over the eight turns of an image; what is scored is the
# answer that `~sunpy_ml.classify_map` gives.

dataset = FolderDataset(folder, card, card.output.classes)
result = evaluate("halpha-2", dataset, data="60 simulated fields of 90 to 380 arcsec")

###############################################################################
# Each score comes with its 95 % interval. Of twelve cases they are wide: a recall of 1.00 in twelve says that the true
# one is probably above 0.76, and no more.

table = result.table()
for column in ("value", "low", "high"):
    table[column].info.format = ".2f"
table["name", "n", "value", "low", "high"]

###############################################################################
# Which class is mistaken for which: a row for each true class.

result.plot_confusion()
plt.show()

###############################################################################
# And can the probabilities be taken at their word? Where the network is as often right as it is sure, the points lie on
# the dashed line. Points far below it are answers that are too sure, points above it too timid ones. The bars tell how
# many answers a point rests on.

result.plot_reliability()
plt.show()

###############################################################################
# Fields that went wrong are worth a look, before the network is blamed or the label.

for index in np.flatnonzero(result.predicted != result.truth):
    source, called = Path(dataset.source(index)).relative_to(folder), result.classes[result.predicted[index]]
    print(f"{source}: called {called}, at {dataset.observation(index).scale[0]:.2f}")

temporary.cleanup()
