"""Pixels, masks, units and normalisation through preparing and wrapping."""

import copy
import dataclasses

import astropy.units as u
import dask.array as da
import numpy as np
import pytest
from astropy.nddata import StdDevUncertainty
from hypothesis import given
from hypothesis import strategies as st
from ndcube import NDCube
from scipy.ndimage import binary_dilation

from sunpy_ml.exceptions import CardError, ObservationError
from sunpy_ml.observations import fill_invalid, new_map, prepare, quiet_sun_level, wrap
from sunpy_ml.observations.normalisation import NORMALISERS
from sunpy_ml.weights import Input, get_card
from tests.maps import make_map, random_image

CARD = get_card("halpha-2")
PERCENTILES = {"low": 1.0, "high": 99.0}


def card_with(**changes):
    return dataclasses.replace(CARD, input=Input(**({"geometry": "native", "normaliser": "raw"} | changes)))


@pytest.mark.parametrize("dtype", [">i2", "<u2", ">f4", ">f8", "f8", "u1", ">i4"])
def test_any_real_dtype_becomes_native_float32(dtype):
    data = random_image().clip(0, 200).astype(dtype)
    prepared = prepare(make_map(data), card_with())
    assert prepared.data.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(prepared.data, data.astype("f4"))


def test_the_caller_keeps_data_and_header():
    data = random_image()
    data[3, 4] = np.nan
    observation = make_map(data.copy(), mask=data > 1100)
    meta, mask = copy.deepcopy(observation.meta), observation.mask.copy()
    prepared = prepare(observation, card_with(geometry="fixed-shape", shape=(30, 30)))
    wrap(prepared, prepared.data, card_with())
    np.testing.assert_array_equal(observation.data, data)
    np.testing.assert_array_equal(observation.mask, mask)
    assert observation.meta == meta


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_invalid_pixels_are_filled_for_the_network_and_masked_in_the_output(bad):
    data = random_image()
    data[10:13, 20:24] = bad
    mask = np.zeros(data.shape, bool)
    mask[40, 50] = True
    prepared = prepare(make_map(data, mask=mask), card_with(halo=2))
    assert np.isfinite(prepared.data).all()
    result = wrap(prepared, prepared.data, card_with(halo=2))
    np.testing.assert_array_equal(result.mask, mask | ~np.isfinite(data))
    touched = (3 + 4) * (4 + 4) + 25 - 13
    assert f"{touched} pixels were computed from neighbours" in result.meta["history"]


def test_gaps_take_the_nearest_value_and_the_sky_becomes_dark():
    image = np.array([[1.0, 2.0, np.nan, np.nan]])
    valid = np.isfinite(image)
    np.testing.assert_array_equal(fill_invalid(image, valid), [[1, 2, 2, 2]])
    beyond = np.array([[False, False, False, True]])
    np.testing.assert_array_equal(fill_invalid(image, valid, beyond), [[1, 2, 2, 0]])


def test_a_missing_sky_is_dark_to_the_network():
    data = random_image((100, 100))
    disk = make_map(data, cdelt1=30.0, cdelt2=30.0, crval1=0, crval2=0)
    rows, columns = np.mgrid[:100, :100] - 49.5
    data[np.hypot(rows, columns) * 30 > disk.rsun_obs.to_value(u.arcsec)] = np.nan
    prepared = prepare(disk, card_with(normaliser="quiet-sun"))
    assert prepared.data[0, 0] == 0
    assert np.median(prepared.data[50]) > 0.5
    assert prepared.facts.missing == pytest.approx(np.isnan(data).mean())


def test_the_mask_of_a_finer_output_covers_every_masked_pixel():
    mask = np.zeros((60, 80), bool)
    mask[5, 7] = True
    prepared = prepare(make_map(mask=mask), card_with())
    fine = wrap(prepared, np.zeros((120, 160), "f4"), card_with())
    assert fine.mask.sum() == 4
    assert fine.mask[10:12, 14:16].all()
    coarse = wrap(prepared, np.zeros((7, 9), "f4"), card_with())
    assert coarse.mask[0, 0]
    assert coarse.mask.sum() == 1


def test_units_are_converted_and_checked():
    card = card_with(unit="G")
    np.testing.assert_allclose(prepare(make_map(bunit="mT"), card).data, random_image() * 10, rtol=1e-6)
    with pytest.raises(ObservationError, match="'DN', which cannot become 'G'"):
        prepare(make_map(), card)
    with pytest.raises(ObservationError, match="no unit"):
        prepare(make_map(bunit=None), card)


def test_wrap_keeps_class_meta_unit_and_plot_settings_and_tells_the_history():
    observation = make_map(history="taken", plot_settings={"cmap": "viridis"})
    prepared = prepare(observation, CARD)
    result = wrap(prepared, prepared.data, CARD, unit="G", uncertainty=StdDevUncertainty(prepared.data))
    assert type(result) is type(observation)
    assert result.unit == u.G
    assert result.plot_settings["cmap"] == "viridis"
    assert result.meta["history"].startswith("taken\n")
    assert CARD.file.sha256 in result.meta["history"]
    assert result.meta["instrume"] == observation.meta["instrume"]
    assert result.uncertainty.array.shape == result.data.shape


def test_the_uncertainty_of_a_turned_observation_is_turned_back():
    card = card_with()
    prepared = prepare(make_map(crota2=180.013), card)
    result = wrap(prepared, prepared.data, card, uncertainty=StdDevUncertainty(prepared.data * 0.1))
    np.testing.assert_allclose(result.uncertainty.array, result.data * 0.1)


def test_new_map_keeps_mask_and_uncertainty_where_they_still_mean_something():
    mask = random_image() > 1050
    old = make_map(mask=mask, uncertainty=StdDevUncertainty(random_image()))
    same = new_map(old, old.data * 2)
    assert same.mask is old.mask
    np.testing.assert_array_equal(same.uncertainty.array, old.uncertainty.array)
    other = new_map(old, np.zeros((30, 40)))
    assert other.mask is None
    assert other.uncertainty is None
    for moved in ({"origin": (0.0, 0.5)}, {"step": (1.0, 0.5)}):
        elsewhere = new_map(old, old.data, **moved)
        assert elsewhere.mask is None
        assert elsewhere.uncertainty is None
    relevance = new_map(old, old.data, unit=u.one)
    assert relevance.mask is old.mask
    assert relevance.uncertainty is None


def test_a_cube_comes_back_as_a_cube():
    m = make_map()
    cube = NDCube(m.data, wcs=m.wcs, unit=u.DN, mask=m.data > 1100, meta={"instrume": "Test"})
    prepared = prepare(cube, card_with())
    assert prepared.facts.plate_scale.to_value(u.arcsec / u.pix) == pytest.approx([1, 1])
    back = wrap(prepared, prepared.data, card_with())
    assert isinstance(back, NDCube)
    assert back.unit == u.DN
    np.testing.assert_array_equal(back.mask, cube.mask)
    assert back.wcs.pixel_to_world(3, 4).separation(cube.wcs.pixel_to_world(3, 4)) < 1e-6 * u.arcsec


def test_dask_stays_lazy_on_its_own_grid_and_agrees():
    data = random_image((90, 70))
    data[4, 5] = np.nan
    card = card_with(normaliser="quiet-sun")
    eager = prepare(make_map(data, crota2=180.013), card)
    lazy = prepare(make_map(da.from_array(data, chunks=32), crota2=180.013), card)
    assert isinstance(lazy.data, da.Array)
    np.testing.assert_allclose(lazy.data.compute(), eager.data, rtol=1e-6)
    np.testing.assert_array_equal(lazy.mask, eager.mask)
    assert lazy.facts.missing == eager.facts.missing > 0
    assert wrap(lazy, lazy.data, card).data.shape == (90, 70)


@pytest.mark.parametrize("gap", [np.s_[30:60, 30:60], np.s_[:, 25:61], np.s_[55:, 40:]], ids=["block", "row", "corner"])
def test_gaps_larger_than_a_block_are_filled_as_far_as_a_network_sees(gap):
    data = random_image((90, 100))
    data[gap] = np.nan
    card = card_with(normaliser="quiet-sun", halo=9)
    eager, lazy = (prepare(make_map(values), card) for values in (data, da.from_array(data, chunks=30)))
    seen = binary_dilation(~eager.mask, np.ones((19, 19)))
    assert 0 < (seen & eager.mask).sum() < eager.mask.sum()
    np.testing.assert_array_equal(lazy.data.compute()[seen], eager.data[seen])


def test_dask_without_gaps_has_no_mask():
    assert prepare(make_map(da.from_array(random_image(), chunks=32)), card_with()).mask is None


def test_dask_is_computed_where_it_must_be_resampled():
    data = random_image((90, 70))
    card = card_with(geometry="fixed-shape", shape=(32, 32))
    lazy = prepare(make_map(da.from_array(data, chunks=32)), card)
    np.testing.assert_array_equal(lazy.data, prepare(make_map(data), card).data)


def test_normalisers_do_what_their_names_say():
    pixels = np.linspace(-3, 7, 1001)
    constants = {"low": 1, "high": 99, "scale": 1000.0, "mean": 2.0, "std": 4.0}
    done = {name: normaliser(pixels, constants).apply(pixels) for name, normaliser in NORMALISERS.items()}
    np.testing.assert_allclose(done["raw"], pixels, rtol=1e-6)
    assert done["minmax-uint8"].min() == 0
    assert done["minmax-uint8"].max() == 255
    assert set(np.unique(done["minmax-uint8"])) <= set(range(256))
    np.testing.assert_allclose(np.median(done["quiet-sun"]), 1, rtol=1e-5)
    np.testing.assert_allclose(np.percentile(done["percentile"], [1, 99]), [0, 1], atol=1e-6)
    np.testing.assert_allclose(done["median"], pixels / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(done["scale"], pixels / 1000, rtol=1e-6)
    np.testing.assert_allclose(done["zscore"], (pixels - 2) / 4, rtol=1e-5, atol=1e-6)


@given(st.sampled_from(sorted(set(NORMALISERS) - {"minmax-uint8"})), st.integers(0, 99))
def test_normalisers_are_invertible(name, seed):
    pixels = np.random.default_rng(seed).normal(100, 10, 500)
    constants = {"low": 1, "high": 99, "scale": 1000.0, "mean": 2.0, "std": 4.0}
    normalisation = NORMALISERS[name](pixels, constants)
    np.testing.assert_allclose(normalisation.invert(normalisation.apply(pixels)), pixels, rtol=1e-4)


def test_the_quiet_level_ignores_spots_and_plage():
    pixels = np.random.default_rng(0).normal(1, 0.04, 10_000)
    pixels[:1500] = 0.2
    pixels[1500:2000] = 3
    assert quiet_sun_level(pixels) == pytest.approx(1, abs=5e-3)


def test_slic_scales_the_pixels_as_observed():
    data = random_image((64, 64))
    data[0, 0] = 5000
    prepared = prepare(make_map(data), card_with(normaliser="minmax-uint8", geometry="fixed-shape", shape=(32, 32)))
    assert prepared.normalisation.scale == pytest.approx((5000 - data.min()) / 255)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.full((20, 20), np.nan), "none of its 400 pixels is valid"),
        (np.full((20, 20), 7.0), "no contrast"),
        (np.ones((1, 1)), "no contrast"),
    ],
)
def test_images_without_content_are_refused(data, message):
    with pytest.raises(ObservationError, match=message):
        prepare(make_map(data), CARD)
    with pytest.raises(ObservationError, match=message):
        prepare(make_map(da.from_array(data, chunks=10)), card_with(normaliser="percentile", constants=PERCENTILES))


def test_a_map_that_is_masked_everywhere_is_refused():
    with pytest.raises(ObservationError, match="none of its"):
        prepare(make_map(mask=np.ones((60, 80), bool)), CARD)


def test_only_images_can_be_wrapped():
    prepared = prepare(make_map(), CARD)
    with pytest.raises(ObservationError, match="expected an image"):
        wrap(prepared, prepared.data[np.newaxis], CARD)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"normaliser": "magic"}, "got 'magic', for an image choose from"),
        ({"normaliser": "zscore", "constants": {"mean": 0.0}}, r"'zscore' needs \['std'\]"),
    ],
)
def test_cards_that_cannot_be_followed(rules, message):
    with pytest.raises(CardError, match=message):
        prepare(make_map(), card_with(**rules))
