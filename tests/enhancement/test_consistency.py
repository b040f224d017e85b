"""What a telescope sees of an image that was deconvolved."""

import astropy.units as u
import numpy as np
import pytest

from sunpy_ml.enhancement import consistency_map
from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import new_map
from sunpy_ml.optics import HMI, IDEAL_28CM, degrade
from sunpy_ml.simulation.photosphere import photosphere_scene

FINE = 0.126 * u.arcsec / u.pix


@pytest.fixture(scope="module")
def pair():
    """A scene as HMI sees it, and as the ideal telescope of twice the aperture, at points of its finer grid."""
    scene = photosphere_scene("spot", shape=(480, 560), scale=FINE, seed=4).continuum
    seen = degrade(scene, HMI)
    sharp = degrade(scene, IDEAL_28CM, pixel=0.252 * u.arcsec / u.pix)
    return seen, sharp


def test_a_perfect_answer_gives_the_observation_back(pair):
    seen, sharp = pair
    found = consistency_map(sharp, seen)
    inner = found.data[20:-20, 20:-20]
    # The finer pixels here gathered light over their area, which blurs the answer a little more than it should.
    assert inner.std() < 0.15 * (seen.data[20:-20, 20:-20] - seen.data.mean()).std()
    assert found.unit == seen.unit
    assert found.dimensions == seen.dimensions


def test_blurring_twice_would_be_wrong(pair):
    seen, sharp = pair
    once = consistency_map(sharp, seen).data[20:-20, 20:-20].std()
    from dataclasses import replace

    point = replace(IDEAL_28CM, aperture=20 * u.m, name="a point")
    twice = consistency_map(sharp, seen, aim=point).data[20:-20, 20:-20].std()
    assert twice > 2 * once


def test_interpolation_is_not_consistent(pair):
    seen, _ = pair
    doubled = new_map(seen, np.kron(seen.data, np.ones((2, 2), np.float32)))
    assert consistency_map(doubled, seen).data.std() > 0.02


def test_tiles_leave_no_trace(pair, monkeypatch):
    seen, sharp = pair
    whole = consistency_map(sharp, seen).data
    monkeypatch.setattr("sunpy_ml.enhancement.consistency._TILE", 40)
    np.testing.assert_allclose(consistency_map(sharp, seen).data, whole, rtol=0, atol=2e-4)


def test_gaps_count_as_their_neighbours(pair):
    seen, sharp = pair
    whole = consistency_map(sharp, seen).data
    holed = sharp.data.copy()
    holed[100, 100] = np.nan
    found = consistency_map(new_map(sharp, holed), seen).data
    assert np.isfinite(found).all()
    assert abs(found - whole).max() < 0.02
    np.testing.assert_allclose(found[:20], whole[:20], rtol=0, atol=1e-4)


def test_shapes_must_fit(pair):
    seen, _ = pair
    with pytest.raises(ObservationError, match="twice those of the observation"):
        consistency_map(seen, seen)
