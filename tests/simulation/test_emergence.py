"""Simulated patches in which flux emerges: what is true of them, and what must not tell."""

import time

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time

import sunpy_ml.simulation
from sunpy_ml.simulation.emergence import emergence_pairs, emergence_parameters, emergence_patch
from sunpy_ml.simulation.emergence.bipoles import (
    bipole_elements,
    bipole_flux,
    draw_bipole,
    draw_ephemeral,
    time_of_tenth,
)
from sunpy_ml.simulation.emergence.elements import MM_PER_DEGREE, Elements, carried, walk
from sunpy_ml.simulation.emergence.network import draw_network
from sunpy_ml.simulation.emergence.view import INSTRUMENTS, View, field_frames, observed

COARSE = {"frames": 45, "cadence": 8 * u.h}
DAYS = np.arange(45) / 3


def view(**changes):
    options = {"shape": (90, 90), "scale": 0.12, "latitude": 15.0, "first_longitude": -95.0, "days": DAYS}
    return View(**{**options, **changes})


def still(count=2):
    """A view at the middle of the disk, in which nothing rotates."""
    return view(latitude=0.0, first_longitude=0.0, days=np.zeros(count))


def area_under_curve(positive, negative):
    """The probability that a positive is larger than a negative, ties counting half."""
    first, second = np.asarray(positive)[:, None], np.asarray(negative)[None]
    return float(np.mean((first > second) + 0.5 * (first == second)))


def test_parameters_are_listed_with_their_sources():
    table = emergence_parameters()
    assert np.all(table["low"] <= table["high"])
    assert set(table["certainty"]) == {"high", "medium", "low"}
    assert all(any(word in row["source"] for word in ("doi:", "Sol. Phys.", "modelling choice")) for row in table)


def test_old_regions_are_as_many_as_asked_for():
    """Little unsigned flux without, more with many; the region that emerges is the same."""
    none, usual, many = (emergence_patch("emerging", seed=3, old_regions=count, **COARSE) for count in (0, None, 12))
    sums = [np.nansum(np.abs(cube.data)) for cube in (none, usual, many)]
    assert sums[0] < sums[1] < sums[2]
    assert sums[2] > 1.5 * sums[0]
    assert none.meta["t10"] == many.meta["t10"]
    assert np.array_equal(none.meta["flux"], many.meta["flux"])


def test_cube():
    cube = emergence_patch("emerging", seed=3, time="2000-01-01", **COARSE)
    assert cube.shape == (45, 90, 90)
    assert cube.data.dtype == np.float32
    assert cube.unit == u.G
    assert np.array_equal(cube.mask, np.isnan(cube.data))
    place, when = cube.wcs.pixel_to_world(44.5, 44.5, 3)
    assert u.isclose(place.lat, cube.meta["latitude"])
    assert u.isclose(place.lon, cube.meta["longitudes"][0])
    assert abs(Time(when) - Time("2000-01-02")) < 1 * u.ms
    assert cube.mask[cube.meta["lost"]].all()
    assert not cube.mask[~cube.meta["lost"] & (abs(cube.meta["longitudes"]) < 75 * u.deg)].any()
    assert cube.mask[abs(cube.meta["longitudes"]) > 105 * u.deg].all()


def test_the_seed_tells_all():
    first, again, other = (emergence_patch(seed=seed, **COARSE).data for seed in (1, 1, 2))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)


def test_truth_is_that_of_the_flux():
    for seed in range(12):
        cube = emergence_patch("emerging", seed=seed, **COARSE)
        days = (cube.meta["t10"] - Time("2001-03-01")).to_value(u.day)
        assert cube.meta["observable"]
        assert days >= 2
        assert days <= DAYS[~cube.meta["lost"]][-1] - 1
        place = np.interp(days, DAYS, cube.meta["longitudes"].value) * u.deg
        offset = cube.meta["place"][0] / (MM_PER_DEGREE * u.Mm) / np.cos(cube.meta["latitude"]) * u.deg
        assert abs(place + offset) <= 60.01 * u.deg
        flux = cube.meta["flux"].value
        assert flux[days - 1 > DAYS].max() < 0.1 * flux.max()
        old = emergence_patch("emerged", seed=seed, **COARSE)
        assert not old.meta["emerges"]
        assert not old.meta["observable"]
        assert emergence_patch("quiet", seed=seed, **COARSE).meta["t10"] is None


def test_the_region_shows_when_it_has_emerged():
    unsigned = []
    for seed in range(8):
        new, none = (emergence_patch(kind, seed=seed, **COARSE) for kind in ("emerging", "quiet"))
        difference = np.abs(new.data - none.data)
        day = (new.meta["t10"] - Time("2001-03-01")).to_value(u.day)
        before, after = ((day - 1.5 > DAYS), (day + 1 < DAYS) & (abs(new.meta["longitudes"].value) < 60))
        unsigned.append((np.nanmean(difference[before]), np.nanmean(difference[after])))
    before, after = np.transpose(unsigned)
    assert before.max() < 1e-3
    assert after.min() > 0.5


def test_pairs_share_all_but_the_event():
    for new, old in emergence_pairs(4, seed=5, **COARSE):
        for name in ("instrument", "noise", "latitude"):
            assert new.meta[name] == old.meta[name]
        for name in ("lost", "bad", "place", "longitudes"):
            assert np.all(new.meta[name] == old.meta[name])
        last = np.flatnonzero(~new.meta["lost"])[-1]
        assert u.isclose(new.meta["flux"][last], old.meta["flux"][last], rtol=1e-6)
        assert old.meta["flux"][0] > old.meta["flux"][last]
        assert new.meta["t10"] > Time("2001-03-03") > old.meta["t10"]


def test_what_is_not_the_event_does_not_tell():
    scalars = {"emerging": [], "emerged": []}
    # The kinds are of different patches, so that ties do not make the test.
    for number, kind in enumerate(["emerging", "emerged"] * 250):
        cube = emergence_patch(kind, seed=1000 + number, shape=(16, 16), frames=26, cadence=12 * u.h)
        good = np.flatnonzero(~cube.meta["lost"])
        scalars[kind].append(
            {
                "noise": cube.meta["noise"].value,
                "lost": cube.meta["lost"].mean(),
                "bad": cube.meta["bad"].sum(),
                "last": good[-1],
                "instrument": INSTRUMENTS.index(cube.meta["instrument"]),
                "latitude": cube.meta["latitude"].value,
                "longitude": cube.meta["longitudes"][0].value,
                "x": cube.meta["place"][0].value,
                "y": cube.meta["place"][1].value,
                "final flux": cube.meta["flux"][good[-1]].value,
            }
        )
    areas = {
        name: area_under_curve(*([each[name] for each in scalars[kind]] for kind in scalars))
        for name in scalars["emerging"][0]
    }
    assert all(0.45 <= area <= 0.55 for area in areas.values()), areas


def test_the_background_does_not_tell():
    """Of pairs, where nothing but the event differs: the field in the last good frame, and far from the region."""
    ends = np.array(
        [
            [np.nanmean(np.abs(cube.data[np.flatnonzero(~cube.meta["lost"] & ~cube.meta["bad"])[-1]])) for cube in pair]
            for pair in emergence_pairs(60, seed=1, frames=26, cadence=12 * u.h)
            if np.isfinite(pair[0].data[np.flatnonzero(~pair[0].meta["lost"] & ~pair[0].meta["bad"])[-1]]).any()
        ]
    )
    assert len(ends) > 15
    assert 0.45 <= area_under_curve(*ends.T) <= 0.55


def test_flux_distribution_of_the_network():
    unsigned, signed = [], []
    for seed in range(12):
        network = draw_network(np.random.default_rng(seed), DAYS, (161.0, 161.0))
        frames = field_frames(network, still(len(DAYS)), 1.5)
        unsigned.append(np.abs(frames).mean())
        signed.append(frames.mean())
    assert 2.5 < np.mean(unsigned) < 5.5
    assert abs(np.mean(signed)) < 0.4
    flux = np.abs(network.flux[:, 20])
    flux = flux[flux > 0]
    assert 1e18 * 0.01 < np.median(flux) < 1e20
    assert flux.max() <= 1e20


def test_the_network_is_replaced():
    network = draw_network(np.random.default_rng(0), DAYS, (161.0, 161.0))
    there = network.flux != 0
    assert (there[:, 0] & there[:, -1]).mean() < 0.2 * there[:, 0].mean()
    assert 0.3 < there[:, -1].sum() / there[:, 0].sum() < 3


def test_random_walk_spreads_as_it_should():
    x, y = walk(np.random.default_rng(0), 4000, DAYS, 250.0)
    expected = 4 * 250e-6 * 86400 * DAYS[-1]
    assert np.mean(x[:, -1] ** 2 + y[:, -1] ** 2) == pytest.approx(expected, rel=0.05)
    assert np.sqrt(expected) == pytest.approx(36, abs=1)


def test_rotation_shears_and_the_meridional_flow_carries_to_the_pole():
    ones = np.ones((2, len(DAYS)))
    places = np.array([[-60.0], [60.0]]) * ones
    x, y, _ = carried(Elements(0 * ones, places, ones), DAYS, 20.0)
    # Nearer to the equator it runs ahead: Komm's law at 15.06 and 24.94 degrees.
    rate = [
        14.42 - 2.00 * np.sin(b) ** 2 - 2.09 * np.sin(b) ** 4 for b in np.deg2rad(20 + np.array([-60, 60]) / 12.142)
    ]
    assert x[0, -1] - x[1, -1] == pytest.approx(
        (rate[0] - rate[1]) * DAYS[-1] * 12.142 * np.cos(np.deg2rad(20)), rel=0.1
    )
    assert np.all(y[:, -1] - places[:, -1] > 5)
    _, south, _ = carried(Elements(0 * ones, places, ones), DAYS, -20.0)
    assert np.all(south[:, -1] - places[:, -1] < -5)


def test_bipoles_grow_as_they_should():
    rng = np.random.default_rng(0)
    for _ in range(20):
        bipole = draw_bipole(rng, 0.0, 0.0, 20.0, 1)
        days = np.linspace(-1, 8, 2000)
        curve = bipole_flux(bipole, days)
        assert curve[days <= 0].max() == 0
        assert 0.75 * bipole.flux < curve.max() <= bipole.flux
        assert np.interp(time_of_tenth(bipole), days, curve) == pytest.approx(0.1 * curve.max(), rel=0.03)
        assert 0.1 * bipole.rise < time_of_tenth(bipole) < 0.35 * bipole.rise


@pytest.mark.parametrize(("latitude", "leading"), [(20.0, 1), (-20.0, -1)])
def test_hale_and_joy(latitude, leading):
    rng = np.random.default_rng(1)
    drawn = [draw_bipole(rng, 0.0, 0.0, latitude, 1) for _ in range(1500)]
    assert np.mean([each.polarity == leading for each in drawn]) == pytest.approx(0.916, abs=0.03)
    tilts = np.rad2deg([each.tilt for each in drawn]) * np.sign(latitude)
    assert np.median(tilts) == pytest.approx(np.rad2deg(np.arcsin(0.48 * np.sin(np.deg2rad(20)) + 0.03)), abs=3)
    assert 20 < np.std(tilts) < 40
    ephemeral = [draw_ephemeral(rng, 0.0, 0.0, latitude, 1) for _ in range(1500)]
    assert np.mean([each.polarity == leading for each in ephemeral]) == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize("latitude", [20.0, -20.0])
def test_the_leading_polarity_is_western_compact_and_nearer_to_the_equator(latitude):
    rng = np.random.default_rng(2)
    bipole = draw_bipole(rng, 3.0, -4.0, latitude, 1)._replace(tilt=np.sign(latitude) * 0.2, flux=5e21)
    elements = bipole_elements(bipole._replace(diffusion=0.0), DAYS)
    lead, follow = ((elements.flux[:, 30] * bipole.polarity * sign > 0) for sign in (1, -1))
    centres = [[axis[part, 30].mean() for axis in (elements.x, elements.y)] for part in (lead, follow)]
    assert centres[0][0] > centres[1][0] + 10
    assert (centres[0][1] - centres[1][1]) * latitude < 0
    assert elements.x[lead, 30].std() < elements.x[follow, 30].std()
    apart = np.hypot(*np.subtract(*centres))
    assert apart == pytest.approx(bipole.separation, rel=0.15)
    # Where it comes up, whatever the time is.
    later = bipole_elements(bipole._replace(onset=10.0, diffusion=200.0), DAYS)
    first = (later.flux != 0).argmax(axis=1)
    start = later.x[np.arange(len(first)), first]
    assert abs(start.mean() - 3) < 5


def test_flux_is_kept_on_the_pixels():
    elements = Elements(np.array([[5.0, 5.0]]), np.array([[-7.0, -7.0]]), np.array([[1e20, -2e20]]))
    seen = still()
    frames = field_frames(elements, seen, 1.5)
    assert frames.sum(axis=(1, 2)) * (seen.pixel * 1e8) ** 2 == pytest.approx([1e20, -2e20], rel=1e-4)
    rows, columns = np.indices(frames[0].shape)
    assert (frames[0] * columns).sum() / frames[0].sum() == pytest.approx(44.5 + 5 / seen.pixel, abs=0.01)
    assert (frames[0] * rows).sum() / frames[0].sum() == pytest.approx(44.5 - 7 / seen.pixel, abs=0.01)


def test_structures_are_wider_and_weaker_and_noise_is_stronger_near_the_limb():
    days = np.zeros(2)
    # In the middle of a pixel.
    place = np.full((1, 2), 0.5 * still().pixel)
    elements = Elements(place, place, np.full((1, 2), 1e21))
    rng = np.random.default_rng
    peaks, noises = [], []
    for longitude in (0.0, 70.0):
        seen = view(latitude=0.0, first_longitude=longitude, days=days)
        field = field_frames(elements, seen, 1.5)
        peaks.append(
            (
                observed(rng(0), field, seen, "hmi_720s", False) - observed(rng(0), 0 * field, seen, "hmi_720s", False)
            ).max()
        )
        noises.append(observed(rng(0), 0 * field, seen, "mdi_1min", False).std())
    assert peaks[1] / peaks[0] == pytest.approx(np.cos(np.deg2rad(70)) ** 2, rel=0.15)
    assert noises[0] == pytest.approx(26.4, rel=0.02)
    assert 1.05 * noises[0] < noises[1]


def test_mdi_saturates_and_reads_more_than_hmi():
    field = np.full((2, 90, 90), 5000.0, np.float32)
    seen = still()
    mdi, hmi = (observed(np.random.default_rng(0), field, seen, name, False) for name in ("mdi_5min", "hmi_720s"))
    assert 1600 < np.median(mdi) < 2300
    assert np.median(hmi) == pytest.approx(5000 / 1.4, rel=0.01)


def test_radial():
    plain, radial = (emergence_patch(seed=2, radial=choice, **COARSE).data for choice in (False, True))
    middle = np.nanargmin(np.abs(emergence_patch(seed=2, **COARSE).meta["longitudes"]))
    ratio = np.nanmedian(radial[middle] / plain[middle])
    assert 1 < ratio < 1.3


def test_fast_enough_to_train_with():
    start = time.process_time()
    emergence_patch(seed=1)
    # About 0.2 s: this is a limit for slow machines.
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": "flare"}, ValueError, "kind is 'flare': choose one of emerging"),
        ({"instrument": "gong"}, ValueError, "instrument is 'gong': choose one of mdi_1min"),
        ({"shape": (4, 4)}, ValueError, "shape is"),
        ({"frames": 1}, ValueError, "frames is 1"),
        ({"frames": 5}, ValueError, "frames is 5 .*at least 12 days"),
        ({"cadence": -1 * u.h}, ValueError, "cadence is"),
        ({"cadence": 1 * u.m}, u.UnitsError, "cadence"),
        ({"scale": 0 * u.deg / u.pix}, ValueError, "scale is"),
        ({"old_regions": -1}, ValueError, "old_regions is -1: give a finite number"),
    ],
)
def test_errors_name_argument_and_cure(options, error, message):
    with pytest.raises(error, match=message):
        emergence_patch(**options)


def test_public_names():
    for name in ("emergence_patch", "emergence_pairs", "emergence_parameters"):
        assert getattr(sunpy_ml.simulation, name) is not None
        assert name in dir(sunpy_ml.simulation)
