"""How the embedded weights are made: pairs of known motion, batches, training, and the pairs that are held out."""

import astropy.units as u
import numpy as np
import pytest
import torch

from sunpy_ml.flows.batches import Batches, with_planes
from sunpy_ml.flows.heldout import BANDS, band_velocity, moved_pairs, pieces, same_flow_pairs, shifted_pair
from sunpy_ml.flows.loss import flow_loss
from sunpy_ml.flows.material import (
    CADENCE,
    FASTEST_STEP,
    PIXEL,
    Pair,
    contrast,
    convection_pairs,
    read_pairs,
    training_pairs,
    write_pairs,
)
from sunpy_ml.flows.methods import correlation_tracking, network_answer, optical_flow
from sunpy_ml.flows.networks import ShiftNetwork
from sunpy_ml.flows.recipe import train
from sunpy_ml.flows.sources import sources
from sunpy_ml.simulation.convection import convection_run
from sunpy_ml.simulation.motion import draw_pairs, granulation


@pytest.fixture(scope="module")
def pairs():
    drawn = draw_pairs(
        granulation((112, 112), pixel=60 * u.km, count=3, seed=1), pixel=60 * u.km, noise=(1e-3, 1e-3), seed=2
    )
    return [
        Pair(contrast(frames).half(), velocity, ~outside, 60.0, 30.0)
        for frames, velocity, outside in zip(drawn.frames, drawn.velocity, drawn.outside, strict=True)
    ]


def test_pairs_come_back_from_their_file(pairs, tmp_path):
    write_pairs(pairs, tmp_path / "pairs.safetensors")
    for pair, again in zip(pairs, read_pairs(tmp_path / "pairs.safetensors"), strict=True):
        assert torch.equal(pair.frames, again.frames)
        assert torch.equal(pair.velocity, again.velocity)
        assert torch.equal(pair.known, again.known)
        assert (again.pixel, again.cadence) == (60.0, 30.0)


def test_velocities_turn_with_the_images(pairs):
    # An image that moves as a whole towards larger columns does so in each orientation that is drawn.
    image = granulation((112, 112), pixel=60 * u.km, periodic=True, seed=4)[0]
    frames = contrast(torch.stack([image, torch.roll(image, 2, 1)])).half()
    velocity = torch.tensor([4.0, 0.0])[:, None, None].expand(2, 112, 112)
    pair = Pair(frames, velocity, torch.ones(112, 112, dtype=torch.bool), 60.0, 30.0)
    method = correlation_tracking(1.2)
    seen = set()
    for batch in Batches([pair], np.ones(1), 6, 2, 96, 0):
        for number in range(2):
            truth = batch["velocity"][number][:, 48, 48]
            turned = Pair(batch["image"][number, :2], batch["velocity"][number], pair.known[:96, :96], 60.0, 30.0)
            found = method(turned)[:, 32:64, 32:64].mean(dim=(1, 2))
            torch.testing.assert_close(found, truth, rtol=0, atol=0.2)
            rough = batch["image"][number, 4:6, 32:64, 32:64].mean(dim=(1, 2)) * 60 / 30
            torch.testing.assert_close(rough, truth, rtol=0, atol=0.2)
            seen.add(tuple(truth.tolist()))
    assert len(seen) == 4


def test_the_loss_pulls_by_the_error_over_the_speed():
    rng = torch.Generator().manual_seed(0)
    velocity = torch.randn(2, 2, 16, 16, generator=rng) * torch.tensor([0.5, 2.0])[:, None, None, None]
    planes = torch.tensor([60.0, 30.0])[None, :, None, None].expand(2, 2, 16, 16)
    known = torch.rand(2, 16, 16, generator=rng) < 0.7
    # In pixels of 60 km per 30 s, half a km/s is a quarter.
    output = torch.rand(2, 4, 16, 16, generator=rng).add(0.1).requires_grad_()
    flow_loss(output, {"image": torch.cat([planes, planes], dim=1), "velocity": velocity, "known": known}).backward()
    inner = np.s_[..., 6:-6, 6:-6]
    error, known = 2 * output.detach()[:, :2][inner] - velocity[inner], known[inner][:, None]
    fast = velocity[inner].square().mean(dim=(1, 2, 3), keepdim=True) + 0.1
    torch.testing.assert_close(output.grad[:, :2][inner], 2 * error * known / (2 * known.sum()) / fast)
    assert (output.grad[..., :6, :] == 0).all()


def test_training_repeats_to_the_bit_and_learns(pairs, tmp_path):
    chances = np.full(3, 1 / 3)
    first, again = (train(pairs, chances, tmp_path / name, epochs=1, steps=3, seed=5) for name in ("a", "b"))
    torch.manual_seed(5)
    before = ShiftNetwork().state_dict()
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert any(not torch.equal(value, before[name]) for name, value in first.state_dict().items())


def test_held_out_flows_have_their_wavelengths_and_speed():
    velocity = band_velocity((256, 200), 48.0, BANDS["0.8-4 Mm"], np.random.default_rng(0))
    assert velocity.shape == (2, 256, 200)
    assert float(velocity.square().sum(dim=0).mean().sqrt()) == pytest.approx(1.0, rel=1e-5)
    frequency = np.hypot(np.fft.fftfreq(256, 0.048)[:, None], np.fft.fftfreq(200, 0.048))
    window = np.outer(np.hanning(256), np.hanning(200))
    power = (np.abs(np.fft.fft2(velocity.numpy() * window)) ** 2).sum(axis=0)
    inside = (frequency > 1 / 4.5) & (frequency < 1 / 0.75)
    assert power[inside].sum() > 0.97 * power.sum()


def test_convection_is_paired_with_the_velocity_of_its_middle():
    run = convection_run(150 * u.s, cadence=15 * u.s, shape=(24, 16, 16), cell=(60, 200, 200) * u.km)
    found = list(convection_pairs(run, "train", strides=(2,)))
    truth = run.field("vx").data
    for number, pair in enumerate(found):
        assert pair.cadence == 30.0
        np.testing.assert_allclose(pair.velocity[0, 4:20, 4:20], 1e-3 * truth[2 * number + 1], rtol=1e-5)


class TestRealImages:
    def test_what_is_tested_on_is_not_trained_on(self, shared_data):
        train, test = sources(shared_data, "train"), sources(shared_data, "test")
        assert not {source.name for source in train if source.name.startswith("HMI")} & {s.name for s in test}
        assert not {source.name for source in train} & {"DKIST granulation"}
        for name in ("MHD", "SUN"):
            parts = [next(s for s in part if s.name.startswith(name)).image.numpy() for part in (train, test)]
            rows = [{tuple(np.round(row[:50] * row.mean() ** -1, 5)) for row in part} for part in parts]
            assert not rows[0] & rows[1]

    def test_pairs_to_train_on_are_of_all_scales(self, shared_data):
        found = list(training_pairs(shared_data, 24, 0))
        assert len(found) == 24
        for pair in found:
            assert PIXEL[0] - 1e-9 <= pair.pixel <= PIXEL[1] + 1e-9
            assert CADENCE[0] <= pair.cadence <= CADENCE[1]
            assert pair.cadence / pair.pixel <= FASTEST_STEP + 1e-9
            assert torch.isfinite(pair.frames).all()
            assert pair.known.float().mean() > 0.7
        assert len({pair.pixel for pair in found}) == 3

    def test_methods_find_a_shift_of_a_real_image_along_each_axis(self, shared_data):
        for velocity in ((1.0, 0.0), (0.0, 1.0)):
            pair = shifted_pair(shared_data, "SUN", velocity, 0.005, 1)
            for method in (correlation_tracking(0.6), optical_flow(9)):
                found = method(pair)[:, 100:-100, 100:-100].mean(dim=(1, 2))
                np.testing.assert_allclose(found, velocity, atol=0.1)

    def test_held_out_pairs_are_moved_by_what_they_say(self, shared_data):
        assert pieces(shared_data, "DKI")[1] == pytest.approx(36.6)
        pair = next(moved_pairs(shared_data, "MHD", "4-24 Mm", 1.0))
        found, known = correlation_tracking(0.9)(pair), pair.known
        found, truth = (image[:, known][:, ::7].flatten().numpy() for image in (found, pair.velocity))
        assert np.corrcoef(found, truth)[0, 1] > 0.95

    def test_one_flow_moves_different_granulation(self, shared_data):
        first, second = same_flow_pairs(shared_data, "4-24 Mm", 0.985, 2)
        assert torch.equal(first.velocity, second.velocity)
        assert abs(np.corrcoef(first.frames[0].flatten(), second.frames[0].flatten())[0, 1]) < 0.2


def test_an_image_of_any_shape_is_answered(pairs):
    network = ShiftNetwork(ShiftNetwork.Config(channels=(8, 8, 8))).eval()
    pair = Pair(pairs[0].frames[:, :100, :90], pairs[0].velocity[:, :100, :90], pairs[0].known[:100, :90], 60.0, 30.0)
    assert network_answer(network, pair).shape == (4, 100, 90)
    assert with_planes(pair.frames, 60.0, 30.0)[2:].unique().tolist() == [30.0, 60.0]
