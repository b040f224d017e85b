"""Plage, network and internetwork: flux concentrations between the granules."""

from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.ndimage import gaussian_filter

from sunpy_ml.simulation.drawing import Floats, blur, smooth_noise
from sunpy_ml.simulation.photosphere.spots import Grid

__all__ = ["Concentrations", "balanced", "concentrations", "draw_orders", "filled", "internetwork", "lit"]

# At most this share of an area can be filled.
_FULLEST = 0.45
# Flux concentrations have borders this soft (sigma, in Mm), and wider ones are darker (Mm, relative brightness).
_SOFT, _WIDE, _WIDE_INTENSITY = 0.05, 0.25, 0.60
# Both polarities are brought together in so many steps, each of which halves what is left.
_BALANCINGS = 8
# So many pixels tell the mean of a scene well enough.
_ENOUGH = 60_000

Pair: TypeAlias = tuple[Floats, Floats]


class Concentrations(NamedTuple):
    """
    Flux concentrations.

    Parameters
    ----------
    cover : numpy.ndarray
        Which part of each pixel they take.
    field : numpy.ndarray
        Vertical field, in G.
    """

    cover: Floats
    field: Floats


def draw_orders(rng: np.random.Generator, grid: Grid, lanes: Floats) -> Pair:
    """
    Return which share of all pixels is likelier to be magnetic than each: the first are deep in the lanes, in clumps.

    Where a share f is to be filled, pixels with an order below f are. There is one order for the positive and one for
    the negative polarity, which clump where the other does not.
    """
    small, middle, large = (smooth_noise(rng, grid.shape, grid.pixel, size) for size in (0.25, 0.8, 2.2))
    clumps = 0.35 * small + 0.9 * middle + 0.7 * large
    return _ranked(lanes + clumps), _ranked(lanes - clumps)


def _ranked(score: Floats) -> Floats:
    order = np.empty(score.size, np.float32)
    order[np.argsort(-score, axis=None)] = (np.arange(score.size, dtype=np.float32) + 0.5) / score.size
    return order.reshape(score.shape)


def filled(order: Floats, share: Floats) -> Floats:
    """Return the cover that fills this share of each neighbourhood."""
    share = np.clip(share, 1e-5, _FULLEST)
    ramp = np.clip(1.5 - order / share, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def balanced(orders: Pair, envelopes: Pair, targets: tuple[float, float], room: Floats, excess: float) -> Pair:
    """
    Fill the envelopes of both polarities such that the flux of the scene is balanced.

    Parameters
    ----------
    orders : tuple of numpy.ndarray
        As drawn by `draw_orders`, for the positive and for the negative polarity.
    envelopes : tuple of numpy.ndarray
        Where there is much and little flux, not negative.
    targets : tuple of float
        Mean covers to begin with.
    room : numpy.ndarray
        Which part of each pixel is free for flux concentrations.
    excess : float
        Mean positive less mean negative field of all else, in units of that of the concentrations.

    Returns
    -------
    tuple of numpy.ndarray
        The covers. Of what is to be made up, the weaker polarity gains all that it can, and the stronger loses at
        most nine tenths.
    """
    thin = max(min(int(np.sqrt(room.size / _ENOUGH)), 3), 1)
    thin_orders, thin_envelopes = [tuple(image[::thin, ::thin] for image in pair) for pair in (orders, envelopes)]
    thin_room = room[::thin, ::thin]
    wanted = np.array([targets[0] + max(-excess, 0), targets[1] + max(excess, 0)])
    least = 0.1 * np.array(targets)
    levels = [0.0, 0.0]
    for _ in range(_BALANCINGS):
        means = np.zeros(2)
        for sign in (0, 1):
            levels[sign] = _level(thin_orders[sign], thin_envelopes[sign], thin_room, wanted[sign])
            cover = filled(thin_orders[sign], levels[sign] * thin_envelopes[sign])
            means[sign] = float((cover * thin_room).mean())
        left = excess + means[0] - means[1]
        wanted = np.maximum(np.minimum(wanted, means + 0.02) + 0.5 * left * np.array([-1, 1]), least)
    positive, negative = (filled(orders[sign], levels[sign] * envelopes[sign]) for sign in (0, 1))
    return positive * room, negative * room


def _level(order: Floats, envelope: Floats, room: Floats, target: float) -> float:
    """Return by what the envelope is to be multiplied for this mean cover."""
    low, high = -14.0, 14.0
    for _ in range(14):
        middle = 0.5 * (low + high)
        if float((filled(order, np.exp(middle) * envelope) * room).mean()) < target:
            low = middle
        else:
            high = middle
    return float(np.exp(0.5 * (low + high)))


def concentrations(
    rng: np.random.Generator, grid: Grid, positive: Floats, negative: Floats, strength: float
) -> Concentrations:
    """Make flux concentrations of both covers, of uneven strength."""
    sigma = _SOFT / grid.pixel
    signed = gaussian_filter(positive - negative, sigma)
    uneven = 1 + 0.15 * smooth_noise(rng, grid.shape, grid.pixel, 0.2)
    cover = np.minimum(gaussian_filter(np.maximum(positive, negative), sigma), 1)
    return Concentrations(cover, strength * uneven * signed)


def internetwork(rng: np.random.Generator, grid: Grid, lanes: Floats, mean: float) -> Floats:
    """Return the weak field of both polarities between the granules, of this mean unsigned value at 0.1 arcsec."""
    first = smooth_noise(rng, grid.shape, grid.pixel, 0.16)
    second = smooth_noise(rng, grid.shape, grid.pixel, 0.35)
    weak = (0.8 * first + 0.6 * second) * np.abs(first * second) ** 0.6 * np.exp(0.6 * np.clip(lanes, -2, 2))
    weak -= weak.mean()
    return weak * (mean / float(np.abs(blur(weak, 0.03 / grid.pixel)).mean()))


def lit(granules: Floats, grid: Grid, cover: Floats, point: float) -> Floats:
    """Return the continuum of granulation with flux concentrations: narrow ones bright, wide ones dark."""
    width = gaussian_filter(cover, _WIDE / grid.pixel)
    crowd = np.minimum(blur(cover, 0.9 / grid.pixel), 1)
    # Crowded concentrations hinder convection.
    granules = 1 + (granules - 1) * (1 - 0.6 * crowd)
    share = np.clip((width - 0.42) / 0.45, 0, 1)
    tube = point + (_WIDE_INTENSITY - point) * share * share * (3 - 2 * share)
    # In wide ones convection still shows.
    tube *= 1 + 0.6 * share * (granules - 1)
    return granules + 0.9 * cover * (tube - granules)
