"""Patches that follow the Sun's rotation: where things lie, when they were seen, and what is not known."""

import copy

import astropy.units as u
import dask.array as da
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time, TimeDelta
from astropy.wcs import WCS
from sunpy.coordinates import HeliographicCarrington, HeliographicStonyhurst, Helioprojective, get_earth
from sunpy.map import Map, MapSequence
from sunpy.sun import constants
from sunpy.sun.constants import sidereal_rotation_rate
from sunpy.util.exceptions import SunpyUserWarning

from sunpy_ml.emergence import patch_cube, rotation_rate
from sunpy_ml.exceptions import HeaderWarning, ObservationError
from tests.maps import make_map, rotated_header

START = Time("2014-10-24T12:00:00")
PIXELS, SCALE = 512, 4.0
LATITUDE = 17.0


def earth(time):
    return get_earth(time)


def planted_place(time, law="snodgrass", latitude=LATITUDE):
    """Where a feature is that was 20 degrees east of the central meridian at START, and rotates with the law."""
    frame = HeliographicCarrington(observer=earth(START), obstime=START, rsun=constants.radius)
    meridian = SkyCoord(0 * u.deg, 0 * u.deg, frame=HeliographicStonyhurst, obstime=START).transform_to(frame).lon
    days = (time - START).to(u.day)
    longitude = meridian - 20 * u.deg + days * (rotation_rate(law, latitude * u.deg) - sidereal_rotation_rate)
    return SkyCoord(longitude, latitude * u.deg, frame=HeliographicCarrington(observer=earth(time), obstime=time))


def full_disk(time, *, angle=0.0, law="snodgrass", latitude=LATITUDE, **header):
    """A disk of zero field with one round feature of 300 G, half a degree wide, where the law has brought it."""
    observer = earth(time)
    header = {
        "date__obs": time.isot,
        "bunit": "G",
        "instrume": "MDI",
        "wavelnth": None,
        "crval1": 0.0,
        "crval2": 0.0,
        "dsun_obs": observer.radius.to_value(u.m),
        "hgln_obs": 0.0,
        "hglt_obs": observer.lat.to_value(u.deg),
        **rotated_header(angle, "crota", (SCALE, SCALE)),
        **header,
    }
    empty = make_map(np.zeros((PIXELS, PIXELS)), **header)
    where = planted_place(time, law, latitude).transform_to(Helioprojective(observer=observer, obstime=time))
    x, y = empty.wcs.world_to_pixel(where)
    rows, columns = np.indices(empty.data.shape)
    data = np.zeros(empty.data.shape)
    # As round as it is on the Sun, not in the sky.
    near = (abs(columns - x) < 13) & (abs(rows - y) < 13) & (where.distance < observer.radius)
    sky = empty.wcs.pixel_to_world(columns[near], rows[near])
    stonyhurst = HeliographicStonyhurst(obstime=time)
    apart = sky.transform_to(stonyhurst).separation(where.transform_to(stonyhurst))
    data[near] = 300 * np.exp(-0.5 * (apart / (0.5 * u.deg)).to_value(u.one) ** 2)
    radius = np.hypot(columns - (PIXELS - 1) / 2, rows - (PIXELS - 1) / 2) * SCALE
    data[radius > 970] = np.nan
    return Map(data, empty.meta)


def days(*numbers):
    return [START + TimeDelta(number, format="jd") for number in numbers]


def centroid(frame):
    """Of a frame, in pixels: column and row."""
    weight = np.where(np.isnan(frame), 0, frame)
    rows, columns = np.indices(frame.shape)
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@pytest.mark.parametrize("projection", ["CEA", "CAR"])
@pytest.mark.parametrize(
    ("law", "latitude"), [("snodgrass", 17.0), ("howard", -28.0), ([14.42, -2.0, -2.09] * u.deg / u.day, 35.0)]
)
def test_a_feature_stays_where_it_is(projection, law, latitude):
    times = days(-1, 0, 1.5, 3)
    maps = [full_disk(time, law=law, latitude=latitude) for time in times]
    middle = planted_place(START, law, latitude)
    # The feature is not in the middle of the patch, so that a mirrored patch would be seen.
    centre = SkyCoord(middle.lon - 2 * u.deg, middle.lat, frame=middle.frame)
    cube = patch_cube(maps, centre, rotation=law, projection=projection)
    assert cube.shape == (4, 90, 90)
    x, y, _ = cube.wcs.world_to_pixel(middle, times[0])
    found = np.array([centroid(frame) for frame in cube.data])
    assert np.abs(found - [x, y]).max() < 0.5
    assert x > 44.5 + 10


def test_without_the_law_it_would_not_stay():
    times = days(0, 3)
    cube = patch_cube(
        [full_disk(time, latitude=35.0) for time in times], planted_place(START, latitude=35.0), rotation="rigid"
    )
    first, last = (centroid(frame) for frame in cube.data)
    expected = 3 * (rotation_rate("snodgrass", 35 * u.deg) * u.day - 14.1844 * u.deg).to_value(u.deg) / 0.12
    assert last[0] - first[0] == pytest.approx(expected * np.cos(np.deg2rad(35)), abs=0.5)
    assert abs(last[0] - first[0]) > 5


def test_orientations_of_instruments_do_not_matter():
    times = days(0, 1)
    up = patch_cube([full_disk(time) for time in times], planted_place(START))
    turned = patch_cube([full_disk(time, angle=180.013, instrume="HMI") for time in times], planted_place(START))
    mixed = patch_cube([full_disk(times[0]), full_disk(times[1], angle=180.0, instrume="HMI")], planted_place(START))
    assert np.abs(centroid(up.data[1]) - centroid(turned.data[1])).max() < 0.05
    assert np.allclose(up.data, turned.data, atol=3)
    assert mixed.meta["instruments"] == ["HMI", "MDI"]


def test_coordinates_hold_at_the_time_of_the_centre():
    times = days(0, 1, 2)
    centre = planted_place(times[1])
    cube = patch_cube([full_disk(time) for time in times], centre)
    place, _ = cube.wcs.pixel_to_world(44.5, 44.5, 1)
    assert abs(place.lon - centre.lon) < 1e-4 * u.deg
    assert abs(place.lat - centre.lat) < 1e-4 * u.deg
    assert place.obstime.isot == times[1].isot
    # The observer is in the WCS, so that other frames can be asked for.
    assert place.transform_to(HeliographicStonyhurst).lat.to_value(u.deg) == pytest.approx(LATITUDE)
    assert cube.meta["longitudes"][1].to_value(u.deg) == pytest.approx(centre.lon.to_value(u.deg))


def test_north_is_up_and_west_is_right_in_both_hemispheres():
    for latitude in (-30, 30):
        centre = planted_place(START, latitude=latitude)
        cube = patch_cube([full_disk(time) for time in days(0, 1)], centre)
        corner, _ = cube.wcs.pixel_to_world(0, 0, 0)
        assert corner.lat < centre.lat
        assert corner.lon < centre.lon
        assert centre.lat - corner.lat < 5.6 * u.deg


def test_header_round_trip():
    cube = patch_cube([full_disk(time) for time in days(0, 1)], planted_place(START))
    again = WCS(cube.wcs.to_header())
    (place, time), (place_again, time_again) = (wcs.pixel_to_world(3, 70, 1) for wcs in (cube.wcs, again))
    assert u.allclose([place.lon, place.lat], [place_again.lon, place_again.lat], atol=1e-8 * u.deg)
    assert place.obstime == place_again.obstime
    assert abs(Time(time) - Time(time_again)) < 1e-3 * u.s
    assert u.isclose(place.observer.radius, place_again.observer.radius)


def test_times_are_sorted_unique_and_true():
    times = days(2, 0, 0.25, 1.25, 0, 1.5, 0.5, 1.75)
    cube = patch_cube([full_disk(time) for time in times], planted_place(START))
    true = cube.axis_world_coords("time", wcs=cube.extra_coords)[0]
    assert (true - START).to_value(u.day) == pytest.approx([0, 0.25, 0.5, 1.25, 1.5, 1.75, 2])
    assert cube.meta["duplicates"] == 1
    assert cube.meta["cadence"] == 6 * u.h
    assert (cube.meta["missing"] - START).to_value(u.day) == pytest.approx([0.75, 1.0])
    # The linear axis is right at both ends.
    ends = [Time(cube.wcs.pixel_to_world(0, 0, index)[-1]) for index in (0, 6)]
    assert [(end - START).to_value(u.day) for end in ends] == pytest.approx([0, 2])


def test_nothing_missing():
    cube = patch_cube([full_disk(time) for time in days(0, 1, 2)], planted_place(START))
    assert len(cube.meta["missing"]) == 0


@pytest.mark.parametrize("given", ["sequence", "paths", "folder"])
def test_kinds_of_input(tmp_path, given):
    maps = [full_disk(time) for time in days(0, 1)]
    expected = patch_cube(maps, planted_place(START)).data
    paths = [tmp_path / f"{number}.fits" for number in range(2)]
    for m, path in zip(maps, paths, strict=True):
        m.save(path)
    answer = patch_cube(
        {"sequence": MapSequence(*maps), "paths": paths, "folder": tmp_path}[given], planted_place(START)
    )
    assert np.array_equal(answer.data, expected, equal_nan=True)


def test_units_become_gauss():
    times = days(0, 1)
    gauss = [full_disk(time) for time in times]
    tesla = [Map(m.data * 1e-4, {**m.meta, "bunit": "T"}) for m in gauss]
    cube = patch_cube(tesla, planted_place(START))
    assert cube.unit == u.G
    assert np.allclose(cube.data, patch_cube(gauss, planted_place(START)).data, atol=1e-3)
    with pytest.raises(ObservationError, match=r"maps: .* is in DN"):
        patch_cube([full_disk(time, bunit="DN") for time in times], planted_place(START))
    with pytest.warns(HeaderWarning, match="2 of 2 have no unit"):
        patch_cube([full_disk(time, bunit=None) for time in times], planted_place(START))


def test_what_is_not_known_is_masked():
    first, second = (full_disk(time) for time in days(0, 1))
    x, y = first.wcs.world_to_pixel(planted_place(START).transform_to(first.coordinate_frame))
    mask = np.zeros(first.data.shape, dtype=bool)
    mask[round(float(y)), round(float(x))] = True
    first = Map(first.data, first.meta, mask=mask)
    cube = patch_cube([first, second], planted_place(START))
    assert cube.mask[0, 44, 44]
    assert not cube.mask[1].any()
    assert np.array_equal(cube.mask, np.isnan(cube.data))


def test_the_far_side_is_masked_and_not_filled_from_the_near_one():
    times = days(0, 8.2, 10)
    maps = [Map(np.ones((PIXELS, PIXELS)), full_disk(time).meta) for time in times]
    cube = patch_cube(maps, planted_place(START))
    assert not cube.mask[0].any()
    assert cube.mask[2].all()
    nearer = patch_cube(maps, planted_place(START), least_mu=0.9)
    assert nearer.mask[1].sum() > cube.mask[1].sum() > 0


def test_nothing_of_the_patch_seen():
    with pytest.warns(SunpyUserWarning, match="none of them shows"):
        patch_cube([full_disk(time) for time in days(13, 14)], planted_place(START))


def test_field_over_mu():
    times = days(0, 1)
    maps = [Map(np.ones((PIXELS, PIXELS)), full_disk(time).meta) for time in times]
    cube = patch_cube(maps, planted_place(START), radial=True, size=10 * u.pix)
    tilt = earth(START).lat.rad
    latitude, longitude = np.deg2rad([LATITUDE, -20])
    mu = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(longitude)
    assert cube.data[0].mean() == pytest.approx(1 / mu, rel=5e-3)


def test_adaptive_averages_and_interpolation_does_not():
    noise = np.random.default_rng(0).normal(0, 10, (PIXELS, PIXELS))
    maps = [Map(noise, full_disk(time).meta) for time in days(0, 1)]
    coarse = {"size": 10 * u.deg, "scale": 1 * u.deg / u.pix}
    spread = {
        method: patch_cube(maps, planted_place(START), method=method, **coarse).data[0].std()
        for method in ("interp", "adaptive")
    }
    assert spread["adaptive"] < 0.6 * spread["interp"]


def test_lazy_frames_are_the_same(tmp_path):
    maps = [full_disk(time) for time in days(0, 1)]
    paths = [tmp_path / f"{number}.fits" for number in range(2)]
    for m, path in zip(maps, paths, strict=True):
        m.save(path)
    eager, lazy = (patch_cube(paths, planted_place(START), lazy=choice) for choice in (False, True))
    assert isinstance(lazy.data, da.Array)
    assert np.array_equal(lazy.data.compute(), eager.data, equal_nan=True)
    assert np.array_equal(np.asarray(lazy.mask), eager.mask)


def test_dask_maps_are_read():
    maps = [full_disk(time) for time in days(0, 1)]
    dask = [Map(da.from_array(m.data, chunks=128), m.meta) for m in maps]
    answer, expected = (patch_cube(given, planted_place(START)).data for given in (dask, maps))
    assert np.array_equal(answer, expected, equal_nan=True)


def test_nothing_is_changed():
    maps = [full_disk(time) for time in days(1, 0)]
    before = copy.deepcopy([(m.data, dict(m.meta)) for m in maps])
    patch_cube(maps, planted_place(START), radial=True)
    for m, (data, meta) in zip(maps, before, strict=True):
        assert np.array_equal(m.data, data, equal_nan=True)
        assert dict(m.meta) == meta


def test_size():
    maps = [full_disk(time) for time in days(0, 1)]
    cube = patch_cube(maps, planted_place(START), size=[6, 12] * u.deg, scale=0.25 * u.deg / u.pix)
    assert cube.shape == (2, 24, 48)


def test_a_carrington_centre_without_observer():
    centre = planted_place(START)
    bare = SkyCoord(centre.lon, centre.lat, frame=HeliographicCarrington, obstime=START)
    maps = [full_disk(time) for time in days(0, 1)]
    assert np.array_equal(patch_cube(maps, bare).data, patch_cube(maps, centre).data, equal_nan=True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"centre": (0, 0)}, ObservationError, "centre: expected a SkyCoord"),
        ({"centre": SkyCoord(0 * u.deg, 0 * u.deg, frame=HeliographicStonyhurst)}, ObservationError, "obstime="),
        ({"size": 10 * u.arcsec / u.pix}, ObservationError, "size"),
        ({"size": 1 * u.pix}, ObservationError, "size: 1.0 pix .* at least 2 x 2"),
        ({"size": 10}, ObservationError, "size: expected one or two lengths"),
        ({"scale": -1 * u.deg / u.pix}, ObservationError, "scale: expected degrees per pixel"),
        ({"projection": "TAN"}, ValueError, "projection: got 'TAN'"),
        ({"rotation": "komm"}, ValueError, "rotation: got 'komm', choose from"),
        ({"rotation": [1, 2] * u.deg / u.day}, ValueError, "rotation: got"),
        ({"method": "exact"}, ValueError, "method: got 'exact'"),
        ({"least_mu": 1.0}, ValueError, "least_mu: expected"),
    ],
)
def test_errors_name_argument_and_cure(options, error, message):
    options = {"centre": planted_place(START), **options}
    with pytest.raises(error, match=message):
        patch_cube([full_disk(time) for time in days(0, 1)], **options)


def test_maps_that_cannot_be_used():
    with pytest.raises(ObservationError, match="at least two different times, got 1"):
        patch_cube([full_disk(START), full_disk(START)], planted_place(START))
    dateless = full_disk(START)
    del dateless.meta["date-obs"]
    with pytest.raises(ObservationError, match="has no time"):
        patch_cube([dateless], planted_place(START))
    off = SkyCoord(1500 * u.arcsec, 0 * u.arcsec, frame=Helioprojective(observer=earth(START), obstime=START))
    with pytest.raises(ObservationError, match="not on the disk"):
        patch_cube([full_disk(time) for time in days(0, 1)], off)
