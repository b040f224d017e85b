"""World coordinates survive everything that preparing and wrapping do to the pixels."""

import dataclasses
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunpy_ml.observations import Turn, new_map, plate_scale, prepare, wrap
from sunpy_ml.observations.orientation import north_up_turn, turned_wcs
from sunpy_ml.observations.resampling import overlap_matrix, resample
from sunpy_ml.weights import Input, get_card
from tests.maps import corners_and_centre, make_map, random_image, rotated_header

SHARP_GRID = {
    "ctype1": "CRLN-CEA",
    "ctype2": "CRLT-CEA",
    "cunit1": "deg",
    "cunit2": "deg",
    "cdelt1": 0.03,
    "cdelt2": 0.03,
    "crval1": 200.0,
    "crval2": 0.0,
    "dsun_obs": 1.496e11,
}
CARD = get_card("halpha-2")


def card_with(**changes):
    return dataclasses.replace(CARD, input=Input(**({"geometry": "native", "normaliser": "raw"} | changes)))


headers = st.builds(
    lambda angle, form, cdelt, far: rotated_header(angle, form, cdelt) | far,
    st.one_of(st.floats(-180, 180), st.sampled_from([0.0, 90.0, 180.013, -90.0, 179.93, 0.41])),
    st.sampled_from(["crota", "pc", "cd"]),
    st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)),
    st.sampled_from([{}, {"crpix1": -3000.5, "crpix2": 5000.0}, {"crpix1": 2000.0, "crval1": 0.0, "crval2": 0.0}]),
)
shapes = st.tuples(st.integers(5, 40), st.integers(5, 40))


@settings(max_examples=60)
@given(headers, shapes, st.sampled_from(["native", "plate-scale", "fixed-shape"]))
def test_world_coordinates_through_prepare_and_wrap(header, shape, geometry):
    observation = make_map(random_image(shape), **header)
    card = card_with(geometry=geometry, shape=(32, 24), plate_scale=1.7)
    prepared = prepare(observation, card)
    truth = corners_and_centre(observation.wcs, shape)
    np.testing.assert_allclose(corners_and_centre(prepared.wcs, prepared.data.shape), truth, rtol=0, atol=1e-6)
    finer = np.kron(prepared.data, np.ones((2, 2), np.float32))
    for output in (prepared.data, finer, prepared.data[:1, :1]):
        back = wrap(prepared, output, card)
        assert back.data.shape == prepared.turn.undo(output).shape
        np.testing.assert_allclose(corners_and_centre(back.wcs, back.data.shape), truth, rtol=0, atol=1e-6)


@settings(max_examples=40)
@given(headers, shapes)
def test_native_geometry_gives_the_same_pixels_back(header, shape):
    observation = make_map(random_image(shape), **header)
    card = card_with()
    prepared = prepare(observation, card)
    np.testing.assert_array_equal(wrap(prepared, prepared.data, card).data, observation.data.astype(np.float32))
    # North is up and west is right to within 45 degrees: both steps of the matrix are positive.
    assert (np.diag(prepared.wcs.pixel_scale_matrix) > 0).all()


@pytest.mark.parametrize(("angle", "rest"), [(180.013, 0.013), (179.93, -0.07), (0.41, 0.41), (90.2, 0.2), (-91, -1)])
def test_only_the_rest_of_the_rotation_stays(angle, rest):
    wcs = make_map(**rotated_header(angle, "crota")).wcs
    turn, tilt = north_up_turn(wcs)
    assert tilt == pytest.approx(rest, abs=1e-9)
    assert north_up_turn(turned_wcs(wcs, turn, (60, 80)))[0] == Turn()


def test_an_upside_down_image_is_turned_by_flips():
    data = random_image((3, 4))
    prepared = prepare(make_map(data, crota2=180.013), card_with())
    np.testing.assert_array_equal(prepared.data, data[::-1, ::-1].astype(np.float32))


def test_a_mirrored_image_is_mirrored_back():
    data = random_image((3, 4))
    prepared = prepare(make_map(data, cdelt1=-1.0), card_with())
    np.testing.assert_array_equal(prepared.data, data[:, ::-1].astype(np.float32))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
def test_turns_are_undone(transpose, flip_y, flip_x):
    turn = Turn(transpose, flip_y, flip_x)
    data = random_image((3, 5))
    np.testing.assert_array_equal(turn.undo(turn.apply(data)), data)
    assert turn.undo_shape(turn.apply(data).shape) == data.shape


def test_a_tilt_that_the_card_does_not_tolerate_is_interpolated_away():
    rows, columns = np.mgrid[:80, :80] - 39.5
    spot = 1000 - 500 * np.exp(-((rows - 15) ** 2 + (columns + 10) ** 2) / 30)
    observation = make_map(spot, **rotated_header(20, "pc"))
    prepared = prepare(observation, card_with(max_tilt=1.0))
    assert north_up_turn(prepared.wcs)[1] == pytest.approx(0, abs=1e-9)
    assert prepared.mask.any()
    darkest = np.unravel_index(np.where(prepared.mask, np.inf, prepared.data).argmin(), prepared.data.shape)
    found = prepared.wcs.pixel_to_world(*darkest[::-1])
    truth = observation.wcs.pixel_to_world(29.5, 54.5)
    assert found.separation(truth) < 1 * u.arcsec
    result = wrap(prepared, prepared.data, card_with(max_tilt=1.0))
    np.testing.assert_allclose(result.wcs.pixel_to_world_values(3, 4), prepared.wcs.pixel_to_world_values(3, 4))


@pytest.mark.parametrize("form", ["crota", "pc", "cd"])
def test_new_map_follows_the_fits_rule(form):
    old = make_map(**rotated_header(30, form, (0.5, 0.8)))
    new = new_map(old, np.zeros((120, 160)))
    assert new.meta["crpix1"] == 2 * old.meta["crpix1"] - 0.5
    np.testing.assert_allclose(u.Quantity(new.scale), u.Quantity(old.scale) / 2)
    np.testing.assert_allclose(
        corners_and_centre(new.wcs, (120, 160)), corners_and_centre(old.wcs, (60, 80)), atol=1e-6
    )


@pytest.mark.parametrize("form", ["crota", "pc", "cd"])
@pytest.mark.parametrize("centred", [False, True])
def test_new_pixels_lie_where_they_are_said_to(form, centred):
    header = rotated_header(30, form, (0.5, 0.8))
    # Without CRPIX the reference is the centre of the image.
    header |= {"crpix1": None, "crpix2": None} if centred else {"crpix1": 7.3, "crpix2": 61.0}
    old = make_map(random_image((60, 80)), naxis1=80, naxis2=60, **header)
    kept = dict(old.meta)
    new = new_map(old, np.zeros((20, 50)), step=(2.7, 1.5), origin=(0.4, 0.25))
    x, y = np.array([0, 3.2, 49]), np.array([0, 11.7, 19])
    # Pixel edges: coordinate -0.5 is the edge of the image, where the origin is counted from.
    old_x, old_y = 1.5 * (x + 0.5 + 0.25) - 0.5, 2.7 * (y + 0.5 + 0.4) - 0.5
    np.testing.assert_allclose(
        new.wcs.pixel_to_world_values(x, y), old.wcs.pixel_to_world_values(old_x, old_y), rtol=0, atol=1e-10
    )
    assert (new.meta["naxis1"], new.meta["naxis2"]) == (50, 20)
    assert dict(old.meta) == kept


def test_a_header_stays_as_it_is_on_the_same_pixels():
    old = make_map(crpix1=0.1, crpix2=None, cdelt1=None)
    for same in ({}, {"step": (1.0, 1.0)}):
        assert dict(new_map(old, old.data, **same).meta) == dict(old.meta)


def test_a_plate_scale_keeps_the_field_and_rounds_the_shape():
    observation = make_map(random_image((101, 57)))
    prepared = prepare(observation, card_with(geometry="plate-scale", plate_scale=0.7))
    assert prepared.data.shape == (144, 81)
    effective = plate_scale(prepared.wcs, observation).to_value(u.arcsec / u.pix)
    np.testing.assert_allclose(effective, [57 / 81, 101 / 144])
    assert abs(effective / 0.7 - 1).max() <= 1 / (2 * 81)


def test_a_degree_of_a_heliographic_grid_is_a_length_on_the_sun():
    sharp = make_map(**SHARP_GRID)
    scale = plate_scale(sharp.wcs, sharp)
    np.testing.assert_allclose(scale.to_value(u.arcsec / u.pix), 0.5023, rtol=1e-3)


def test_full_disk_and_cut_out_agree_on_where_they_look():
    disk = make_map(random_image((64, 64)), cdelt1=38.0, cdelt2=38.0, crval1=0, crval2=0)
    prepared = prepare(disk, card_with(geometry="fixed-shape", shape=(256, 256)))
    np.testing.assert_allclose(
        corners_and_centre(prepared.wcs, (256, 256)), corners_and_centre(disk.wcs, (64, 64)), atol=1e-6
    )


@given(st.integers(1, 300), st.integers(1, 300))
@settings(max_examples=50)
def test_averages_conserve_the_mean_and_a_constant(n_in, n_out):
    if n_out > n_in:
        n_in, n_out = n_out, n_in
    matrix = overlap_matrix(n_in, n_out)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    np.testing.assert_allclose(matrix.sum(axis=0), n_out / n_in)


def test_a_whole_factor_is_block_averaging():
    image = random_image((12, 18))
    expected = image.reshape(6, 2, 6, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resample(image, (6, 6)), expected, rtol=1e-6)


def test_growing_follows_a_smooth_function():
    places = lambda n: (np.arange(n) + 0.5) / n  # noqa: E731
    coarse = np.sin(3 * places(40))[:, np.newaxis] * np.cos(2 * places(50))
    fine = np.sin(3 * places(120))[:, np.newaxis] * np.cos(2 * places(100))
    inner = slice(12, -12)  # beyond the last centres of pixels the spline has only the edge to go by
    np.testing.assert_allclose(resample(coarse, (120, 100))[inner, inner], fine[inner, inner], atol=1e-4)


def test_beyond_the_limb_is_where_the_header_says():
    from sunpy_ml.observations import beyond_limb

    disk = make_map(random_image((200, 200)), cdelt1=12.0, cdelt2=12.0, crval1=0, crval2=0)
    dark = beyond_limb(turned_wcs(disk.wcs, Turn(), (200, 200)), disk)
    area = (~dark).sum() * 144
    assert area == pytest.approx(np.pi * disk.rsun_obs.to_value(u.arcsec) ** 2, rel=2e-3)
    grid = make_map(
        ctype1="CRLN-CEA", ctype2="CRLT-CEA", cunit1="deg", cunit2="deg", cdelt1=0.03, cdelt2=0.03, crval2=0
    )
    assert beyond_limb(turned_wcs(grid.wcs, Turn(), (60, 80)), SimpleNamespace()) is None


def test_latitude_first_is_turned_like_any_other():
    header = {"ctype1": "HPLT-TAN", "ctype2": "HPLN-TAN"}
    turn, tilt = north_up_turn(make_map(**header).wcs)
    assert turn == Turn(transpose=True)
    assert tilt == pytest.approx(0)
