"""The network of the quiet Sun: pairs that come up in cells, part, walk along borders and cancel with others."""

import numpy as np

from sunpy_ml.simulation.drawing import Floats
from sunpy_ml.simulation.emergence.elements import Elements, since, smooth_step, together, walk
from sunpy_ml.simulation.emergence.parameters import PARAMETERS, draw, value

__all__ = ["draw_network"]

# Spread of where pairs come up over the radius of their cell, and the time to its border, in days.
_INSIDE = 0.4
_SWEEP = 0.4
# Days before the first frame from which pairs come up.
_BEFORE = 8.0
# How long elements take to come up and to cancel, in days.
_CHANGE = 0.1
# Mx of which the life is as the parameter says.
_USUAL = 3e18


def draw_network(rng: np.random.Generator, days: Floats, width: tuple[float, float]) -> Elements:
    """
    Draw network for all of a time, in a steady state.

    An element of each polarity comes up at one place, and each ends with one of the other polarity, at the border of
    the cell, where they cancel. Flux is balanced on average.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the randomness.
    days : numpy.ndarray
        Of the frames.
    width : tuple of float
        Of what is to be covered, along x and y, in Mm.
    """
    cell = draw(rng, "cell")
    columns, rows = (int(np.ceil(length / cell)) + 1 for length in width)
    cells = columns * rows
    sample = _feature_fluxes(rng, 10000)
    # Pairs that come up in a day, so that as much flux is there as there should be.
    rate = draw(rng, "quiet_field") * cells * (cell * 1e8) ** 2 / (2 * np.mean(sample * _mean_life(sample)))
    begin = days[0] - _BEFORE
    count = int(rate * (days[-1] - begin))
    flux = _feature_fluxes(rng, count)
    home, born = rng.integers(0, cells, count), rng.uniform(begin, days[-1], count)
    died = born + np.maximum(_mean_life(flux) * rng.exponential(size=count), 2 * _CHANGE)
    middle = np.stack([(home % columns - (columns - 1) / 2) * cell, (home // columns - (rows - 1) / 2) * cell])
    start = middle + 0.5 * cell * _INSIDE * rng.normal(0, 1, (2, count))
    angle = rng.uniform(0, 2 * np.pi, count)
    end = middle + 0.5 * cell * np.stack([np.cos(angle), np.sin(angle)])
    # The following polarity cancels with the leading one of the pair that comes up next in its cell.
    order = np.lexsort((born, home))
    partner = np.empty(count, dtype=int)
    partner[order] = np.roll(order, -1)
    partner = np.where(home[partner] == home, partner, np.arange(count))
    # Those that wait for a partner live longer: in half of the cells they are positive.
    first = rng.choice([-1.0, 1.0], cells)[home] * flux
    parts = []
    for signed, other in ((first, np.arange(count)), (-first, partner)):
        parts.append(_paths(rng, days, signed, born, np.maximum(died[other], died), start, end[:, other]))
    return together(*parts)


def _mean_life(flux: Floats) -> Floats:
    return value("feature_life") * np.sqrt(flux / _USUAL)


def _feature_fluxes(rng: np.random.Generator, count: int) -> Floats:
    """Return fluxes of a power law between its ends."""
    low, high, *_ = PARAMETERS["feature_flux"]
    power = 1 - value("feature_slope")
    return (low**power + rng.uniform(size=count) * (high**power - low**power)) ** (1 / power)


def _paths(
    rng: np.random.Generator, days: Floats, flux: Floats, born: Floats, stop: Floats, start: Floats, end: Floats
) -> Elements:
    """Return elements that go from where they come up to where they cancel, walking about that way."""
    alive = (stop > days[0]) & (born < days[-1])
    flux, born, stop, start, end = flux[alive], born[alive], stop[alive], start[:, alive], end[:, alive]
    age = days - born[:, None]
    left = stop[:, None] - days
    there = (age > 0) & (left > 0)
    way = 1 - np.exp(-np.maximum(age, 0) / _SWEEP)
    part = np.clip(age / (stop - born)[:, None], 0, 1)
    final = np.maximum(np.minimum(np.searchsorted(days, stop), len(days)) - 1, 0)[:, None]
    paths = []
    for first, last, step in zip(start, end, walk(rng, len(flux), days, draw(rng, "diffusion")), strict=True):
        walked = since(step, there)
        # A bridge: it ends where the partner is.
        walked -= part * np.take_along_axis(walked, final, axis=1)
        paths.append(first[:, None] + (last - first)[:, None] * way + walked)
    x, y = paths
    return Elements(x, y, flux[:, None] * smooth_step(age / _CHANGE) * smooth_step(left / _CHANGE))
