"""classify_map and classify_maps, from a Map to a result."""

import pickle
import warnings
from dataclasses import replace

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from astropy.table import QTable
from ndcube import NDCube

from sunpy_ml import Classification, classify_map, classify_maps
from sunpy_ml.classification import many
from sunpy_ml.classification.networks import SlicNetwork
from sunpy_ml.exceptions import DomainError, DomainWarning, ObservationError, WeightsError
from sunpy_ml.simulation import halpha_scene
from sunpy_ml.weights import get_card, load
from tests.maps import make_map, random_image

CLASSES = ("filaments", "flares", "prominences", "quiet", "sunspots")


@pytest.fixture(scope="module")
def scene():
    return halpha_scene("sunspots", seed=1)


@pytest.fixture(scope="module")
def result(scene):
    return classify_map(scene)


def test_a_result_says_what_it_should(result, scene):
    assert result.label == "sunspots"
    assert tuple(result.probabilities) == CLASSES
    assert sum(result.probabilities.values()) == pytest.approx(1, abs=1e-9)
    assert set(result.features) == {"filaments", "flares", "prominences", "sunspots"}
    p = np.array(list(result.probabilities.values()))
    assert result.entropy == pytest.approx(-(p * np.log2(p)).sum())
    assert result.in_domain
    assert result.card == get_card("halpha-2")
    assert result.map is scene


@pytest.mark.parametrize("kind", ["filaments", "prominences", "quiet", "sunspots", "flares"])
def test_simulated_scenes_not_trained_on(kind):
    with warnings.catch_warnings():
        # Some quiet scenes look drawn.
        warnings.simplefilter("ignore", DomainWarning)
        labels = [classify_map(halpha_scene(kind, seed=seed)).label for seed in range(900_000, 900_008)]
    assert labels.count(kind) >= 6


def test_the_answer_is_deterministic_and_does_not_depend_on_gain_or_orientation(scene, result):
    again = classify_map(scene)
    assert again.probabilities == result.probabilities
    brighter = classify_map(make_map(scene.data * 3.5 + 100, **{k: scene.meta[k] for k in ("crval1", "crval2")}))
    for name in CLASSES:
        assert brighter.probabilities[name] == pytest.approx(result.probabilities[name], abs=1e-3)
    turned = make_map(scene.data[::-1, ::-1], crota2=180.0)
    for name, value in classify_map(turned).probabilities.items():
        assert value == pytest.approx(result.probabilities[name], abs=1e-3)


def test_half_precision_agrees(scene, result):
    assert classify_map(scene, precision="bfloat16").label == result.label


def test_cubes_and_paths(scene, result, tmp_path):
    cube = NDCube(scene.data, wcs=scene.wcs, unit=u.DN, meta={"wavelnth": 6562.8, "waveunit": "Angstrom"})
    assert classify_map(cube).probabilities == pytest.approx(result.probabilities)
    scene.save(tmp_path / "scene.fits")
    assert classify_map(tmp_path / "scene.fits").probabilities == pytest.approx(result.probabilities)


@pytest.mark.slow
def test_the_published_network_takes_the_same_way(scene):
    slic = SlicNetwork()
    with torch.no_grad():
        slic.classifier[6].bias[4] += 1000
    with pytest.warns(DomainWarning, match="the field of view is|the wavelength is|invalid") as caught:
        result = classify_map(make_map(scene.data, cdelt1=2.0, cdelt2=2.0), weights=slic, card=get_card("slic-1.1.1"))
    assert len(caught) == 1
    assert result.label == "sunspots"
    assert tuple(result.probabilities) == CLASSES
    assert result.features == {}
    assert len(result.table()) == 1


def test_a_result_can_be_pickled_shown_and_tabulated(result):
    copy = pickle.loads(pickle.dumps(result))
    assert isinstance(copy, Classification)
    assert copy.probabilities == result.probabilities
    html = result._repr_html_()
    assert "<b>sunspots</b>" in html
    assert all(name in html for name in CLASSES)
    table = result.table()
    assert len(table) == 1
    assert table["label"][0] == "sunspots"
    assert table["p_sunspots"][0] == result.probabilities["sunspots"]
    assert len(repr(result)) < 1000


def test_a_plot_shows_map_and_bars(result):
    figure = result.plot()
    image, bars = figure.axes
    assert image.get_xlabel()
    assert [text.get_text() for text in bars.get_yticklabels()][:5] == list(CLASSES)
    assert len(bars.patches) == 9
    given = plt.figure()
    assert result.plot(given) is given
    plt.close("all")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"wavelnth": 1600, "waveunit": "Angstrom"}, "the wavelength is 160 nm"),
        ({"wavelnth": None, "waveunit": None}, "the wavelength is not in the header"),
        ({"cdelt1": 30.0, "cdelt2": 30.0}, "the field of view is"),
        ({"cdelt1": 0.01, "cdelt2": 0.01}, "the field of view is"),
    ],
)
def test_what_lies_outside_warns_or_raises(header, reason):
    observation = make_map(random_image((100, 100)), **header)
    with pytest.warns(DomainWarning, match=reason) as caught:
        found = classify_map(observation)
    assert caught[0].filename == __file__
    assert not found.in_domain
    assert reason in str(found.in_domain)
    with pytest.raises(DomainError, match=reason):
        classify_map(observation, strict=True)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (make_map(np.full((20, 20), np.nan)), "none of its 400 pixels"),
        (make_map(np.full((20, 20), 5.0)), "no contrast"),
        (make_map(np.ones((1, 1))), "no contrast"),
        (make_map(mask=np.ones((60, 80), bool)), "none of its"),
        (np.zeros((20, 20)), "expected a sunpy Map"),
        ("missing.fits", "there is no file 'missing.fits'"),
        ([], "expected a sunpy Map"),
    ],
)
def test_bad_input_is_refused(bad, message):
    with pytest.raises(ObservationError, match=message):
        classify_map(bad)


def test_bad_options_are_refused(scene):
    with pytest.raises(WeightsError, match="none named 'slick'"):
        classify_map(scene, weights="slick")
    with pytest.raises(ValueError, match="precision: got 'float16'"):
        classify_map(scene, precision="float16")
    with pytest.raises(ValueError, match="device: 'warp' cannot be used"):
        classify_map(scene, device="warp")


def test_many_are_rows_in_input_order(tmp_path):
    kinds = ["quiet", "sunspots", "prominences", "sunspots", "quiet"]
    scenes = [halpha_scene(kind, seed=2) for kind in kinds]
    paths = []
    for number, m in enumerate(scenes[:2]):
        paths.append(tmp_path / f"{number}.fits")
        m.save(paths[-1])
    broken = tmp_path / "broken.fits"
    broken.write_text("no")
    given = [paths[0], broken, paths[1], *scenes[2:], "none.fits"]
    table = classify_maps(given, batch_size=2)
    assert isinstance(table, QTable)
    assert list(table["label"]) == ["quiet", "", "sunspots", "prominences", "sunspots", "quiet", ""]
    assert "cannot be read as a Map" in table["error"][1]
    assert table["source"][1] == str(broken)
    assert np.isnan(table["p_quiet"][1])
    assert list(table["date"].mask) == [False, True, False, False, False, False, True]
    for row, m in zip(table[3:6], scenes[2:], strict=True):
        single = classify_map(m)
        assert row["p_quiet"] == pytest.approx(single.probabilities["quiet"], abs=1e-5)
        assert row["centre"].Tx.to_value(u.arcsec) == pytest.approx(m.center.Tx.to_value(u.arcsec))
        assert row["wavelength"].to_value(u.nm) == pytest.approx(656.28)
        assert row["date"].isot == m.date.isot
        assert row["weights"] == "halpha-2"


def test_many_warn_once_and_say_which():
    odd = make_map(wavelnth=171, waveunit="Angstrom", cdelt1=3.0, cdelt2=3.0)
    with pytest.warns(DomainWarning, match="2 of 3 observations") as caught:
        table = classify_maps([odd, halpha_scene("quiet", seed=2), odd])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert list(table["in_domain"]) == ["outside", "inside", "outside"]
    assert "17.1 nm" in table["reasons"][0]
    strict = classify_maps([odd, halpha_scene("quiet", seed=2)], strict=True)
    assert list(strict["label"]) == ["", "quiet"]
    assert strict["error"][0].startswith("DomainError")


def test_a_generator_is_read_as_it_goes(monkeypatch):
    alive = []

    def produce():
        for number in range(10):
            alive.append(number)
            yield make_map(random_image((30, 30), seed=number), cdelt1=5.0, cdelt2=5.0)

    seen = []
    original = many._classify_batch
    monkeypatch.setattr(many, "_classify_batch", lambda batch, **o: seen.append(len(alive)) or original(batch, **o))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        assert len(classify_maps(produce(), batch_size=3)) == 10
    assert seen == [3, 6, 9, 10]


@pytest.mark.parametrize("nothing", [[], ()])
def test_nothing_to_classify_is_an_error(nothing):
    with pytest.raises(ObservationError, match="got none"):
        classify_maps(nothing)


def test_options_are_checked_before_the_work(scene):
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        classify_maps([scene], batch_size=0)
    with pytest.raises(ValueError, match="device"):
        classify_maps([scene], device="warp")


@pytest.mark.parametrize("extension", ["ecsv", "fits"])
def test_the_table_survives_a_file(tmp_path, scene, extension):
    table = classify_maps([scene, "none.fits"])
    path = tmp_path / f"table.{extension}"
    table.write(path)
    back = QTable.read(path, astropy_native=True) if extension == "fits" else QTable.read(path)
    assert back["label"][0] == "sunspots"
    assert back["centre"][0].Tx.to_value(u.arcsec) == pytest.approx(table["centre"][0].Tx.to_value(u.arcsec))
    assert back["date"][0].isot == table["date"][0].isot


@pytest.mark.slow
def test_a_dask_client_gives_the_same_table(tmp_path):
    from distributed import Client, LocalCluster

    paths = []
    for number in range(6):
        paths.append(tmp_path / f"{number}.fits")
        halpha_scene("filaments" if number % 2 else "sunspots", seed=number).save(paths[-1])
    paths.insert(3, tmp_path / "none.fits")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        spread = classify_maps(paths, client=client, batch_size=2)
    local = classify_maps(paths)
    assert list(spread["source"]) == list(local["source"])
    assert list(spread["label"]) == list(local["label"])
    np.testing.assert_allclose(spread["p_filaments"], local["p_filaments"], atol=1e-5)


def test_hinode_sunspots_are_sunspots(shared_data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DomainWarning)  # ours is the only one that may escape
        table = classify_maps(shared_data / "hinode_sot")
    assert len(table) == 9
    assert list(table["error"]) == [""] * 9
    assert list(table["label"]) == ["sunspots"] * 9
    np.testing.assert_allclose(table["wavelength"].to_value(u.nm), 557.6)


def test_real_sharps_are_read(shared_data):
    path = next((shared_data / "hmi_sharp").glob("*.13171.*continuum.fits"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DomainWarning)
        found = classify_map(path)
    np.testing.assert_allclose(found.table()["size"].to_value(u.arcsec), [[495, 258]], rtol=0.01)


def test_abstention_needs_a_probability(scene, result):
    assert classify_map(scene, abstain_below=max(result.probabilities.values())).label == result.label
    undecided = classify_map(scene, abstain_below=1.0)
    assert undecided.label == "undecided"
    assert undecided.probabilities == result.probabilities
    assert classify_maps([scene], abstain_below=1.0, progress=False)["label"].tolist() == ["undecided"]
    for verb in (classify_map, classify_maps):
        with pytest.raises(ValueError, match=r"abstain_below: expected a probability between 0 and 1, got 50"):
            verb(scene, abstain_below=50)


def test_averaging_over_turns_is_an_option(scene):
    turned = make_map(scene.data[::-1, ::-1], **{k: scene.meta[k] for k in ("crval1", "crval2")})
    averaged, single = ([classify_map(m, average_turns=choice) for m in (scene, turned)] for choice in (True, False))
    assert averaged[0].probabilities == pytest.approx(averaged[1].probabilities, abs=1e-5)
    assert single[0].probabilities != pytest.approx(single[1].probabilities, abs=1e-5)
    assert classify_map(scene).probabilities == averaged[0].probabilities
    row = classify_maps([scene], average_turns=False, progress=False)[0]
    assert row["p_sunspots"] == pytest.approx(single[0].probabilities["sunspots"], abs=1e-6)


def test_noise_looks_unfamiliar(scene, result):
    noise = make_map(np.random.default_rng(0).normal(size=(256, 256)))
    assert result.unfamiliarity < 0.5
    with pytest.warns(DomainWarning, match="the image looks unlike those of the training"):
        strange = classify_map(noise)
    assert strange.unfamiliarity > 0.5
    assert strange.in_domain.status == "outside"
    with pytest.raises(DomainError, match="looks unlike"):
        classify_map(noise, strict=True)
    table = classify_maps([noise, scene], strict=True, progress=False)
    assert table["error"][0].startswith("DomainError")
    assert table["error"][1] == ""
    assert table["unfamiliarity"][1] == pytest.approx(result.unfamiliarity, abs=1e-6)


def test_a_card_that_promises_more_than_the_network_gives(scene):
    card = get_card("halpha-2")
    promising = replace(card, output=replace(card.output, features=(*card.output.features, "loops")))
    with pytest.raises(
        WeightsError, match="give 10 numbers for an image, but the card's output names 5 classes, 5 fea"
    ):
        classify_map(scene, weights=load("halpha-2"), card=promising)
