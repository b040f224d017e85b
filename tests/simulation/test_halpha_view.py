"""The geometry of the scenes, against that of sunpy."""

import numpy as np
import pytest
from sunpy.map.maputils import all_coordinates_from_map

from sunpy_ml.simulation import halpha_scene
from sunpy_ml.simulation.halpha.view import look_at

ARCSEC = np.pi / 180 / 3600
DISTANCE, RADIUS = 149597.8707, 695.7


def look(tx, ty, *, shape=(60, 80), scale=2.0):
    center = (tx * ARCSEC, ty * ARCSEC)
    return look_at(center, shape=shape, scale=scale * ARCSEC, distance=DISTANCE, radius=RADIUS)


def test_agrees_with_sunpy():
    scene = halpha_scene("prominences", shape=(50, 64), seed=11)
    view = look(scene.meta["crval1"], scene.meta["crval2"], shape=(50, 64), scale=1.06)
    world = all_coordinates_from_map(scene)
    tx, ty = world.Tx.to_value("rad"), world.Ty.to_value("rad")
    impact = DISTANCE * np.sqrt(1 - (np.cos(tx) * np.cos(ty)) ** 2)
    assert np.allclose(view.height, impact - RADIUS, atol=0.01)
    assert np.array_equal(view.on_disk, view.height <= 0)
    assert np.allclose(view.mu[view.on_disk], np.sqrt(1 - (impact[view.on_disk] / RADIUS) ** 2), atol=1e-3)
    assert not view.mu[~view.on_disk].any()


@pytest.mark.parametrize(("tx", "ty"), [(0, 0), (500, -300), (-900, 100), (0, 930)])
def test_surface_coordinates_lead_back_to_the_pixels(tx, ty):
    view = look(tx, ty)
    column, row = view.surface_to_pixel(view.x, view.y)
    rows, columns = np.indices(view.shape)
    sharp = view.mu > 0.05
    assert sharp.any()
    assert np.allclose(column[sharp], columns[sharp], atol=0.02)
    assert np.allclose(row[sharp], rows[sharp], atol=0.02)


def test_surface_lengths_are_true_and_foreshortened():
    view = look(600, 0, shape=(41, 41), scale=1.0)
    along_limb = view.y[21, 20] - view.y[20, 20]
    across = view.x[20, 21] - view.x[20, 20]
    assert along_limb == pytest.approx(view.pixel, rel=0.01)
    assert across == pytest.approx(view.pixel / view.mu[20, 20], rel=0.01)


def test_the_far_side_is_hidden():
    column, row = look(0, 0).surface_to_pixel(np.array([0.0, 2000.0]), np.array([0.0, 0.0]))
    assert np.array_equal(np.isnan(column), [False, True])
    assert np.array_equal(np.isnan(row), [False, True])


def test_points_above_the_limb():
    view = look(-680, 680, shape=(200, 200))
    column, row = view.limb_to_pixel(np.full(3, 0.75 * np.pi), np.array([0.0, 20.0, 40.0]))
    heights = view.height[np.round(row).astype(int), np.round(column).astype(int)]
    assert np.allclose(heights, [0, 20, 40], atol=view.pixel)


@pytest.mark.parametrize(("tx", "ty", "middle"), [(-680, 680, 0.75), (-960, 0, 1.0), (0, -960, -0.5)])
def test_limb_angles_are_in_order(tx, ty, middle):
    view = look(tx, ty)
    angles = view.limb_angles()
    assert np.all(np.diff(angles) >= 0)
    assert np.median(angles) == pytest.approx(middle * np.pi, abs=0.02)
    assert np.ptp(angles) < 0.3


def test_directions_are_foreshortened():
    view = look(900, 0, shape=(31, 31), scale=1.0)
    ones, zeros = np.ones(view.shape), np.zeros(view.shape)
    inward, _ = view.foreshorten(ones, zeros)
    _, along = view.foreshorten(zeros, ones)
    assert inward[15, 15] == pytest.approx(view.mu[15, 15], rel=0.01)
    assert along[15, 15] == pytest.approx(1, rel=0.01)
