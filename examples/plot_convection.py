"""
Granulation from a box of gas
=============================

A few minutes of convection, from rest to granules, in a box that is small enough to run while this page is built. The
cells are twice as high as those of a run that gives solar figures, and the gas still remembers how it began;
:doc:`the guide </guide/convection>` has the figures.
"""

import astropy.units as u
import matplotlib.pyplot as plt

from sunpy_ml.simulation.convection import carried_field, convection_run

run = convection_run(
    4 * u.min,
    spin_up=4 * u.min,
    cadence=30 * u.s,
    shape=(28, 40, 40),
    cell=(65, 150, 150) * u.km,
    seed=2,
)
intensity = run.intensity
intensity

###############################################################################
# A strip of the movie: the emergent intensity, a minute apart. Each frame has solar coordinates, as if the box lay at
# the centre of the disk.

figure = plt.figure(figsize=(11, 3.2), layout="constrained")
shown = intensity.data[1::2]
for column, data in enumerate(shown, start=1):
    axes = figure.add_subplot(1, len(shown), column, projection=intensity[2 * column - 1].wcs)
    axes.imshow(data, origin="lower", cmap="gray", vmin=shown.min(), vmax=shown.max())
    axes.set_title(f"{run.seconds[2 * column - 1].to_value('min'):.0f} min")
    axes.coords[0].set_axislabel("x (arcsec)")
    axes.coords[1].set_axislabel("y (arcsec)" if column == 1 else " ")
plt.show()

###############################################################################
# At the end: the hot gas rises, and flows apart where it does. A weak vertical field that the flow carries along
# gathers in the lanes.

vx, vy, vz = (run.field(name).data[-1] / 1000 for name in ("vx", "vy", "vz"))
field = carried_field(run, 10 * u.G)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
image = left.imshow(vz, origin="lower", cmap="RdBu", vmin=-5, vmax=5)
left.quiver(range(0, 40, 2), range(0, 40, 2), vx[::2, ::2], vy[::2, ::2], scale=60)
left.set_title("velocity at optical depth 1")
figure.colorbar(image, label="upward (km/s)")
image = right.imshow(field.data[-1], origin="lower", cmap="magma")
right.set_title("carried field")
figure.colorbar(image, label="G")
plt.show()

###############################################################################
# What each frame measures.

run.figures()
