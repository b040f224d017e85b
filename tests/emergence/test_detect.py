"""detect_emergence, from a cube to a result."""

import copy
import warnings

import astropy.units as u
import dask.array as da
import numpy as np
import pytest
from astropy.time import Time, TimeDelta
from ndcube import NDCube
from torch import nn

from sunpy_ml import detect_emergence
from sunpy_ml.emergence.answers import ask
from sunpy_ml.emergence.as_mdi import as_mdi
from sunpy_ml.emergence.cubes import read_patch
from sunpy_ml.emergence.video import video
from sunpy_ml.exceptions import DomainError, DomainWarning, ObservationError, WeightsError
from sunpy_ml.weights import Output
from tests.emergence.growing import CADENCE, START, Lopsided, Rise, card_of, growing_cube, growing_field, patch_wcs


def detect(cube, network=None, **options):
    card = options.pop("card", None) or card_of()
    return detect_emergence(cube, weights=network or Rise(), card=card, progress=False, **options)


def found_day(result):
    return (result.time - START).to_value(u.day)


@pytest.mark.parametrize("day", [4.0, 7.3, 11.9])
def test_it_tells_whether_and_when(day):
    cube = growing_cube(day)
    before = copy.deepcopy(cube.data)
    result = detect(cube)
    assert result.emerged
    assert result.probability > 0.95
    assert result.probability == pytest.approx(result.members.mean())
    assert result.in_domain
    assert abs(found_day(result) - day) <= 0.1
    assert result.interval[0] <= result.time <= result.interval[1]
    # The first member is content with less than the last.
    assert 0.2 < (result.interval[1] - result.interval[0]).to_value(u.day) < 1.5
    assert np.array_equal(cube.data, before)


def test_the_time_is_one_of_the_true_times():
    days = np.sort(np.random.default_rng(2).uniform(0, 15, 700))
    result = detect(growing_cube(7.3, days=days))
    assert np.abs(found_day(result) - days).min() * 86400 < 1e-3
    assert abs(found_day(result) - 7.3) < 0.1
    assert result.times.shape == result.curve.shape == (225,)
    assert (np.diff((result.times - START).to_value(u.s)) > 0).all()


def test_what_has_emerged_before_is_not_new():
    result = detect(growing_cube(-30.0))
    assert not result.emerged
    assert result.probability < 0.05
    assert result.time is None
    assert result.interval is None


@pytest.mark.parametrize(("day", "threshold", "bias"), [(1.5, 0.1, 1.0), (14.4, 0.5, 0.0)])
def test_no_time_is_told_where_none_can_be_observed(day, threshold, bias):
    late = card_of(output=Output(classes=("emergence",), time_bias=bias))
    result = detect(growing_cube(day), Rise((threshold,)), card=late)
    assert result.emerged
    assert result.time is None


def test_the_bias_of_the_card_is_subtracted():
    biased = card_of(output=Output(classes=("emergence",), time_bias=0.75))
    plain, result = detect(growing_cube()), detect(growing_cube(), card=biased)
    for one, other in ((plain.time, result.time), (plain.interval, result.interval)):
        np.testing.assert_allclose((one - other).to_value(u.day), 0.75)


def test_reversed_polarity_and_latitudes_change_nothing():
    card = card_of(shape=(12, 12))
    field = growing_field(np.arange(225) / 15, 7.0, (12, 12))
    field += np.random.default_rng(0).normal(0, 30, field.shape).astype(np.float32)
    field[:, :2, 8:] = np.nan
    results = [
        detect(NDCube(data, wcs=patch_wcs(data.shape), unit=u.G), Lopsided(), card=card)
        for data in (field, -field, field[:, ::-1], -field[:, ::-1], field[:, :, ::-1])
    ]
    for other in results[1:4]:
        assert other.members == pytest.approx(results[0].members, abs=1e-6)
        assert other.curves == pytest.approx(results[0].curves, abs=1e-6)
    # What is not averaged over is seen, so the network does look.
    assert abs(results[4].members - results[0].members).max() > 1e-3


def test_longitudes_that_fall_along_columns_are_turned():
    cube = growing_cube(shape=(12, 12))
    wcs = patch_wcs(cube.data.shape, 0.9)
    wcs.wcs.cdelt = [-0.9, 0.9, 5760.0]
    mirrored = NDCube(cube.data[:, :, ::-1], wcs=wcs, unit=u.G)
    card = card_of(shape=(12, 12))
    one, other = (detect(each, Lopsided(), card=card) for each in (cube, mirrored))
    assert one.members == pytest.approx(other.members, abs=1e-6)
    for axis, result in ((slice(None), one), (slice(None, None, -1), other)):
        relevance = result.saliency().data[:, :, axis]
        assert relevance.sum() == pytest.approx(one.saliency().data.sum(), rel=1e-4)


def test_a_network_without_a_short_cut_is_shown_every_ending():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.rise = Rise()

        def forward(self, x):
            return self.rise(x)

    patch = read_patch(growing_cube(shape=(12, 12)), (12, 12))
    images = video(patch.field, patch.seconds)
    assert ask(Plain(), images).curves == pytest.approx(ask(Rise(), images).curves, abs=1e-5)


def test_what_is_masked_or_not_finite_is_not_seen():
    cube = growing_cube()
    data, mask = cube.data.copy(), np.zeros(cube.data.shape, dtype=bool)
    data[50:60, 10:80, 10:80], mask[50:60, 10:80, 10:80] = 1e30, True
    data[100:110, :, 40] = np.nan
    data[120] = np.inf
    spoiled = detect(NDCube(data, wcs=cube.wcs, unit=u.G, mask=mask))
    clean = detect(cube)
    assert spoiled.probability == pytest.approx(clean.probability, abs=0.01)
    assert abs(found_day(spoiled) - found_day(clean)) < 0.2
    with pytest.raises(ObservationError, match="nothing of it is known"):
        detect(NDCube(data, wcs=cube.wcs, unit=u.G, mask=True))


@pytest.mark.parametrize(("unit", "dtype"), [(u.T, ">f8"), (u.mT, "<f4"), (u.G, ">i2"), (u.kG, "<f8")])
def test_any_unit_of_a_field_and_any_real_dtype(unit, dtype):
    cube = growing_cube()
    data = (cube.data * u.G.to(unit)).astype(dtype)
    found = detect(NDCube(data, wcs=cube.wcs, unit=unit))
    assert found.members == pytest.approx(detect(cube).members, abs=1e-2)


@pytest.mark.parametrize("shape", [(120, 120), (45, 60)])
def test_patches_of_other_shapes_are_brought_to_that_of_the_network(shape):
    result = detect(growing_cube(shape=shape))
    assert abs(found_day(result) - 7.0) <= 0.1
    assert result.saliency().data.shape == (225, *shape)


def test_lazy_and_sliced_cubes():
    cube = growing_cube(days=np.arange(225) / 15)
    lazy = NDCube(da.from_array(cube.data, chunks=(20, 90, 90)), wcs=cube.wcs, unit=u.G)
    assert detect(lazy).members == pytest.approx(detect(growing_cube()).members)
    sliced = detect(cube[20:, 6:84, 4:82])
    # Of the smaller patch the region fills more.
    assert abs(found_day(sliced) - 7.0) <= 0.25
    assert sliced.times[0].isot == (START + TimeDelta(20 / 15, format="jd")).isot


def test_a_long_cube_is_searched_in_windows():
    days = np.arange(0, 40, 0.2)
    result = detect(growing_cube(25.0, days=days))
    assert abs(found_day(result) - 25.0) < 0.25
    assert len(result.windows) == 6
    assert result.probability == max(window.probability for window in result.windows)
    assert not result.windows[0].emerged
    told = [window for window in result.windows if window.time is not None]
    assert len(told) >= 2
    for window in told:
        assert abs(found_day(window) - 25.0) < 0.35
    assert result.windows[-1].cube.shape[0] == 75
    with pytest.raises(ValueError, match="step: expected a positive time"):
        detect(growing_cube(25.0, days=days), step=3)


def test_a_short_cube_is_outside_the_domain():
    cube = growing_cube(frames=100)
    with pytest.warns(DomainWarning, match=r"the duration is 6.6 d, trained on 12-16 d"):
        result = detect(cube)
    assert result.in_domain.status == "outside"
    assert result.time is None
    with pytest.raises(DomainError, match="duration"):
        detect(cube, strict=True)


def test_the_facts_are_those_of_the_pixels_of_the_network():
    facts = read_patch(growing_cube(shape=(180, 180)), (90, 90)).facts
    # 0.12 degrees at the centre of the disk.
    np.testing.assert_allclose(facts.plate_scale.to_value(u.arcsec / u.pix), 2.009, rtol=1e-3)
    np.testing.assert_allclose(facts.field_of_view.to_value(u.arcsec), 180.8, rtol=1e-3)
    assert facts.cadence.to_value(u.min) == pytest.approx(96)
    assert facts.duration.to_value(u.day) == pytest.approx(224 / 15)
    wide = read_patch(growing_cube(shape=(90, 180)), (90, 90)).facts
    assert wide.field_of_view[0] == 2 * wide.field_of_view[1]


class Sized(Rise):
    """Notes what it is told of its pixels."""

    told = None

    def of_pixels(self, pixel):
        self.told = pixel
        return self


def test_a_network_that_asks_is_told_how_large_pixels_are():
    network = Sized()
    detect(growing_cube(shape=(180, 180)), network)
    assert network.told == pytest.approx(2.009, rel=1e-3)
    silent = growing_cube()
    silent.wcs.wcs.ctype = ["LINEAR", "LINEAR", "TIME"]
    silent.wcs.wcs.cunit = ["pix", "pix", "s"]
    network = Sized()
    detect(silent, network)
    assert network.told is None


def undated(cube):
    wcs = cube.wcs.deepcopy()
    wcs.wcs.dateref, wcs.wcs.mjdref = "", [0.0, 0.0]
    return NDCube(cube.data, wcs=wcs, unit=u.G)


def reordered(cube):
    other = NDCube(cube.data, wcs=cube.wcs, unit=u.G)
    other.extra_coords.add("time", 0, START + TimeDelta(np.arange(225)[::-1] * CADENCE))
    return other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cube: cube.data, "expected an NDCube"),
        (lambda cube: cube[3], r"expected \(time, latitude, longitude\)"),
        (lambda cube: NDCube(cube.data, wcs=cube.wcs), r"has no unit; give it one, as NDCube\(cube, unit=u.G\)"),
        (lambda cube: NDCube(cube.data, wcs=cube.wcs, unit=u.m / u.s), "no magnetic field"),
        (lambda cube: NDCube(cube.data + 0j, wcs=cube.wcs, unit=u.G), "real numbers"),
        (undated, r"cube.extra_coords.add\('time'"),
        (reordered, "sort them"),
        (lambda cube: cube[:1], "two frames or more"),
        (
            lambda cube: NDCube(cube.data, wcs=patch_wcs(cube.data.shape, ctype=("HPLN-TAN", "HPLT-TAN")), unit=u.G),
            "patch_cube",
        ),
        (
            lambda cube: NDCube(cube.data, wcs=patch_wcs(cube.data.shape).swapaxes(0, 1), unit=u.G),
            "exchange its last two axes",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_cure(change, message):
    with pytest.raises(ObservationError, match=message):
        detect(change(growing_cube()))


def test_arguments_that_cannot_be():
    cube = growing_cube()
    with pytest.raises(ValueError, match="device"):
        detect(cube, device="abacus")
    with pytest.raises(WeightsError, match="needs its card"):
        detect_emergence(cube, weights=Rise())
    with pytest.raises(WeightsError, match="serves 'classification'"):
        detect_emergence(cube, weights="halpha-2")


def test_hmi_as_mdi_blurs_bins_and_multiplies():
    noise = np.random.default_rng(0).normal(0, 10, (400, 400))
    fine = as_mdi(noise, (0.5, 0.5))
    assert fine.shape == (101, 101)
    assert fine.std() < 0.3 * noise.std()
    even = np.full((60, 60), 100.0)
    even[:, :10] = np.nan
    told = as_mdi(even, (2.0, 2.0))
    assert told.shape == even.shape
    assert np.isnan(told[:, :10]).all()
    np.testing.assert_allclose(told[:, 10:], 140)
    spot = np.zeros((61, 61))
    spot[30, 30] = 1000.0
    rows = np.arange(61) - 30
    blurred = as_mdi(spot, (1.98, 1.98)) / 1.4
    assert blurred.sum() == pytest.approx(1000, rel=1e-5)
    variance = (blurred.sum(axis=1) * rows**2).sum() / 1000
    assert 2.3548 * np.sqrt(variance) * 1.98 == pytest.approx(2.37, rel=0.1)


def test_hmi_as_mdi_in_the_verb():
    cube = growing_cube(shape=(100, 100))
    plain, other = (read_patch(cube, (90, 90), hmi_as_mdi=choice).field for choice in (False, True))
    assert np.abs(other).sum() == pytest.approx(1.4 * np.abs(plain).sum(), rel=0.01)
    assert abs(found_day(detect(cube, hmi_as_mdi=True)) - 7.0) < 0.3
    axes = patch_wcs(cube.data.shape, ctype=("X", "Y"))
    with pytest.raises(ObservationError, match="hmi_as_mdi: the WCS of the cube does not tell the size"):
        detect(NDCube(cube.data, wcs=axes, unit=u.G), hmi_as_mdi=True)


def test_no_warning_and_no_state_left_behind():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = Rise()
        detect(growing_cube(), network)
    assert network.training
    assert network.thresholds.requires_grad
    assert isinstance(detect(growing_cube(), network).time, Time)
