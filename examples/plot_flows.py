"""
Flows: from two images to velocities, corks and a spectrum
==========================================================

How does the surface move? This example finds the velocities in frames of granulation with a network and by local
correlation tracking, compares them with the velocity that moved the frames, which is known here, and lets corks float.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np

from sunpy_ml import advect_corks, deepvel_flow, lct_flow
from sunpy_ml.flows import divergence, flow_residual, kinetic_energy_spectrum, plot_flow
from sunpy_ml.simulation import moving_granulation

###############################################################################
# Six frames, 30 seconds apart, of granulation that is carried by a steady flow: the frames have coordinates and times,
# so nothing else has to be told.

frames, truth, card = moving_granulation(
    shape=(160, 200), frames=6, scale=0.12 * u.arcsec / u.pix, rms=1 * u.km / u.s, seed=3
)
flow = lct_flow(frames, window=0.8 * u.Mm, average="all")
print(flow["vx"].meta["pairs"], "pairs of frames;", flow["vx"].meta["masked"][0], "pixels without a velocity")

###############################################################################
# The arrows are the velocities that were found, over the first frame.

plot_flow(flow, frames.data[0])
plt.show()

###############################################################################
# What was found is smoother than the truth, since the window is wider than much of the flow. Its slope tells by how
# much; the correlation tells how well the pattern is seen. On the Sun neither is known.

found = np.stack([flow[name].data[0] for name in ("vx", "vy")])
known = np.stack([truth[name].data[0] for name in ("vx", "vy")])
seen = np.isfinite(found)
slope = (found[seen] * known[seen]).sum() / (known[seen] ** 2).sum()
print(f"slope {slope:.2f}, correlation {np.corrcoef(found[seen], known[seen])[0, 1]:.2f}")

###############################################################################
# A network has no window, and needs two frames only: here are the components towards the west of the truth, of what the
# network found between the first two frames, and of what correlation tracking found between the same.

pair = deepvel_flow(frames[:2])
single = lct_flow(frames, window=0.8 * u.Mm)
figure, panels = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained", sharex=True, sharey=True)
fields = {"truth": truth, "network": pair, "correlation": single}
for axes, (name, velocity) in zip(panels, fields.items(), strict=True):
    found = velocity["vx"].data[0]
    shown = axes.imshow(found, origin="lower", cmap="RdBu_r", vmin=-2, vmax=2)
    difference = np.sqrt(np.nanmean((found - truth["vx"].data[0]) ** 2))
    axes.set_title(f"{name} (rms error {difference:.2f} km/s)" if velocity is not truth else name)
    axes.set(xlabel="column", ylabel="row")
figure.colorbar(shown, ax=panels, shrink=0.8, label="velocity to the west, km/s")
plt.show()

###############################################################################
# What can be checked on the Sun, too: the first image, carried by the flow, should be more like the second one than it
# was. One is no better than nothing.

for name, velocity in {"network": pair, "correlation": flow, "true": truth}.items():
    print(f"residual, {name}: {flow_residual(frames, velocity).value:.2f}")

###############################################################################
# Corks come together where the flow does, in the lanes. A single field of granules would not last longer than they do.

corks = advect_corks(flow, number=4000, duration=10 * u.min)
figure, both = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained", sharex=True, sharey=True)
rate = divergence(flow).data[0]
shown = both[0].imshow(1e3 * rate, origin="lower", cmap="RdBu_r", vmin=-6, vmax=6)
both[0].set_title("divergence")
figure.colorbar(shown, ax=both[0], shrink=0.8, label="per 1000 s")
both[1].imshow(frames.data.mean(axis=0), origin="lower", cmap="gray")
both[1].plot(corks["column"][-1].value, corks["row"][-1].value, ".", color="tab:orange", markersize=2)
both[1].set_title(f"corks after {corks['time'][-1].to(u.min):.0f}")
for axes in both:
    axes.set(xlabel="column", ylabel="row")
plt.show()

###############################################################################
# On which scales the kinetic energy is, in the fields that correlation tracking found in single pairs: what differs
# from one to the next is noise here, since the flow is steady. Beyond the dotted line, the window has taken more than
# half of the velocity.

axes = kinetic_energy_spectrum(single).plot()
spectrum = kinetic_energy_spectrum(truth)
axes.loglog(spectrum.wavenumber.value, spectrum.energy.value, color="tab:green", label="energy of the truth")
axes.set_ylim(bottom=1e-5)
axes.legend()
plt.show()
