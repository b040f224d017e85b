"""The parts of photospheric scenes: granulation, flux concentrations, spots."""

import numpy as np
import pytest

from sunpy_ml.simulation.photosphere import flux_tubes
from sunpy_ml.simulation.photosphere.granulation import granulation, lanes
from sunpy_ml.simulation.photosphere.spots import Grid, Spot, draw_spots


def grid(side, pixel):
    axis = (np.arange(side, dtype=np.float32) - (side - 1) / 2) * np.float32(pixel)
    return Grid(axis[None, :], axis[:, None], pixel)


def spot(**changes):
    values = {
        "x": 0.0,
        "y": 0.0,
        "radius": 8.0,
        "umbra": 3.5,
        "polarity": -1.0,
        "penumbra": True,
        "intensity": 0.1,
        "field": 2800.0,
        "boundary": 1850.0,
        "edge": 700.0,
        "inclination": np.deg2rad(79),
    }
    return Spot(**{**values, **changes})


def test_granulation_has_the_contrast_asked_for_and_is_periodic():
    light = granulation(np.random.default_rng(0), (240, 200), 0.08, spacing=1.35, contrast=0.16)
    assert light.mean() == pytest.approx(1, abs=1e-4)
    assert light.std() == pytest.approx(0.16, rel=1e-3)
    across = np.abs(light[:, 0] - light[:, -1]).mean()
    assert across < 1.3 * np.abs(np.diff(light, axis=1)).mean()


def test_larger_spacing_makes_larger_granules():
    def size(spacing):
        light = granulation(np.random.default_rng(1), (300, 300), 0.1, spacing=spacing, contrast=0.16) - 1
        return light.var() / np.mean(np.diff(light, axis=0) ** 2)

    assert size(2.0) > 1.5 * size(1.2)


def test_lanes_are_dark():
    light = granulation(np.random.default_rng(2), (200, 200), 0.1, spacing=1.35, contrast=0.16)
    dark = lanes(light, 0.1)
    assert np.corrcoef(light.ravel(), dark.ravel())[0, 1] < -0.7
    assert dark.std() == pytest.approx(1)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_filled_takes_its_share(share):
    order = np.random.default_rng(0).permutation(40000).reshape(200, 200) / 40000
    assert flux_tubes.filled(order, np.full_like(order, share)).mean() == pytest.approx(share, rel=0.03)


@pytest.mark.parametrize("excess", [-0.06, 0.0, 0.03])
def test_balanced_makes_up_for_the_excess(excess):
    rng = np.random.default_rng(3)
    where = grid(240, 0.15)
    light = granulation(rng, (240, 240), 0.15, spacing=1.35, contrast=0.16)
    orders = flux_tubes.draw_orders(rng, where, lanes(light, 0.15))
    slope = np.linspace(0, 1, 240, dtype=np.float32)[None, :] * np.ones((240, 1), np.float32)
    room = np.ones_like(slope)
    positive, negative = flux_tubes.balanced(orders, (slope, 1 - slope), (0.04, 0.04), room, excess)
    assert positive.mean() - negative.mean() == pytest.approx(-excess, abs=0.004)
    assert positive.mean() > 0.003
    assert negative.mean() > 0.003
    # Each polarity clumps where the other does not.
    together = np.minimum(positive, negative).mean()
    assert together < 0.1 * min(positive.mean(), negative.mean())


def test_internetwork_has_the_mean_asked_for_and_both_polarities():
    where = grid(300, 0.072)
    light = granulation(np.random.default_rng(4), (300, 300), 0.072, spacing=1.35, contrast=0.16)
    weak = flux_tubes.internetwork(np.random.default_rng(5), where, lanes(light, 0.072), 10.0)
    assert np.abs(weak).mean() == pytest.approx(10, rel=0.15)
    assert abs(weak.mean()) < 0.5


def test_field_of_a_spot_falls_outwards():
    drawn = draw_spots(np.random.default_rng(6), grid(200, 0.15), [spot()])
    levels = [np.median(drawn.field[np.abs(drawn.depth - depth) < 0.06]) for depth in (0.3, 1.0, 1.3, 1.6, 2.0, 2.4)]
    assert np.all(np.diff(levels) > 0)
    assert levels[1] == pytest.approx(-1850, rel=0.05)
    assert -250 < levels[4] < -60
    assert abs(levels[5]) < 30


def test_touching_spots_change_sign_between_them():
    spots = [spot(x=-5.0), spot(x=5.0, polarity=1.0)]
    drawn = draw_spots(np.random.default_rng(7), grid(240, 0.15), spots)
    row = drawn.field[118:122].mean(axis=0)
    assert row[:100].min() < -1500
    assert row[-100:].max() > 1500
    assert np.abs(np.diff(row)).max() < 600


def test_spots_outside_the_field_are_left_out():
    drawn = draw_spots(np.random.default_rng(8), grid(60, 0.15), [spot(x=90.0)])
    assert (drawn.field == 0).all()
    assert (drawn.depth > 3).all()
