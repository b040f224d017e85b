"""Image-to-image inference: a network that mirrors at the edges and doubles, in tiles, lazily and in half precision."""

import pickle
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import dask.array as da
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from sunpy_ml.enhancement.networks import EnhanceNetwork
from sunpy_ml.inference import optimise, run, run_lazy, run_tiled

RADIUS = 3


def image(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def mirroring():
    """A network of receptive radius 3, with three channels at twice the resolution."""

    def convolution(channels_in, channels_out):
        return nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode="reflect")

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            convolution(1, 4),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            convolution(4, 4),
            nn.Upsample(scale_factor=2),
            convolution(4, 4),
            nn.ReLU(),
            nn.Conv2d(4, 3, 1),
        )
        nn.init.normal_(network[1].running_mean)
        nn.init.uniform_(network[1].running_var, 0.5, 2)
    return network.eval()


@settings(max_examples=25)
@example(shape=(33, 17), tile=16)  # last tiles of one pixel
@example(shape=(2, 31), tile=5)
@example(shape=(9, 20), tile=100)
@given(shape=st.tuples(st.integers(2, 40), st.integers(2, 40)), tile=st.integers(4, 60))
def test_tiled_is_the_network_itself(shape, tile):
    network, data = mirroring(), image(shape)
    with torch.inference_mode():
        whole = network(torch.from_numpy(data)[None, None])[0].numpy()
    tiled = run_tiled(network, data, tile=tile, halo=RADIUS, device="cpu", progress=False)
    assert tiled.shape == (3, 2 * shape[0], 2 * shape[1])
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_one_pixel_less_of_halo_shows():
    network, data = mirroring(), image((40, 40))
    whole = run_tiled(network, data, tile=40, device="cpu")
    tiled = run_tiled(network, data, tile=10, halo=RADIUS - 1, device="cpu")
    assert abs(tiled - whole).max() > 1e-3


def test_memory_beside_the_answer_is_that_of_a_tile():
    # Neither a copy of the image (4 MB) nor one of the answer (16 MB) is made.
    network, data = nn.Upsample(scale_factor=2), np.ones((1000, 1000))
    run_tiled(network, data[:64, :64], device="cpu")
    tracemalloc.start()
    try:
        answer = run_tiled(network, data, tile=64, halo=8, device="cpu", progress=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.nbytes == 16_000_000
    assert peak - answer.nbytes < 1_000_000


@pytest.mark.parametrize("progress", [True, False])
def test_a_bar_shows_when_the_work_lasts(monkeypatch, capsys, progress):
    class Slow(nn.Identity):
        def forward(self, x):
            time.sleep(0.15)
            return x

    # The function of the same name hides the module.
    monkeypatch.setattr(sys.modules[run_tiled.__module__], "PROGRESS_DELAY", 0.2)
    run_tiled(Slow(), image((8, 8)), tile=4, device="cpu", progress=progress)
    assert ("/4 [" in capsys.readouterr().err) is progress


@pytest.mark.parametrize("chunks", [(16, 20), (33, 17), ((7, 30, 13), (41, 4, 25)), (50, 70)])
def test_lazily_with_channels(chunks):
    data = image((50, 70))
    lazy = run_lazy(mirroring, da.from_array(data, chunks=chunks), halo=RADIUS, factor=2, channels=3, device="cpu")
    assert lazy.shape == (3, 100, 140)
    assert lazy.chunks[0] == (3,)
    assert lazy.dtype == np.float32
    whole = run_tiled(mirroring(), data, halo=RADIUS, device="cpu")
    np.testing.assert_allclose(lazy.compute(scheduler="sync"), whole, atol=1e-5)
    one = run_lazy(mirroring, da.from_array(data, chunks=chunks), halo=RADIUS, factor=2, device="cpu")
    np.testing.assert_array_equal(one.compute(scheduler="sync"), lazy[0].compute(scheduler="sync"))


def _never():
    raise AssertionError("the network was asked for")


def test_nothing_is_computed_until_asked_and_the_network_is_not_in_the_graph():
    lazy = run_lazy(_never, da.zeros((64, 64), chunks=32, dtype="f4"), halo=2, factor=2, channels=3)
    assert len(pickle.dumps(dict(lazy.dask), protocol=5)) < 20_000
    with pytest.raises(AssertionError, match="was asked for"):
        lazy.compute(scheduler="sync")


@pytest.mark.parametrize("wrong", [{"factor": 2, "channels": 2}, {"factor": 1, "channels": 3}, {"factor": 1}])
def test_a_network_that_gives_another_shape_is_refused(wrong):
    lazy = run_lazy(mirroring, da.zeros((8, 8), chunks=8, dtype="f4"), halo=RADIUS, device="cpu", **wrong)
    with pytest.raises(ValueError, match=r"factor, channels: got .* the shape \(3, 16, 16\)"):
        lazy.compute(scheduler="sync")


def test_eight_threads_make_a_network_ready_once(monkeypatch):
    made, fold = [], optimise.fold

    def slowly(network):
        made.append(network)
        time.sleep(0.05)
        return fold(network)

    monkeypatch.setattr(optimise, "fold", slowly)
    network, barrier = mirroring(), threading.Barrier(8)

    def get(_):
        barrier.wait()
        return optimise.ready(network, torch.device("cpu"), torch.float32)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(get, range(8))))) == 1
    assert made == [network]


def test_half_precision_of_an_untrained_network_is_within_a_few_per_cent():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = EnhanceNetwork(EnhanceNetwork.Config(channels=16)).eval()
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
    data = image((1, 48, 48))
    full = run(network, data, device="cpu")
    error = (run(network, data, device="cpu", precision="bfloat16") - full).std() / full.std()
    assert 1e-4 < error < 0.05
    # Float32 through the folded network is a thousand times nearer to the network itself.
    with torch.inference_mode():
        eager = network(torch.from_numpy(data)[None]).numpy()
    assert (full - eager).std() / full.std() < 1e-5
