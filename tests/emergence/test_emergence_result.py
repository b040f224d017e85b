"""What an Emergence holds and shows."""

import warnings

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import QTable
from ndcube import NDCube

from sunpy_ml import detect_emergence
from sunpy_ml.exceptions import DomainWarning
from tests.emergence.growing import FRAMES, GROWN, START, Rise, card_of, growing_cube, growing_field, patch_wcs


def detect(cube, **options):
    return detect_emergence(cube, weights=Rise(), card=card_of(), progress=False, **options)


@pytest.fixture(scope="module")
def result():
    return detect(growing_cube())


@pytest.fixture(scope="module")
def quiet():
    return detect(growing_cube(-30.0))


def test_it_says_with_what_and_how_sure(result):
    assert result.weights == "rise-1"
    assert result.sha256 == ""
    assert result.notice == "validated on simulations only"
    assert result.members.shape == (3,)
    assert result.spread == pytest.approx(np.std(result.members))
    assert result.curves.shape == (FRAMES, 3)
    assert result.curve == pytest.approx(result.curves.mean(axis=1))
    assert result.curve[-1] == pytest.approx(result.probability)
    # The first frames are replaced by the one after them.
    assert np.ptp(result.curve[:31]) < 1e-7
    assert "rise-1" in result._repr_html_()
    assert "validated on simulations only" in result._repr_html_()
    real = detect_emergence(growing_cube(), weights=Rise(), card=card_of(validated_on="real"), progress=False)
    assert real.notice == ""


def test_the_table_of_one_patch(result, tmp_path):
    table = result.table()
    assert len(table) == 1
    row = table[0]
    assert row["time"] == result.time
    assert row["earliest"] == result.interval[0]
    assert row["latest"] == result.interval[1]
    assert row["start"] == START
    assert row["emerged"]
    assert (row["weights"], row["notice"], row["in_domain"]) == ("rise-1", "validated on simulations only", "inside")
    table.write(tmp_path / "found.ecsv")
    again = QTable.read(tmp_path / "found.ecsv")
    assert abs(again["time"][0] - result.time).to_value(u.s) < 1e-3


def test_the_table_without_a_time(quiet, tmp_path):
    table = quiet.table()
    assert not table["emerged"][0]
    for name in ("time", "earliest", "latest"):
        assert np.all(table[name].mask)
    table.write(tmp_path / "none.ecsv")
    assert np.all(QTable.read(tmp_path / "none.ecsv")["time"].mask)


def test_the_table_of_windows():
    result = detect(growing_cube(20.0, days=np.arange(0, 27, 0.25)))
    table = result.table()
    assert len(table) == len(result.windows) == 3
    assert (np.diff((table["start"] - START).to_value(u.day)) > 0).all()
    assert table["probability"].max() == result.probability
    assert not table["emerged"][0]


def test_the_figure(result):
    figure = result.plot()
    curve, *frames, bar = figure.axes
    assert curve.get_xlabel() == "days since 2001-03-01 06:00 UTC"
    assert "probability" in curve.get_ylabel()
    assert "emergence at 2001-03-08" in curve.get_title()
    assert "validated on simulations only" in curve.get_title()
    assert [axes.get_title().split("\n")[1] for axes in frames] == ["-1.5 days", "+0.0 days", "+1.5 days"]
    assert "[G]" in bar.get_ylabel()
    shown = [axes.images[0].get_array() for axes in frames]
    assert np.abs(shown[2]).sum() > 1.3 * np.abs(shown[0]).sum()
    lines = [line.get_xdata()[0] for line in curve.lines if line.get_label() == "emergence"]
    assert lines == pytest.approx([(result.time - START).to_value(u.day)])
    plt.close(figure)


def test_the_figure_without_a_time(quiet):
    given = plt.figure()
    assert quiet.plot(given) is given
    assert given.axes[0].get_title().startswith("no emergence, probability")
    assert [axes.get_title()[:10] for axes in given.axes[1:4]] == ["2001-03-01", "2001-03-08", "2001-03-16"]
    plt.close(given)


def test_the_figure_of_a_patch_in_another_unit_and_partly_unknown():
    field = growing_field(np.arange(FRAMES) / 15, 7.0)
    mask = np.zeros(field.shape, dtype=bool)
    mask[:, :, 80:] = True
    cube = NDCube(field * u.G.to(u.T), wcs=patch_wcs(field.shape), unit=u.T, mask=mask)
    figure = detect(cube).plot(saliency="saliency")
    shown = figure.axes[3].images[0].get_array()
    assert np.ma.getmaskarray(shown)[:, 80:].all()
    assert 300 < shown.max() < 500
    assert len(figure.axes[3].images) == 2
    plt.close(figure)


def test_saliency_is_the_gradient_per_gauss(result):
    relevance = result.saliency()
    assert relevance.unit == u.G**-1
    assert relevance.wcs is result.cube.wcs
    assert relevance.data.shape == result.cube.data.shape
    assert not relevance.mask.any()
    times = relevance.axis_world_coords("time", wcs=relevance.extra_coords)[0]
    assert abs(times[7] - result.patch.times[7]).to_value(u.s) < 1e-3
    # A gauss more, in one pixel, of the last frame or of frame 30; the others are not looked at.
    expected = 8 / GROWN / 1000 / 90**2
    strong = np.abs(result.cube.data[-1]) > 1
    np.testing.assert_allclose(relevance.data[-1][strong], expected, rtol=1e-4)
    assert relevance.data[30].max() == pytest.approx(expected, rel=1e-4)
    assert np.abs(relevance.data[[0, 29, 31, 100]]).max() == 0


def test_integrated_gradients_add_up_to_the_difference_of_scores(result):
    relevance = result.saliency("integrated_gradients", steps=8)
    assert relevance.unit == u.dimensionless_unscaled
    logits = np.log(result.members / (1 - result.members)).mean()
    assert relevance.data.sum() == pytest.approx(logits - (-8 * 0.5), rel=0.02)
    assert relevance.data[-1].sum() > 0 > relevance.data[30].sum()


def test_saliency_of_frames_that_are_not_in_the_video_and_of_those_that_others_are_made_of():
    days = np.arange(0, 14, 1 / 30)
    cube = growing_cube(days=days)
    relevance = detect(cube).saliency()
    # The last one is repeated to the end of the video.
    assert relevance.data[-1].max() > 0
    assert np.abs(relevance.data[-2]).max() == 0
    # Frame 30 of the video is missing, and half of each of its neighbours.
    kept = np.delete(np.arange(FRAMES), 30)
    cube = growing_cube(days=kept / 15)
    beside = detect(cube).saliency().data[[29, 30]]
    result = detect(growing_cube())
    # Where there is next to no field, rounding decides which way it grows.
    strong = np.abs(result.cube.data[30]) > 1
    whole = result.saliency().data[30][strong]
    np.testing.assert_allclose(beside[:, strong], np.stack([whole, whole]) / 2, rtol=1e-3)


def test_options_of_saliency_that_cannot_be(result):
    with pytest.raises(ValueError, match=r"method: got 'guess', choose from"):
        result.saliency("guess")
    with pytest.raises(ValueError, match="steps"):
        result.saliency("integrated_gradients", steps=0)


def test_a_result_outside_the_domain_says_so():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        outside = detect(growing_cube(frames=60))
    assert outside.table()["in_domain"][0] == "outside"
    assert "duration" in outside.table()["reasons"][0]
    assert "domain: outside" in outside.plot().axes[0].get_title()
    plt.close("all")
