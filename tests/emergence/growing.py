"""Cubes in which a region grows at a known time, and a network that tells when: all but the training can be tested."""

import astropy.units as u
import numpy as np
import torch
from astropy.time import Time, TimeDelta
from astropy.wcs import WCS
from ndcube import NDCube
from torch import nn

from sunpy_ml.weights import Card, Domain, FileSource, Input, Output, Training

START = Time("2001-03-01T06:00:00")
FRAMES, CADENCE = 225, 96 * u.min
# Mean unsigned field of the region when it has grown, in kilogauss, over 90 x 90 pixels.
GROWN = 2 * 0.4 * 2 * np.pi * 4**2 / 90**2


def patch_wcs(shape, scale=0.12, cadence=5760.0, ctype=("CRLN-CEA", "CRLT-CEA")):
    wcs = WCS(naxis=3)
    header = wcs.wcs
    header.ctype = [*ctype, "TIME"]
    header.cunit = ["deg", "deg", "s"]
    header.cdelt = [scale, scale, cadence]
    header.crpix = [(shape[2] + 1) / 2, (shape[1] + 1) / 2, 1.0]
    header.crval = [200.0, 15.0, 0.0]
    header.timesys = "UTC"
    header.dateref = header.dateobs = START.isot
    header.mjdref = [np.floor(START.mjd), START.mjd - np.floor(START.mjd)]
    header.mjdobs = START.mjd
    header.aux.rsun_ref = 6.957e8
    header.aux.dsun_obs = u.au.to(u.m)
    header.aux.hgln_obs = header.aux.hglt_obs = 0.0
    header.set()
    wcs.array_shape = shape
    return wcs


def growing_field(days, day, shape=(90, 90)):
    """A bipole that grows around a day, up to 400 G, north-east of the middle, beside an old one; in gauss."""
    rows, columns = np.indices(shape) + 0.5
    y, x = rows * 90 / shape[0], columns * 90 / shape[1]

    def spot(row, column):
        return 400 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 32)

    new, old = spot(60, 38) - spot(60, 15), spot(20, 72) - spot(20, 50)
    grown = 1 / (1 + np.exp(-(np.asarray(days) - day) / 0.5))
    return (old + grown[:, np.newaxis, np.newaxis] * new).astype(np.float32)


def growing_cube(day=7.0, *, days=None, frames=FRAMES, shape=(90, 90), **options):
    """An NDCube of such a field; times that are given are those of the extra coordinate."""
    given = np.arange(frames) * CADENCE.to_value(u.day) if days is None else np.asarray(days)
    field = growing_field(given, day, shape)
    cube = NDCube(field, wcs=patch_wcs(field.shape, 0.12 * 90 / shape[0]), **{"unit": u.G, **options})
    if days is not None:
        cube.extra_coords.add("time", 0, START + TimeDelta(given, format="jd"))
    return cube


class Rise(nn.Module):
    """Members that compare how much the mean unsigned field has grown since frame 30 with their own thresholds."""

    def __init__(self, thresholds=(0.3, 0.5, 0.7)):
        super().__init__()
        self.thresholds = nn.Parameter(torch.tensor(thresholds))

    def logits(self, rise):
        return 8 * (rise[..., None] / GROWN - self.thresholds)

    def forward(self, x):
        curve = (2 * x - 1).abs().mean(dim=(-1, -2))
        return self.logits(curve[:, -1] - curve[:, 30])

    def held(self, x):
        curve = (2 * x - 1).abs().mean(dim=(-1, -2))
        before = curve[:, 30:31].repeat(1, curve.shape[1])
        before[:, :30] = curve[:, :30]
        return self.logits(curve - before)


class Lopsided(nn.Module):
    """Sees every pixel, polarity, latitude, longitude and time differently; has no short cut."""

    def __init__(self, shape=(12, 12), members=2):
        super().__init__()
        weights = torch.randn(members, FRAMES, *shape, generator=torch.Generator().manual_seed(1))
        self.weights = nn.Parameter(weights / 8)

    def forward(self, x):
        # Squared, since what is odd in the polarity is nothing in the mean over both.
        total = torch.einsum("nthw,mthw->nm", (x - 0.5).double(), self.weights.double())
        return total.square().float() - 1


def card_of(shape=(90, 90), **options):
    return Card(
        name="rise-1",
        version="1",
        task="emergence",
        title="Grows or not",
        licence="BSD-3-Clause",
        reference="",
        citation="",
        file=FileSource("safetensors", path="rise-1.safetensors"),
        input=Input("fixed-shape", "raw", shape=shape),
        training=Training(("nothing",)),
        **{
            "network": "rise",
            "validated_on": "simulation",
            "output": Output(classes=("emergence",)),
            "domain": Domain(units=("G",), duration=(12, 16)),
            **options,
        },
    )
