"""Corks go where the velocity goes, in circles where it turns, and are lost where it is not known."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from sunpy.util.exceptions import SunpyUserWarning

from sunpy_ml import advect_corks
from tests.flows.fields import flow_of, grid


def rigid(shape=(64, 64), turn=1e-2, **kwargs):
    x, y = grid(shape)
    return flow_of(turn * np.stack([-y, x])[None], **kwargs)


def cellular(shape=(64, 64), speed=1.0):
    """A flow without divergence that goes on at the other edge."""
    rows, columns = np.indices(shape) * 2 * np.pi / np.array(shape)[:, None, None]
    return speed * np.stack([np.sin(columns) * np.cos(rows), -np.cos(columns) * np.sin(rows)])[None]


def test_circles_are_closed():
    start = np.array([[31.5, 46.5], [40.0, 31.5], [25.0, 20.0]]) * u.pix
    period = 2 * np.pi / 1e-2 * u.s
    with pytest.warns(SunpyUserWarning, match="10 min"):
        path = advect_corks(rigid(), start, duration=period, step=period / 400, as_array=True)
    radius = np.hypot(*(path - 31.5).transpose(2, 0, 1))
    np.testing.assert_allclose(path[-1], path[0], atol=1e-6 * radius[0].min())
    np.testing.assert_allclose(radius / radius[0], 1, atol=1e-6)
    # Counterclockwise: from the top to the left.
    assert path[1, 0, 0] < path[0, 0, 0]


def test_the_error_is_of_fourth_order():
    start = np.array([[31.5, 46.5]]) * u.pix
    ends = [
        advect_corks(rigid(), start, duration=500 * u.s, every=500 * u.s, step=step * u.s, as_array=True)[-1, 0]
        for step in (50, 25, 1)
    ]
    errors = [np.hypot(*(end - ends[-1])) for end in ends[:2]]
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.2)


@pytest.mark.parametrize(
    "step", [((100.0, 0.0), (0.0, 100.0)), ((0.0, -100.0), (100.0, 0.0)), ((-50.0, 0.0), (0.0, 80.0))]
)
@pytest.mark.parametrize("celestial", [False, True])
def test_a_uniform_flow_carries_along_the_solar_axes(step, celestial):
    velocity = np.broadcast_to(np.array([1.0, 0.5])[:, None, None], (1, 2, 40, 50))
    flow = flow_of(velocity, step, celestial=celestial)
    table = advect_corks(flow, [[25, 20]] * u.pix, duration=300 * u.s)
    unit = u.Mm if not celestial else u.arcsec
    size = 1e-3 if not celestial else 1 / 725.27094
    gone = [(table[name][-1, 0] - table[name][0, 0]).to_value(unit) for name in ("x", "y")]
    assert gone == pytest.approx([300 * size, 150 * size], rel=1e-4)
    assert table["time"][-1] == 300 * u.s
    assert table.meta["lost"] == 0


def test_the_velocity_is_interpolated_between_its_times():
    velocity = np.zeros((3, 2, 30, 60))
    velocity[:, 0] = np.array([1.0, 2.0, 3.0])[:, None, None]
    flow = flow_of(velocity, cadence=100.0)
    table = advect_corks(flow, [[10, 15]] * u.pix, step=5 * u.s)
    # As the first field for 50 s, then rising to that of the last, for whose half interval it stays.
    assert (table["column"][-1, 0] - table["column"][0, 0]).value == pytest.approx(
        (50 + 150 + 250 + 150) / 100, rel=1e-6
    )
    assert table["time"].value.tolist() == [0, 100, 200, 300]


def test_corks_keep_their_density_in_a_flow_without_divergence():
    path = advect_corks(
        flow_of(cellular()), number=4096, duration=590 * u.s, step=10 * u.s, border="periodic", as_array=True
    )
    travelled = np.hypot(*(path[1:] - path[:-1]).transpose(2, 0, 1))
    assert np.median(travelled[travelled < 20].reshape(-1)) > 0.02
    counts, *_ = np.histogram2d(*path[-1].T, bins=8, range=[(-0.5, 63.5)] * 2)
    assert counts.sum() == 4096
    assert counts.std() < 0.5 * np.sqrt(64)


def test_corks_come_together_where_the_flow_does():
    x, y = grid((64, 64))
    path = advect_corks(flow_of(-2e-3 * np.stack([x, y])[None]), number=900, duration=590 * u.s, as_array=True)
    assert path[-1].std() == pytest.approx(path[0].std() * np.exp(-2e-3 * 590), rel=1e-3)


def test_the_border_loses_or_returns():
    velocity = np.zeros((1, 2, 30, 40))
    velocity[:, 0] = 1.0
    start = [[35, 15], [5, 15]] * u.pix
    lost = advect_corks(flow_of(velocity), start, duration=550 * u.s, every=50 * u.s)
    assert np.isnan(lost["column"][-1]).tolist() == [True, False]
    assert np.isnan(lost["x"][-1]).tolist() == [True, False]
    assert lost.meta["lost"] == 1
    back = advect_corks(flow_of(velocity), start, duration=550 * u.s, border="periodic")
    assert back["column"][-1].value == pytest.approx([0.5, 10.5])


def test_what_is_never_known_loses_corks():
    velocity = np.ones((2, 2, 30, 40))
    mask = np.zeros((2, 30, 40), dtype=bool)
    mask[:, :, 20:] = True
    mask[0, :, 10:12] = True
    table = advect_corks(flow_of(velocity, mask=mask, cadence=300.0), [[8, 8], [25, 8]] * u.pix, every=50 * u.s)
    assert np.isnan(table["column"][0]).tolist() == [False, True]
    assert np.isfinite(table["column"][:, 0]).all()
    assert table.meta["lost"] == 1


def test_coordinates_are_places_to_start_from():
    flow = flow_of(np.ones((1, 2, 30, 40)), celestial=True)
    place = flow["vx"].wcs.pixel_to_world([3, 9], [4, 5], 0)[0]
    table = advect_corks(flow, place, duration=30 * u.s)
    assert table["column"][0].value == pytest.approx([3, 9], abs=1e-6)
    assert table["row"][0].value == pytest.approx([4, 5], abs=1e-6)
    assert table["x"][0].to_value("arcsec") == pytest.approx(place.Tx.to_value("arcsec"), abs=1e-6)
    assert (table.meta["start"] - flow["vx"].wcs.pixel_to_world(0, 0, 0)[1]).to_value(u.s) == pytest.approx(-30)
    with pytest.raises(ValueError, match="no celestial"):
        advect_corks(flow_of(np.ones((1, 2, 9, 9))), SkyCoord(0 * u.deg, 0 * u.deg))


def test_one_field_of_granules_does_not_last(recwarn):
    velocity = np.zeros((1, 2, 20, 20))
    with pytest.warns(SunpyUserWarning, match="20 min"):
        advect_corks(flow_of(velocity), duration=20 * u.min)
    for lasting in ({"averaged": 30 * u.min}, {"window": 5 * u.Mm}):
        advect_corks(flow_of(velocity, **lasting), duration=20 * u.min)
    advect_corks(flow_of(velocity), duration=10 * u.min)
    assert not recwarn.list


def test_the_number_of_corks_is_about_what_was_asked_for():
    assert advect_corks(flow_of(np.zeros((1, 2, 30, 90))), number=300, as_array=True).shape[1] == 300


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"border": "open"}, "border: got 'open'"),
        ({"number": 0}, "number: expected"),
        ({"duration": 5}, "duration: expected"),
        ({"duration": 200 * u.s}, "longer than the 120 s"),
        ({"step": -1 * u.s}, "step: expected"),
        ({"every": 3 * u.km}, "every: expected"),
        ({"corks": np.zeros((3, 2))}, "corks: expected"),
        ({"corks": np.zeros((3, 3)) * u.pix}, "corks: expected"),
    ],
)
def test_what_cannot_be_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        advect_corks(flow_of(np.ones((2, 2, 9, 9))), **arguments)
    with pytest.raises(ValueError, match="no velocity at all"):
        advect_corks(flow_of(np.full((1, 2, 9, 9), np.nan)))
