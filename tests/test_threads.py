"""Verbs in several threads at once, the first call of the process among them, answer as they do one after another."""

import subprocess
import sys
import textwrap
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch

from sunpy_ml import classify_map, deepvel_flow, detect_emergence, enhance_hmi
from sunpy_ml.inference import optimise
from sunpy_ml.weights import catalogue, loading, registry
from tests.emergence.growing import Rise, card_of, growing_cube
from tests.maps import make_map

THREADS = 4
HMI = {"wavelnth": 6173.0, "telescop": "SDO/HMI", "cdelt1": 0.504, "cdelt2": 0.504, "bunit": "DN / s"}


@pytest.fixture
def nothing_loaded(monkeypatch):
    """As in a process that has read neither a card nor weights."""
    monkeypatch.setattr(loading, "_loaded", {})
    monkeypatch.setattr(optimise, "_ready", weakref.WeakKeyDictionary())
    catalogue._catalogue.cache_clear()
    registry._networks.cache_clear()


def observed(number, shape, **header):
    data = np.random.default_rng(number).normal(50000, 2000, shape).astype(np.float32)
    # Each with a header of its own, of which some lack what others have.
    own = {"crval1": 40.0 * number, "hglt_obs": None if number % 2 else 5.0, "crota2": 10.0 * number}
    return make_map(data, **{**own, **header})


def classified(number):
    result = classify_map(observed(number, (40 + number, 56), cdelt1=3.0, cdelt2=3.0), average_turns=False)
    row = result.table()[0]
    return np.array([*result.probabilities.values(), *result.features.values(), row["centre"].Tx.value])


def enhanced(number):
    result = enhance_hmi(observed(number, (36, 40 + number), **HMI), progress=False)
    return np.stack([result.data, result.uncertainty.array])


def moved(number):
    pair = [observed(number, (32, 48), **HMI, date__obs=f"2014-10-24T12:00:{second}") for second in ("00", "30")]
    flow = deepvel_flow(pair, progress=False)
    return np.stack([flow[name].data for name in sorted(flow)])


def emerged(number):
    result = detect_emergence(growing_cube(4.0 + 2 * number), weights=Rise(), card=card_of(), progress=False)
    return np.array([result.probability, result.time.mjd])


def at_once(ask):
    """Answers to different observations, asked for in the same moment."""
    barrier = Barrier(THREADS)

    def work(number):
        barrier.wait()
        return ask(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("verb", [classified, enhanced, moved, emerged])
def test_one_verb_in_several_threads(verb, nothing_loaded):
    found = at_once(verb)
    assert_same(found, map(verb, range(THREADS)))
    assert not np.array_equal(found[0].ravel()[:1], found[1].ravel()[:1])


@pytest.mark.filterwarnings("ignore")
def test_different_verbs_in_several_threads(nothing_loaded):
    verbs = [classified, enhanced, moved, emerged]
    state = torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()
    found = at_once(lambda number: verbs[number](number))
    assert (torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()) == state
    assert_same(found, [verb(number) for number, verb in enumerate(verbs)])


@pytest.mark.slow
def test_the_first_import_may_be_in_several_threads():
    program = """
        import warnings
        from concurrent.futures import ThreadPoolExecutor
        import numpy as np
        from sunpy.map import Map
        import sunpy_ml

        warnings.simplefilter("ignore")
        header = {"ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec", "bunit": "DN / s",
                  "cdelt1": 0.5, "cdelt2": 0.5}
        m = Map(np.random.default_rng(0).normal(50000, 2000, (32, 40)).astype("f4"), header)
        asks = [lambda: sunpy_ml.classify_map(m).label, lambda: sunpy_ml.enhance_hmi(m).data.sum()]
        with ThreadPoolExecutor(4) as pool:
            found = [future.result() for future in [pool.submit(ask) for ask in asks * 2]]
        assert found == [ask() for ask in asks * 2]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
