"""Devices, tiles, batches, folding and dask."""

import warnings
from functools import partial

import dask.array as da
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sunpy_ml.inference import (
    choose_device,
    choose_precision,
    fold_batch_norm,
    plan_tiles,
    run,
    run_lazy,
    run_tiled,
    turn_back,
    turns,
)
from sunpy_ml.weights import load


def image(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class Upsampler(nn.Module):
    """Receptive radius 3, its own zero padding, twice the resolution."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(4, 1, 3, padding=1),
        )

    def forward(self, x):
        return self.layers(x)


class Strided(nn.Module):
    """Down by two and up again, so that tiles must begin at even pixels."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 1, 2, stride=2)

    def forward(self, x):
        return self.up(self.down(x))


def made(kind, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = kind()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 2)
                nn.init.normal_(module.weight)
    return network.eval()


@given(st.tuples(st.integers(1, 90), st.integers(1, 90)), st.integers(1, 40), st.integers(0, 20), st.integers(1, 8))
def test_tiles_cover_the_image_once(shape, tile, halo, multiple):
    covered = np.zeros(shape, int)
    for part in plan_tiles(shape, tile, halo, multiple):
        covered[part.keep] += 1
        window = np.zeros(shape, bool)
        window[part.read] = True
        rows, columns = (np.flatnonzero(window.any(axis=axis)) for axis in (1, 0))
        for axis, (kept, read) in enumerate(zip(part.keep, (rows, columns), strict=True)):
            assert read[0] % multiple == 0
            assert read[0] == 0 or kept.start - read[0] >= halo
            assert read[-1] == shape[axis] - 1 or read[-1] + 1 - kept.stop >= halo
        assert np.array_equal(np.zeros(shape)[part.read][part.inner].shape, np.zeros(shape)[part.keep].shape)
    assert (covered == 1).all()


@pytest.mark.parametrize("wrong", [{"tile": 0}, {"halo": -1}, {"multiple": 0}, {"shape": (0, 3)}])
def test_impossible_tiles_are_refused(wrong):
    with pytest.raises(ValueError, match="must be at least"):
        plan_tiles(**({"shape": (10, 10), "tile": 4, "halo": 1} | wrong))


@settings(max_examples=25)
@given(st.tuples(st.integers(1, 50), st.integers(1, 50)), st.integers(3, 30))
def test_tiled_is_untiled(shape, tile):
    network, data = made(Upsampler), image(shape)
    whole = run(network, data[np.newaxis], device="cpu")[0]
    tiled = run_tiled(network, data, tile=tile, halo=4, device="cpu")
    assert tiled.shape == (1, 2 * shape[0], 2 * shape[1])
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


@settings(max_examples=15)
@given(st.tuples(st.integers(1, 20), st.integers(1, 20)), st.integers(3, 30))
def test_tiled_is_untiled_with_strides(half, tile):
    network, data = made(Strided), image((2 * half[0], 2 * half[1]))
    tiled = run_tiled(network, data, tile=tile, halo=2, multiple=2, device="cpu")
    np.testing.assert_allclose(tiled, run(network, data[np.newaxis], device="cpu")[0], atol=1e-5)


def test_a_halo_that_is_too_small_shows():
    network, data = made(Upsampler), image((40, 40))
    tiled = run_tiled(network, data, tile=10, halo=0, device="cpu")
    assert abs(tiled - run(network, data[np.newaxis], device="cpu")[0]).max() > 1e-3


def test_sides_must_fit_the_stride():
    with pytest.raises(ValueError, match="multiples of 2"):
        run_tiled(made(Strided), image((5, 6)), multiple=2)


def test_folding_changes_neither_the_answer_nor_the_network():
    network, data = made(Upsampler), torch.from_numpy(image((2, 1, 20, 20)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = fold_batch_norm(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        torch.testing.assert_close(folded(data), network(data), atol=1e-5, rtol=1e-5)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name])


def test_running_on_another_device_leaves_the_network_where_it_is():
    network = made(Upsampler)
    from sunpy_ml.inference.optimise import ready

    moved = ready(network, torch.device("meta"), torch.bfloat16)
    assert next(moved.parameters()).is_meta
    assert not next(network.parameters()).is_meta
    assert next(network.parameters()).dtype == torch.float32
    assert ready(network, torch.device("meta"), torch.bfloat16) is moved


def test_weights_that_change_between_calls_are_seen_and_the_mode_is_left_alone():
    network, data = made(Upsampler).train(), image((1, 12, 12))
    first = run(network, data)
    assert network.training
    np.testing.assert_array_equal(run(network, data), first)
    with torch.no_grad():
        network.layers[0].weight.mul_(2)
    assert abs(run(network, data) - first).max() > 1e-3


@pytest.mark.parametrize("batch_size", [1, 3, None])
def test_batches_change_nothing(batch_size):
    network, data = load("halpha-2"), image((5, 256, 256))
    whole = run(network, data, batch_size=5)
    np.testing.assert_allclose(run(network, data, batch_size=batch_size), whole, atol=1e-4)
    np.testing.assert_array_equal(run(network, data, batch_size=5), whole)


def test_the_mean_over_turns_does_not_depend_on_the_orientation():
    network, data = load("halpha-2"), image((2, 256, 256))
    mean = run(network, data, average_turns=True)
    for turned in (data[:, ::-1], data[:, :, ::-1], data.swapaxes(1, 2)):
        np.testing.assert_allclose(run(network, turned, average_turns=True), mean, atol=1e-4)
        assert abs(run(network, turned) - run(network, data)).max() > 1e-3
    with pytest.raises(ValueError, match="must be square"):
        run(network, data[:, :200], average_turns=True)


def test_turns_are_the_eight_symmetries_of_a_square():
    data = image((2, 3, 5, 5))
    views = turns(data)
    np.testing.assert_array_equal(views[0], data)
    expected = [np.rot90(side, k, (2, 3)) for side in (data, data[..., ::-1]) for k in range(4)]
    assert {view.tobytes() for view in views} == {view.tobytes() for view in expected}
    assert len({view.tobytes() for view in views}) == 8
    assert all(np.shares_memory(view, data) for view in views)
    for back in turn_back(views):
        np.testing.assert_array_equal(back, data)
    with pytest.raises(ValueError, match=r"must be square to be turned, got the shape \(5, 4\)"):
        turns(data[0, 0, :, :4])
    with pytest.raises(ValueError, match="expected 8, in the order of `turns`, got 7"):
        turn_back(views[:7])


def test_half_precision_is_near():
    network, data = load("halpha-2"), image((2, 256, 256))
    full, half = run(network, data), run(network, data, precision="bfloat16")
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, full, atol=0.1 * abs(full).max())


def test_input_memory_may_be_read_only_and_big_endian():
    data = image((1, 256, 256))
    expected = run(load("halpha-2"), data)
    data.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(run(load("halpha-2"), data), expected)
        np.testing.assert_array_equal(run(load("halpha-2"), data.astype(">f4")), expected)


def test_global_torch_state_is_left_alone():
    state = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()
    run(load("halpha-2"), image((1, 256, 256)))
    assert state == (torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype())
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("wrong", ["warp", "cuda:99", 3.5])
def test_devices_that_are_not_there(wrong):
    with pytest.raises(ValueError, match="device: "):
        choose_device(wrong)


def test_devices_that_are_there():
    assert choose_device(torch.device("cpu")) == torch.device("cpu")
    assert choose_device().type in ("cpu", "cuda", "mps")


def test_unknown_precision():
    with pytest.raises(ValueError, match=r"precision: got 'float8', choose from \('float32', 'bfloat16'\)"):
        choose_precision("float8")


@pytest.mark.parametrize("shape", [(3,), (0, 4, 4), (1, 1, 1, 4, 4)])
def test_stacks_of_the_wrong_shape(shape):
    with pytest.raises(ValueError, match="images: expected"):
        run(made(Upsampler), np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="image: expected"):
        run_tiled(made(Upsampler), np.zeros(shape, np.float32))


def test_batch_size_must_be_positive():
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        run(made(Upsampler), image((1, 8, 8)), batch_size=0)


@pytest.mark.parametrize("chunks", [(16, 20), (33, 17), (50, 70)])
def test_dask_gives_the_untiled_answer_and_stays_lazy(chunks):
    data = image((50, 70))
    lazy = run_lazy(partial(made, Upsampler), da.from_array(data, chunks=chunks), halo=4, factor=2, device="cpu")
    assert isinstance(lazy, da.Array)
    assert lazy.shape == (100, 140)
    whole = run(made(Upsampler), data[np.newaxis], device="cpu")[0, 0]
    np.testing.assert_allclose(lazy.compute(scheduler="sync"), whole, atol=1e-5)


def test_no_weights_travel_in_the_graph():
    import pickle

    lazy = run_lazy(partial(load, "halpha-2"), da.zeros((64, 64), chunks=32, dtype="f4"), halo=2)
    assert len(pickle.dumps(dict(lazy.dask), protocol=5)) < 20_000
