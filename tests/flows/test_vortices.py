"""Vortices are found where they are, with their size, speed and sense; and where there are none, none are."""

import builtins
import sys

import astropy.units as u
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sunpy_ml import detect_vortices
from sunpy_ml.flows import vortices
from tests.flows.fields import flow_of

# Of a vortex of Lamb and Oseen, whose speed peaks at its radius.
ALPHA = 1.2564312086261697
SHAPE = (38, 52)


def swirl(radius=5.0, speed=1.0, sense=1, centre=(33.6, 17.3), drift=(0.0, 0.0)):
    """(1, 2, y, x): counterclockwise where the sense is positive; the centre is column and row."""
    row, column = np.indices(SHAPE, dtype=float)
    x, y = column - centre[0], row - centre[1]
    distance = np.maximum(np.hypot(x, y), 1e-9)
    around = speed * (1 + 0.5 / ALPHA) * radius / distance * -np.expm1(-ALPHA * (distance / radius) ** 2)
    turn = sense * around / distance
    return np.stack([drift[0] - turn * y, drift[1] + turn * x])[None]


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("radius", [3.0, 6.0])
def test_a_vortex_is_found_with_its_size_speed_and_sense(radius, sense):
    table = detect_vortices(flow_of(swirl(radius, 1.3, sense, drift=(4.0, -2.0))))
    assert len(table) == 1
    assert abs(table["column"][0].value - 33.6) < 1
    assert abs(table["row"][0].value - 17.3) < 1
    assert table["radius"][0].to_value(u.Mm) == pytest.approx(0.1 * radius, rel=0.15)
    assert table["speed"][0].to_value(u.km / u.s) == pytest.approx(1.3, rel=0.05)
    assert abs(table["expansion"][0].value) < 0.1
    assert table["sign"][0] == sense
    assert table["gamma1"][0] * sense > 0.89


def test_the_sense_is_that_on_the_sun_and_the_place_a_coordinate():
    given = swirl(centre=(20.0, 12.0))
    # The image is mirrored, the velocity is along the Sun.
    given[:, 0] *= -1
    flow = flow_of(given, ((-100.0, 0.0), (0.0, 100.0)), celestial=True)
    table = detect_vortices(flow, fine=1)
    assert table["sign"].tolist() == [-1]
    place = flow["vx"].wcs.pixel_to_world(20, 12, 0)[0]
    assert table["center"][0].Tx.to_value("arcsec") == pytest.approx(place.Tx.to_value("arcsec"), abs=0.15)
    assert table["center"][0].Ty.to_value("arcsec") == pytest.approx(place.Ty.to_value("arcsec"), abs=0.15)


def test_both_senses_at_several_times():
    both = np.concatenate([swirl(4.0, 1.0, 1, (12.0, 19.0)) + swirl(4.0, 1.0, -1, (39.0, 19.0)), 0 * swirl(), swirl()])
    table = detect_vortices(flow_of(both), fine=1)
    assert sorted(zip(table["field"], table["sign"], strict=True)) == [(0, -1), (0, 1), (2, 1)]


def test_strips_give_what_the_whole_gives(monkeypatch):
    velocity = swirl()[0]
    whole = vortices._gamma(*velocity)
    monkeypatch.setattr(vortices, "_ROWS_OF_PIXELS", 5 * SHAPE[1])
    np.testing.assert_allclose(vortices._gamma(*velocity), whole, atol=1e-12)


def test_small_and_masked_vortices_are_left_out():
    flow = flow_of(swirl(5.0))
    assert len(detect_vortices(flow, fine=1, smallest=0.4 * u.Mm)) == 1
    assert len(detect_vortices(flow, fine=1, smallest=0.8 * u.Mm)) == 0
    mask = np.zeros((1, *SHAPE), dtype=bool)
    mask[0, 16:19, 32:35] = True
    assert len(detect_vortices(flow_of(swirl(5.0), mask=mask), fine=1)) == 0


@pytest.mark.parametrize("seed", range(3))
def test_flows_without_vortices_have_none(seed):
    rng = np.random.default_rng(seed)
    potential = gaussian_filter(rng.normal(size=SHAPE), 2.5, mode="wrap")
    velocity = np.stack(np.gradient(potential)[::-1])
    velocity = velocity / velocity.std() + 0.1 * rng.normal(size=velocity.shape)
    table = detect_vortices(flow_of(velocity[None]))
    assert len(table) == 0
    assert table["radius"].unit == u.Mm
    assert "center" not in table.colnames
    assert len(detect_vortices(flow_of(rng.normal(size=(1, 2, *SHAPE))), fine=1)) == 0


def test_a_flow_of_nothing_has_none():
    assert len(detect_vortices(flow_of(np.full((1, 2, *SHAPE), np.nan), celestial=True))) == 0


@pytest.mark.parametrize(
    ("flow", "arguments", "words"),
    [
        (flow_of(swirl()), {"gamma1": 1.5}, "gamma1: expected"),
        (flow_of(swirl()), {"fine": 0}, "fine: expected"),
        (flow_of(swirl()), {"smallest": 3}, "smallest: expected"),
        (flow_of(swirl(), ((100.0, 0.0), (0.0, 120.0))), {}, "square"),
        (flow_of(np.zeros((1, 2, 5, 9))), {"fine": 1}, "more than 6 points"),
    ],
)
def test_what_cannot_be_is_refused(flow, arguments, words):
    with pytest.raises(ValueError, match=words):
        detect_vortices(flow, **arguments)


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    genuine = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("sunkit_image"):
            raise ModuleNotFoundError("No module named 'sunkit_image'", name="sunkit_image")
        return genuine(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "sunpy_ml.flows._extra", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"sunpy_ml\[flows\]"):
        detect_vortices(flow_of(swirl()))
