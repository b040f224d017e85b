"""Images that move as is known, for the tests of what networks start from."""

import math

import astropy.units as u
import torch

from sunpy_ml.simulation.motion import carry, granulation


def noise(*shape, seed=0):
    """White noise of variance 1."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def drawn_image():
    """Granulation (1, 128, 128) on pixels of 60 km, with contrasts ten times as large as they are."""
    return 10 * (granulation((128, 128), pixel=60 * u.km, periodic=True, seed=4) - 1)


def moved_by_waves(image, period, size):
    """Two images that waves of so many pixels have moved by up to ``size`` pixels, and the displacement."""
    row, column = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    wave = 2 * math.pi / period
    flow = size * torch.stack([torch.sin(wave * row), torch.sin(wave * column)])[None]
    return torch.cat([carry(image, sign * flow, periodic=True)[0] for sign in (-0.5, 0.5)])[None], flow
