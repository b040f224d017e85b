"""Throughput of the classifiers: the embedded one against the published architecture, on the same batch."""

import pytest
from works.classify_map import SIDE, eagerly, network, observation

from sunpy_ml import classify_map
from sunpy_ml.inference import run
from sunpy_ml.weights import load


@pytest.fixture(scope="module")
def slic():
    return network()


def test_embedded(benchmark, images):
    benchmark.extra_info["images"] = len(images)
    benchmark(run, load("halpha-2"), images)


def test_embedded_averaged_over_turns(benchmark, images):
    """As the card asks: eight answers for each image."""
    benchmark.extra_info["images"] = len(images)
    benchmark(run, load("halpha-2"), images, average_turns=True)


def test_published_eager(benchmark, images, slic):
    """As its authors ran it: one call on the whole batch, nothing folded."""
    benchmark.extra_info["images"] = len(images)
    benchmark.pedantic(eagerly, (slic, images), rounds=3, warmup_rounds=1)


def test_published_folded(benchmark, images, slic):
    """The same arithmetic through `sunpy_ml.inference`."""
    benchmark.extra_info["images"] = len(images)
    benchmark.pedantic(run, (slic, images), rounds=3, warmup_rounds=1)


def test_classify_map(benchmark):
    """From a Map to a result, preparation included."""
    benchmark(classify_map, observation(SIDE))
