"""The verb `enhance_hmi`: what goes in is not changed, and what comes out is right in every part of a Map."""

from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.nddata import StdDevUncertainty
from hypothesis import given, settings
from hypothesis import strategies as st
from ndcube import NDCube

from sunpy_ml import enhance_hmi
from sunpy_ml.enhancement.networks import EnhanceNetwork
from sunpy_ml.exceptions import DomainError, DomainWarning, HeaderWarning, ObservationError, WeightsError
from sunpy_ml.observations import quiet_sun_level
from sunpy_ml.optics import IDEAL_28CM as IDEAL
from sunpy_ml.optics import degrade
from sunpy_ml.simulation.photosphere import photosphere_scene
from sunpy_ml.weights import get_card
from tests.maps import corners_and_centre, make_map, rotated_header

HMI = {"wavelnth": 6173.0, "telescop": "SDO/HMI", "cdelt1": 0.504, "cdelt2": 0.504}


@pytest.fixture(scope="module")
def scene():
    """The same pores as HMI would see them, in continuum and magnetogram."""
    made = photosphere_scene("pores", shape=(400, 440), seed=3)
    return degrade(made.continuum, noise=0.1 * u.percent), degrade(made.magnetogram, noise=10 * u.G)


def hmi_map(data=None, shape=(40, 50), unit="DN / s", **header):
    if data is None:
        data = np.random.default_rng(0).normal(50000, 2000, shape).astype(np.float32)
    return make_map(data, **{**HMI, "bunit": unit, **header})


@pytest.mark.parametrize("index", [0, 1], ids=["continuum", "magnetogram"])
def test_a_simulated_observation_comes_out_sharper(scene, index):
    seen = scene[index]
    before = seen.data.copy(), dict(seen.meta)
    sharp = enhance_hmi(seen)
    assert type(sharp) is type(seen)
    assert sharp.data.shape == tuple(2 * n for n in seen.data.shape)
    assert sharp.data.dtype == np.float32
    assert sharp.unit == seen.unit
    assert sharp.data.std() > 1.05 * seen.data.std()
    assert abs(sharp.data.mean() - seen.data.mean()) < 0.01 * seen.data.std()
    assert isinstance(sharp.uncertainty, StdDevUncertainty)
    assert sharp.uncertainty.array.shape == sharp.data.shape
    assert (sharp.uncertainty.array > 0).all()
    assert sharp.meta["consistency"].data.shape == seen.data.shape
    assert sharp.meta["consrms"] == pytest.approx(np.sqrt(np.mean(sharp.meta["consistency"].data ** 2)), rel=1e-3)
    assert f"weights {get_card('hmi-' + ('continuum', 'magnetogram')[index]).name}" in sharp.meta["history"]
    assert "validated on simulations only" in sharp.meta["history"]
    assert (seen.data == before[0]).all()
    assert dict(seen.meta) == before[1]


def test_it_is_nearer_to_the_truth_than_interpolation(scene):
    aim = degrade(photosphere_scene("pores", shape=(400, 440), seed=3).continuum, IDEAL, pixel=0.252 * u.arcsec / u.pix)
    sharp = enhance_hmi(scene[0])
    inner = slice(16, -16), slice(16, -16)
    rows, columns = sharp.data.shape
    truth = aim.data[:rows, :columns]
    doubled = np.kron(scene[0].data, np.ones((2, 2)))
    assert np.std((sharp.data - truth)[inner]) < 0.5 * np.std((doubled - truth)[inner])


@pytest.mark.parametrize("form", ["crota", "pc", "cd"])
@pytest.mark.parametrize("angle", [0.0, 180.013, 90.0, -23.4])
def test_corners_stay_where_they_are(form, angle):
    m = hmi_map(**rotated_header(angle, form, (0.504, 0.504)))
    sharp = enhance_hmi(m)
    np.testing.assert_allclose(
        corners_and_centre(sharp.wcs, sharp.data.shape), corners_and_centre(m.wcs, m.data.shape), rtol=0, atol=1e-6
    )
    assert sharp.meta["crpix1"] == 2 * m.meta["crpix1"] - 0.5
    assert sharp.meta["crpix2"] == 2 * m.meta["crpix2"] - 0.5


def test_turned_maps_give_turned_results(scene):
    seen = scene[0]
    turned = type(seen)(
        np.ascontiguousarray(seen.data[::-1, ::-1]),
        {
            **seen.meta,
            **{f"pc{i}_{j}": -float(i == j) for i in (1, 2) for j in (1, 2)},
            "crpix1": seen.data.shape[1] + 1 - seen.meta["crpix1"],
            "crpix2": seen.data.shape[0] + 1 - seen.meta["crpix2"],
        },
    )
    np.testing.assert_allclose(enhance_hmi(turned).data[::-1, ::-1], enhance_hmi(seen).data, rtol=0, atol=1e-6)


def test_the_grid_of_sharps_stays_as_well():
    m = hmi_map(
        unit="G",
        ctype1="CRLN-CEA",
        ctype2="CRLT-CEA",
        cunit1="deg",
        cunit2="deg",
        cdelt1=0.03,
        cdelt2=0.03,
        crval1=239.5,
        crval2=12.0,
        crln_obs=240.0,
        data=np.random.default_rng(1).normal(0, 200, (40, 60)),
    )
    sharp = enhance_hmi(m)
    assert sharp.meta["cdelt1"] == 0.015
    np.testing.assert_allclose(
        corners_and_centre(sharp.wcs, sharp.data.shape), corners_and_centre(m.wcs, m.data.shape), rtol=0, atol=1e-6
    )


def test_the_negative_field_gives_exactly_the_negative_answer(scene):
    field = scene[1]
    other = type(field)(-field.data, field.meta)
    np.testing.assert_array_equal(enhance_hmi(other).data, -enhance_hmi(field).data)


def test_masked_pixels_stay_masked_and_neighbours_are_counted():
    data = np.random.default_rng(0).normal(50000, 2000, (60, 70)).astype(np.float32)
    data[10, 12] = np.nan
    mask = np.zeros(data.shape, bool)
    mask[30:33, 40] = True
    m = hmi_map(data, mask=mask)
    sharp = enhance_hmi(m)
    expected = np.kron(mask | np.isnan(data), np.ones((2, 2))).astype(bool)
    assert (sharp.mask == expected).all()
    assert np.isfinite(sharp.data).all()
    assert "were computed from neighbours" in sharp.meta["history"] or "some are masked" in sharp.meta["history"]
    assert np.isfinite(sharp.meta["consrms"])


def test_a_cube_gives_a_cube(scene):
    seen = scene[0]
    cube = NDCube(
        seen.data, wcs=seen.wcs, unit=u.dimensionless_unscaled, meta={"wavelnth": 6173.0, "waveunit": "angstrom"}
    )
    found = enhance_hmi(cube)
    assert isinstance(found, NDCube)
    np.testing.assert_allclose(found.data, enhance_hmi(seen).data, rtol=0, atol=1e-6)


@settings(max_examples=15)
@given(shape=st.tuples(st.integers(3, 60), st.integers(3, 60)), tile=st.integers(7, 64), kind=st.sampled_from([0, 1]))
def test_tiles_leave_no_trace(shape, tile, kind):
    rng = np.random.default_rng(shape[0] * 61 + shape[1])
    unit, level, spread = (("DN / s", 50000, 2000), ("G", 0, 200))[kind]
    m = hmi_map(rng.normal(level, spread, shape).astype(np.float32), unit=unit)
    whole, tiled = enhance_hmi(m, tile=4096), enhance_hmi(m, tile=tile)
    contrast = whole.data.std()
    np.testing.assert_allclose(tiled.data, whole.data, rtol=0, atol=1e-5 * contrast)
    np.testing.assert_allclose(tiled.uncertainty.array, whole.uncertainty.array, rtol=0, atol=1e-5 * contrast)


@pytest.mark.parametrize("index", [0, 1], ids=["continuum", "magnetogram"])
def test_dask_with_a_block_that_is_missing_agrees(scene, index):
    da = pytest.importorskip("dask.array")
    seen = scene[index]
    data = seen.data.copy()
    data[35:70, 20:50] = np.nan
    lazy = enhance_hmi(type(seen)(da.from_array(data, chunks=(35, 10)), seen.meta))
    eager = enhance_hmi(type(seen)(data, seen.meta))
    np.testing.assert_array_equal(lazy.mask, eager.mask)
    valid = ~eager.mask
    contrast = eager.data[valid].std()
    np.testing.assert_allclose(lazy.data.compute()[valid], eager.data[valid], rtol=0, atol=1e-5 * contrast)


@pytest.mark.parametrize("shape", [(20, 20), (20, 150)])
def test_dask_may_be_smaller_than_the_halo(shape):
    da = pytest.importorskip("dask.array")
    m = hmi_map(shape=shape)
    lazy = enhance_hmi(type(m)(da.from_array(m.data, chunks=10), m.meta))
    eager = enhance_hmi(m)
    np.testing.assert_allclose(lazy.data.compute(), eager.data, rtol=0, atol=1e-5 * eager.data.std())


def test_dask_that_is_mostly_missing_is_outside_of_the_domain():
    da = pytest.importorskip("dask.array")
    m = hmi_map()
    m.data[:, :30] = np.nan
    with pytest.warns(DomainWarning, match="60% of the pixels are invalid"):
        enhance_hmi(type(m)(da.from_array(m.data, chunks=20), m.meta))
    m.data[:] = np.nan
    with pytest.raises(ObservationError, match="none of its 2000 pixels is valid"):
        enhance_hmi(type(m)(da.from_array(m.data, chunks=20), m.meta))


@pytest.mark.parametrize("uncertainty", ["variance", "ensemble", "none"])
def test_dask_stays_lazy_and_agrees(scene, uncertainty):
    da = pytest.importorskip("dask.array")
    seen = scene[0]
    lazy = type(seen)(da.from_array(seen.data, chunks=(35, 50)), seen.meta)
    found = enhance_hmi(lazy, uncertainty=uncertainty)
    assert isinstance(found.data, da.Array)
    assert "consistency" not in found.meta
    eager = enhance_hmi(seen, uncertainty=uncertainty)
    np.testing.assert_allclose(found.data.compute(), eager.data, rtol=0, atol=1e-5 * eager.data.std())
    if uncertainty == "none":
        assert found.uncertainty is None
    else:
        assert isinstance(found.uncertainty.array, da.Array)
        np.testing.assert_allclose(found.uncertainty.array.compute(), eager.uncertainty.array, rtol=0, atol=1e-5)


def test_the_ensemble_is_the_mean_over_turns(scene):
    from itertools import product

    from sunpy_ml.observations import Turn

    seen = scene[1]
    views = []
    for choice in product((False, True), repeat=3):
        turn = Turn(*choice)
        data = np.ascontiguousarray(turn.apply(seen.data))
        rows, columns = data.shape
        meta = {**seen.meta, "crpix1": (columns + 1) / 2, "crpix2": (rows + 1) / 2, "crota2": 0.0}
        views.append(turn.undo(enhance_hmi(type(seen)(data, meta), uncertainty="none").data))
    found = enhance_hmi(seen, uncertainty="ensemble")
    np.testing.assert_allclose(found.data, np.mean(views, axis=0), rtol=0, atol=0.01)
    np.testing.assert_allclose(found.uncertainty.array, np.std(views, axis=0), rtol=0, atol=0.01)


@pytest.mark.parametrize(("name", "index", "scale"), [("enhance-intensity", 0, None), ("enhance-blos", 1, 1000.0)])
def test_the_published_networks_compute_what_they_did(scene, name, index, scale):
    torch.manual_seed(0)
    network, seen = EnhanceNetwork().eval(), scene[index]
    scale = scale or quiet_sun_level(seen.data.ravel())
    with torch.inference_mode():
        expected = network(torch.from_numpy(seen.data / np.float32(scale))[None, None])[0, 0].numpy() * scale
    found = enhance_hmi(seen, weights=network, card=get_card(name))
    np.testing.assert_allclose(found.data, expected, rtol=0, atol=2e-6 * scale)
    assert found.uncertainty is None


def test_limb_darkening_is_taken_off_and_put_back():
    # A disk of granules and nothing but limb darkening: without it the same granules come out everywhere.
    rng = np.random.default_rng(2)
    pattern = np.kron(rng.normal(1, 0.03, (60, 60)), np.ones((4, 4)))
    step, radius = 8.5, 960.0
    x = (np.arange(240) - 119.5) * step
    distance = np.hypot(x, x[:, None]) / radius
    darkening = 0.3 + 0.7 * np.sqrt(np.clip(1 - distance**2, 0, None))
    disk = np.where(distance < 1, 50000 * pattern * darkening, np.nan).astype(np.float32)
    header = {"cdelt1": step, "cdelt2": step, "crval1": 0.0, "crval2": 0.0, "rsun_obs": radius}
    card = replace(get_card("hmi-continuum"), domain=get_card("halpha-2").domain, name="any-1", version="1")
    from sunpy_ml.weights import load

    network = load("hmi-continuum")
    with pytest.warns(DomainWarning):
        found = enhance_hmi(hmi_map(disk, **header), weights=network, card=card)
    with pytest.warns(DomainWarning):
        flat = enhance_hmi(hmi_map((50000 * pattern).astype(np.float32), **header), weights=network, card=card)
    fine = np.kron(darkening, np.ones((2, 2)))
    inner = np.kron(distance, np.ones((2, 2))) < 0.8
    assert found.mask[~np.kron(distance < 1, np.ones((2, 2))).astype(bool)].all()
    np.testing.assert_allclose(found.data[inner] / (50000 * fine[inner]), flat.data[inner] / 50000, rtol=0, atol=0.02)


def test_sharps_need_to_be_told_apart(scene):
    silent = ("bunit", "content", "measrmnt")
    for index, kind in enumerate(("continuum", "magnetogram")):
        bare = type(scene[index])(scene[index].data, {k: v for k, v in scene[index].meta.items() if k not in silent})
        with pytest.raises(ObservationError, match="say kind='continuum' or kind='magnetogram'"):
            enhance_hmi(bare)
        with pytest.warns(HeaderWarning, match="no unit"):
            found = enhance_hmi(bare, kind=kind)
        np.testing.assert_array_equal(found.data, enhance_hmi(scene[index]).data)


def test_what_cannot_be_is_refused(scene):
    continuum, field = scene
    with pytest.raises(ValueError, match="kind: got 'doppler'"):
        enhance_hmi(continuum, kind="doppler")
    with pytest.raises(ObservationError, match="leave kind out"):
        enhance_hmi(field, kind="continuum")
    with pytest.raises(ValueError, match="uncertainty: got 'some'"):
        enhance_hmi(continuum, uncertainty="some")
    with pytest.raises(ValueError, match="tile: expected at least 1"):
        enhance_hmi(continuum, tile=0)
    with pytest.raises(ValueError, match="precision"):
        enhance_hmi(continuum, precision="float8")
    with pytest.raises(WeightsError, match="serves 'enhancement of a magnetogram', not 'enhancement of a continuum'"):
        enhance_hmi(continuum, weights="enhance-blos")
    with pytest.raises(WeightsError, match="serves 'classification'"):
        enhance_hmi(continuum, weights="halpha-2")
    with pytest.raises(ObservationError, match="neither of an intensity nor of a magnetic field"):
        enhance_hmi(hmi_map(unit="m / s"))
    with pytest.raises(ObservationError, match="none of its"):
        enhance_hmi(hmi_map(np.full((20, 20), np.nan)))


def test_outside_of_its_domain_it_warns_or_refuses():
    coarse = hmi_map(cdelt1=2.0, cdelt2=2.0)
    with pytest.warns(DomainWarning, match="plate scale is 2"):
        enhance_hmi(coarse)
    with pytest.raises(DomainError, match="plate scale"):
        enhance_hmi(coarse, strict=True)
    with pytest.warns(DomainWarning, match="wavelength is 30.4"):
        enhance_hmi(hmi_map(wavelnth=304.0))


def test_bfloat16_is_near(scene):
    exact, rough = (enhance_hmi(scene[0], precision=precision).data for precision in ("float32", "bfloat16"))
    assert 0 < np.std(rough - exact) < 0.02 * exact.std()


def test_memory_depends_on_the_tile_and_not_on_the_image(monkeypatch):
    from sunpy_ml.enhancement.networks import DeconvolutionNetwork

    largest = []
    forward = DeconvolutionNetwork.forward
    monkeypatch.setattr(DeconvolutionNetwork, "forward", lambda self, x: largest.append(x.numel()) or forward(self, x))
    halo = get_card("hmi-continuum").input.halo
    for side in (300, 1024):
        largest.clear()
        enhance_hmi(hmi_map(shape=(side, side)), tile=64, progress=False)
        assert max(largest) == (64 + 2 * halo) ** 2


@pytest.mark.parametrize("unit", ["kG", "mT", "T"])
def test_fields_come_back_in_their_own_unit(scene, unit):
    field = scene[1]
    factor = (1 * u.G).to_value(unit)
    found = enhance_hmi(type(field)(field.data * factor, {**field.meta, "bunit": unit}))
    expected = enhance_hmi(field)
    assert found.unit == unit
    np.testing.assert_allclose(found.data, expected.data * factor, rtol=0, atol=1e-4 * factor * expected.data.std())
    np.testing.assert_allclose(found.uncertainty.array, expected.uncertainty.array * factor, rtol=1e-3)
    assert found.meta["consrms"] == pytest.approx(expected.meta["consrms"] * factor, rel=1e-3)
