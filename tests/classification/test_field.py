"""The classifier over large fields."""

import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from ndcube import NDCollection
from sunpy.coordinates import Helioprojective

from sunpy_ml import classify_map, detect_features, feature_map
from sunpy_ml.exceptions import DomainError, DomainWarning, ObservationError
from sunpy_ml.observations import cut_out
from sunpy_ml.simulation import halpha_scene
from tests.maps import corners_and_centre, make_map, random_image, rotated_header

STEP = 135 * u.arcsec


@pytest.fixture(scope="module")
def field():
    """A spot in a field inside the disk, 1020 arcsec wide."""
    centre = SkyCoord(50 * u.arcsec, 100 * u.arcsec, frame=Helioprojective)
    return halpha_scene("sunspots", shape=(200, 300), scale=3.4 * u.arcsec / u.pix, center=centre, seed=4)


@pytest.fixture(scope="module")
def maps(field):
    return feature_map(field, step=STEP)


def test_a_collection_holds_a_cube_for_each_class_and_feature(maps):
    assert isinstance(maps, NDCollection)
    assert list(maps)[:5] == ["filaments", "flares", "prominences", "quiet", "sunspots"]
    assert set(list(maps)[5:]) == {"has_filaments", "has_flares", "has_prominences", "has_sunspots", "unfamiliarity"}
    total = sum(maps[name].data for name in list(maps)[:5])
    np.testing.assert_allclose(total[~maps["quiet"].mask], 1)
    assert maps["quiet"].data.shape == (4, 6)
    assert maps["quiet"].unit == u.one


def test_each_value_is_that_of_the_window_around_it(field, maps):
    row, column = 2, 3
    rows, columns = slice(row * 40, row * 40 + 79), slice(column * 40, column * 40 + 79)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        single = classify_map(cut_out(field, rows, columns))
    assert maps["quiet"].data[row, column] == pytest.approx(single.probabilities["quiet"], abs=1e-4)
    here = maps["quiet"].wcs.pixel_to_world(column, row)
    middle = field.wcs.pixel_to_world(column * 40 + 39, row * 40 + 39)
    assert here.separation(middle) < 1e-6 * u.arcsec


@pytest.mark.parametrize("form", ["crota", "pc", "cd"])
def test_the_coarse_grid_lies_right_on_rotated_maps(form):
    observation = make_map(random_image((120, 150)), **rotated_header(25, form, (3.0, 3.5)))
    cube = feature_map(observation, window=200 * u.arcsec, step=100 * u.arcsec)["quiet"]
    # 67 x 57 pixels large and 33 x 29 pixels apart, so the middle of the first window is at 32.5, 27.5 (zero-based).
    first = observation.wcs.pixel_to_world((67 - 1) / 2, (57 - 1) / 2)
    second = observation.wcs.pixel_to_world((67 - 1) / 2 + 33, (57 - 1) / 2 + 29)
    assert cube.wcs.pixel_to_world(0, 0).separation(first) < 1e-6 * u.arcsec
    assert cube.wcs.pixel_to_world(1, 1).separation(second) < 1e-6 * u.arcsec


def test_empty_sky_is_masked():
    data = random_image((100, 200))
    data[:, :90] = 0
    cube = feature_map(make_map(data, cdelt1=4.0, cdelt2=4.0), window=200 * u.arcsec, step=200 * u.arcsec)["quiet"]
    np.testing.assert_array_equal(cube.mask, [[True, False, False, False]] * 2)
    assert np.isfinite(cube.data[~cube.mask]).all()


def test_a_planted_spot_is_found_where_it_is(field):
    table = detect_features(field, step=67.5 * u.arcsec)
    spots = table[table["feature"] == "sunspots"]
    darkest = np.unravel_index(field.data.argmin(), field.data.shape)
    truth = field.wcs.pixel_to_world(*darkest[::-1])
    assert np.hypot(spots["centre"][0].Tx - truth.Tx, spots["centre"][0].Ty - truth.Ty) < 100 * u.arcsec
    assert (spots["box"][0] < 270 * u.arcsec).all()
    on_sun = truth.transform_to(spots["heliographic"].frame.replicate_without_data())
    assert abs(spots["heliographic"][0].lat - on_sun.lat) < 6 * u.deg
    assert (np.diff(table["probability"]) <= 0).all()
    assert "filaments" not in table["feature"]


def test_a_prominence_has_no_place_on_the_disk():
    limb = halpha_scene("prominences", shape=(220, 220), scale=3.4 * u.arcsec / u.pix, seed=3)
    found = detect_features(limb, threshold=0.8)
    row = found[found["feature"] == "prominences"][0]
    radius = np.hypot(row["centre"].Tx, row["centre"].Ty)
    assert abs(radius - limb.rsun_obs) < 135 * u.arcsec
    assert np.isnan(row["heliographic"].lon) == (radius > limb.rsun_obs)


def test_nothing_found_is_an_empty_table():
    quiet = halpha_scene("quiet", shape=(150, 150), scale=3 * u.arcsec / u.pix, seed=2)
    table = detect_features(quiet, step=STEP, threshold=0.99)
    assert len(table) == 0
    assert table.colnames == ["feature", "probability", "centre", "box", "heliographic"]


def test_cutting_agrees_with_submap(field):
    cut = cut_out(field, slice(10, 50), slice(20, 90))
    submap = field.submap([20, 10] * u.pix, top_right=[89, 49] * u.pix)
    np.testing.assert_array_equal(cut.data, submap.data)
    np.testing.assert_allclose(
        corners_and_centre(cut.wcs, (40, 70)), corners_and_centre(submap.wcs, (40, 70)), atol=1e-6
    )
    masked = make_map(mask=random_image() > 1000)
    np.testing.assert_array_equal(cut_out(masked, slice(2, 9), slice(3, 7)).mask, masked.mask[2:9, 3:7])
    bare = make_map(crpix1=None, crpix2=None)
    np.testing.assert_allclose(
        cut_out(bare, slice(5, 9), slice(6, 8)).wcs.pixel_to_world_values(0, 0), bare.wcs.pixel_to_world_values(6, 5)
    )


def test_the_domain_is_that_of_the_windows(field):
    with pytest.warns(DomainWarning, match="the field of view is") as caught:
        feature_map(field, window=600 * u.arcsec, step=400 * u.arcsec)
    assert len(caught) == 1
    with pytest.raises(DomainError, match="the field of view is"):
        detect_features(field, window=600 * u.arcsec, strict=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 5000 * u.arcsec}, "window: 5000.0 arcsec is 1471 x 1471 pixels"),
        ({"window": 3 * u.arcsec}, "window: 3.0 arcsec is 1 x 1 pixels"),
        ({"step": 0.1 * u.arcsec}, "step: 0.1 arcsec is less than a pixel"),
    ],
)
def test_windows_that_do_not_fit(field, options, message):
    with pytest.raises(ObservationError, match=message):
        feature_map(field, **options)


def test_units_and_limits_are_checked(field):
    with pytest.raises(TypeError, match="window"):
        feature_map(field, window=270)
    with pytest.raises(u.UnitsError):
        feature_map(field, step=3 * u.kg)
    with pytest.raises(ValueError, match="threshold: expected a probability between 0 and 1, got 2"):
        detect_features(field, threshold=2)
    with pytest.raises(ValueError, match="least_windows"):
        detect_features(field, least_windows=0)
