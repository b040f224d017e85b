"""
Does it help to start from trained weights?
===========================================

A network for prominences at 304 angstrom: is it better to start from features that were learned in H-alpha, or from
nothing? Transfer can help, do nothing or harm, so this example measures it, with few images and few steps.

No observations come with this package, so stand-ins are made of simulated H-alpha fields. What is measured here thus
says something about the method and nothing about the Sun. On real images of AIA and HMI, tested on later dates, the
gain was smaller, and sure in part: those figures are in the guide, :doc:`/guide/transfer`. Nor is the start a
stranger to this task: the default weights have seen prominences in fields of this simulation, and real images at 304
angstrom.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import torch
from astropy.coordinates import SkyCoord
from scipy.stats import binned_statistic
from sunpy.coordinates import Helioprojective
from sunpy.map import Map, all_coordinates_from_map

from sunpy_ml.observations import prepare
from sunpy_ml.simulation import halpha_scene
from sunpy_ml.training import transfer, transfer_report
from sunpy_ml.weights import get_card

TIME = "2014-10-24T12:00:00"

###############################################################################
# Fields at the limb, with and without a prominence, in the tones of browse images at 304 angstrom: no limb darkening, a
# mottled disk, and beyond the limb a bright fringe that fades over a tenth of the solar radius. Prominences stand out
# from it more or less.


def at_the_limb(kind, rng):
    angle, distance = rng.uniform(0, 360) * u.deg, rng.uniform(930, 985) * u.arcsec
    frame = Helioprojective(observer="earth", obstime=TIME)
    center = SkyCoord(distance * np.cos(angle), distance * np.sin(angle), frame=frame)
    return halpha_scene(kind, shape=(96, 96), scale=2.8 * u.arcsec / u.pix, center=center, time=TIME, seed=rng)


def like_304(m, rng):
    where = all_coordinates_from_map(m)
    height = (np.hypot(where.Tx, where.Ty) / m.rsun_obs).to_value(u.one) - 1
    # What is usual at each height on the disk and above it, so that darkening and sky can be taken out.
    level = np.empty(height.shape)
    for part in (height < 0, height >= 0):
        usual, edges, _ = binned_statistic(height[part], m.data[part], "median", bins=30)
        level[part] = np.interp(height[part], (edges[1:] + edges[:-1]) / 2, usual)
    disk = (m.data / level) ** 4
    fringe = rng.uniform(0.4, 0.7) * np.exp(-height / rng.uniform(0.08, 0.13))
    sky = fringe + rng.uniform(0.2, 0.9) * (m.data - level) / 500
    data = 100 * np.where(height < 0, disk, sky) + rng.normal(0, 3, height.shape)
    header = {key: m.meta[key] for key in m.meta if key not in ("keycomments", "features")}
    return Map(data.clip(0, 255).astype(np.float32), {**header, "wavelnth": 304, "waveunit": "Angstrom", "bunit": ""})


rng = np.random.default_rng(304)
kinds = np.resize(["quiet", "prominences"], 164)
fields = [like_304(at_the_limb(kind, rng), rng) for kind in kinds]

figure = plt.figure(figsize=(10.5, 3.4), layout="constrained")
for column, (field, kind) in enumerate(zip(fields[:4], kinds, strict=False), start=1):
    axes = figure.add_subplot(1, 4, column, projection=field)
    axes.imshow(field.data, origin="lower", cmap="gray", vmin=0, vmax=160)
    axes.set_title("prominence" if kind == "prominences" else "none")
    axes.coords[0].set_axislabel("solar x")
    axes.coords[1].set_axislabel("solar y" if column == 1 else " ")
    for coordinate in axes.coords:
        coordinate.set_ticks(number=3)
        coordinate.set_major_formatter("s")
figure.suptitle("Stand-ins for images at 304 angstrom, made of simulated H-alpha fields")
plt.show()

###############################################################################
# The images as the trained weights read them, on a coarser grid to save time: 64 to learn from and 100 to test with.

card = get_card("halpha-2")
images = torch.stack([torch.from_numpy(np.array(prepare(field, card).data))[None] for field in fields])
images = torch.nn.functional.avg_pool2d(images, 2)
classes = torch.from_numpy((kinds == "prominences").astype(np.int64))
train, test = (images[:64], classes[:64]), (images[64:], classes[64:])

###############################################################################
# `~sunpy_ml.training.transfer` gives the network that a training of one's own would go on with: trained features, and a
# head for the new classes.

network = transfer("halpha-2", n_classes=2)
print(sum(value.numel() for value in network.parameters()), "parameters, all of them free to learn")

###############################################################################
# Whether that was worth it: the same few steps, on the same batches, from the transferred start and from a fresh one.

report = transfer_report("halpha-2", train, test, seeds=(0, 1, 2), steps=40, batch=16)
print(report)

###############################################################################
# On the left each line is a pair of trainings. On the right is the mean difference with its two intervals: one for
# another draw of starts and batches, one for other test fields. Only where both are on one side of zero does the
# report name a better start.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", width_ratios=(3, 2))
for seed, fresh, transferred in zip(report.seeds, report.fresh, report.transferred, strict=True):
    left.plot([0, 1], [fresh, transferred], "o-", color="#0072b2", alpha=0.7, label="one pair" if seed == 0 else None)
left.axhline(0.5, color="#999999", linestyle="--", label="guessing")
left.set_xticks([0, 1], ["fresh start", "transferred"])
left.set_xlim(-0.4, 1.4)
left.set_ylim(0, 1.02)
left.set_ylabel(f"accuracy on {report.n_test} test fields")
left.set_title(f"{report.n_train} training fields, 40 steps of 16")
left.legend(loc="lower right")
for place, (low, high) in enumerate((report.interval, report.test_interval)):
    right.plot([place, place], [low, high], color="#d55e00")
    right.plot(place, report.difference, "o", color="#d55e00")
right.axhline(0, color="#999999", linestyle="--")
right.set_xticks([0, 1], ["over seeds", "over test fields"])
right.set_xlim(-0.5, 1.5)
right.set_ylabel("accuracy, transferred minus fresh")
right.set_title(f"better: {report.better} (95 % intervals)")
plt.show()

###############################################################################
# A fresh start that is still near guessing has not failed: it had too few steps, and the difference only tells how far
# the other one got in them. Another learning rate, a longer training or more fields may shrink the difference or turn
# it, so measure with the budget that you mean to spend.
