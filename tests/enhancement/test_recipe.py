"""The recipe in small: what it writes can be used, and repeats."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sunpy_ml.enhancement import material, recipe
from sunpy_ml.enhancement.material import CONTINUUM, MAGNETOGRAM
from sunpy_ml.enhancement.sources import TEST_REGIONS, Source, continuum_sources, magnetogram_sources
from sunpy_ml.training import list_recipes
from sunpy_ml.weights import get_card, read_card


def drawn(data, part):
    rng = np.random.default_rng(part == "test")
    smooth = gaussian_filter(rng.normal(size=(2, 200, 200)), (0, 3, 3))
    images = (1 + 0.1 * smooth / smooth.std()).astype(np.float32)
    return [Source("one", "MHD", images[0], 0.1, granulation=True), Source("other", "SOT", images[1], 0.1)]


@pytest.fixture
def small(monkeypatch):
    for name, value in {"_SIDE": 40, "_TEST_SIDE": 40, "_PAIRS": 2, "_TEST_PAIRS": 1}.items():
        monkeypatch.setattr(material, name, value)
    monkeypatch.setattr(recipe, "CROP", 32)
    monkeypatch.setattr(recipe, "train", partial(recipe.train, steps=2))
    monkeypatch.setattr("sunpy_ml.enhancement.baselines.ITERATIONS", (3,))
    return replace(CONTINUUM, sources=drawn)


def test_it_makes_weights_with_a_card_and_repeats(small, tmp_path):
    first, second = (tmp_path / name for name in ("first", "second"))
    for folder in (first, second):
        folder.mkdir()
        assert recipe.make(small, tmp_path, folder, epochs=1) == folder / "hmi-continuum-1.safetensors"
    assert (first / "hmi-continuum-1.safetensors").read_bytes() == (second / "hmi-continuum-1.safetensors").read_bytes()
    # What is finished is not trained again.
    made = (first / "hmi-continuum-1.safetensors").read_bytes()
    (first / "hmi-continuum-1.safetensors").unlink()
    recipe.make(small, tmp_path, first, epochs=1, resume=True)
    assert (first / "hmi-continuum-1.safetensors").read_bytes() == made
    card = read_card(first / "hmi-continuum-1.toml")
    assert card.network_arguments == get_card("hmi-continuum-1").network_arguments
    names = {metric.name for metric in card.metrics}
    assert {"gain of network over bicubic (dB)", "gain of Wiener over bicubic (dB)", "SSIM of network"} <= names
    assert any("Richardson-Lucy" in name for name in names)
    assert {metric.data for metric in card.metrics} == {
        f"{group}, not trained on, noise {noise} %" for group in ("MHD", "SOT") for noise in (0.1, 0.3)
    }
    assert len(json.loads((first / "hmi-continuum-1.metrics.json").read_text())["metrics"]) == len(card.metrics)


def test_the_command_line_knows_both():
    assert {"enhance-continuum", "enhance-magnetogram"} <= set(list_recipes())


@pytest.mark.parametrize("problem", [CONTINUUM, MAGNETOGRAM], ids=["continuum", "magnetogram"])
def test_cards_say_what_the_recipe_does(problem):
    card = get_card(problem.name)
    arguments = card.network_arguments
    assert arguments.get("level", 0.0) == problem.level
    assert arguments.get("contrast", 1.0) == problem.contrast
    assert arguments.get("odd", False) == problem.odd
    assert card.default
    assert card.limits
    tested = {metric.data for metric in card.metrics}
    assert all(any(data.endswith(f"noise {called}") for data in tested) for called in problem.tests.values())


def test_halos_are_what_the_networks_see():
    from sunpy_ml.weights import load

    for problem in (CONTINUUM, MAGNETOGRAM):
        assert get_card(problem.name).input.halo == load(problem.name).reach


@pytest.mark.parametrize(
    ("sources", "shares"),
    [(continuum_sources, CONTINUUM.shares), (magnetogram_sources, MAGNETOGRAM.shares)],
    ids=["continuum", "magnetogram"],
)
def test_nothing_is_both_trained_and_tested_on(shared_data, sources, shares):
    train, test = (sources(Path(shared_data), part) for part in ("train", "test"))
    assert {source.group for source in train} == set(shares)
    assert {source.group for source in test} <= set(shares)
    for one in train:
        assert not any(region in one.name for region in TEST_REGIONS)
        for other in test:
            assert not np.shares_memory(one.image, other.image)
            rows, columns = (min(sizes) for sizes in zip(one.image.shape, other.image.shape, strict=True))
            overlap = one.image[:rows, :columns], other.image[:rows, :columns]
            assert abs(np.corrcoef(overlap[0].ravel(), overlap[1].ravel())[0, 1]) < 0.9
            assert one.name != other.name or one.group == "MHD"


def test_the_blocks_of_the_snapshot_lie_20_arcsec_apart(shared_data):
    snapshot = np.load(shared_data / "high_resolution" / "mhd_continuum_48km.npy")
    snapshot = (snapshot / snapshot.mean()).astype(np.float32)
    train, test = (continuum_sources(shared_data, part)[0] for part in ("train", "test"))
    last = int(np.flatnonzero((snapshot == train.image[-1]).all(axis=1))[0])
    first = int(np.flatnonzero((snapshot == test.image[0]).all(axis=1))[0])
    assert (first - last) * train.step >= 20 - train.step
