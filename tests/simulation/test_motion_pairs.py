"""Pairs to train on: what they are made of, and that the truth is in them."""

from collections import Counter

import astropy.units as u
import numpy as np
import pytest
import torch

from sunpy_ml.simulation.motion import (
    MIXTURE,
    carry,
    draw_pairs,
    evolve,
    granulation,
    moving_granulation,
    random_velocity,
    shift,
)
from sunpy_ml.simulation.motion.pairs import _kinds
from sunpy_ml.simulation.motion.streams import start

PIXEL = 72.527 * u.km
PLAIN = {"correlation": (1, 1), "noise": (0, 0), "jitter": (0, 0)}


@pytest.fixture(scope="module")
def images():
    return granulation((96, 96), pixel=PIXEL, count=6, seed=1)


def correlation(first, second):
    return np.corrcoef(first.flatten(), second.flatten())[0, 1]


def pairs_of(images, **arguments):
    return draw_pairs(images, **{"pixel": PIXEL, **arguments})


def divergence(velocity):
    return torch.gradient(velocity[0], dim=-1)[0] + torch.gradient(velocity[1], dim=-2)[0]


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("count", [2, 3, 6])
def test_frames_forget_each_other_as_asked(images, count, periodic):
    kept = torch.tensor([1.0, 0.99, 0.97, 0.95, 0.8, 0.0])
    frames = evolve(images, kept, count=count, periodic=periodic)
    for sample, part, image in zip(frames, kept.tolist(), images, strict=True):
        found = np.corrcoef(sample.flatten(1))
        steps = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
        assert found == pytest.approx(part**steps, abs=1e-3)
        torch.testing.assert_close(sample.mean(dim=(1, 2)), image.mean().expand(count), rtol=1e-4, atol=0)
        torch.testing.assert_close(sample.std(dim=(1, 2)), image.std().expand(count), rtol=2e-3, atol=0)
    if count == 3:
        torch.testing.assert_close(frames[:, 1], images)


def test_fine_structure_changes_first(images):
    frames = evolve(images, 0.9, periodic=True)
    before, after = torch.fft.rfft2(frames[:, 0]), torch.fft.rfft2(frames[:, 1])
    number = torch.hypot(torch.fft.rfftfreq(96), torch.fft.fftfreq(96)[:, None])

    def coherence(low, high):
        ring = (number > low) & (number < high)
        common = (before * after.conj()).real[:, ring].sum()
        return float(common / (before.abs().square()[:, ring].sum() * after.abs().square()[:, ring].sum()).sqrt())

    assert coherence(0.02, 0.05) > coherence(0.05, 0.12) > coherence(0.12, 0.3)


def test_change_is_the_same_in_either_direction_of_time(images):
    frames = evolve(images, 0.9)
    common = [correlation(frames[:, index] - 1, images - 1) for index in (0, 1)]
    # Each is half a step from the image.
    assert common == pytest.approx([0.9**0.5] * 2, abs=2e-3)


def test_a_flat_image_stays_flat():
    flat = torch.full((1, 16, 16), 2.0)
    torch.testing.assert_close(evolve(flat, 0.5), torch.full((1, 2, 16, 16), 2.0))


def test_kinds_of_motion_are_as_frequent_as_asked():
    found = Counter(_kinds(start(3, 3000), MIXTURE))
    for name, part in {
        "diverging": 1 / 3,
        "unrelated": 1 / 3,
        "converging": 1 / 9,
        "uniform": 1 / 9,
        "still": 1 / 9,
    }.items():
        assert found[name] / 3000 == pytest.approx(part, abs=0.03)
    assert set(_kinds(start(3, 50), {"still": 0.0, "uniform": 2.0})) == {"uniform"}


def test_divergence_has_the_sign_of_its_kind(images):
    found = {}
    for kind in ("diverging", "converging", "unrelated"):
        pairs = pairs_of(images, mixture={kind: 1}, seed=5)
        assert pairs.motion == (kind,) * 6
        found[kind] = [correlation(divergence(v), i) for v, i in zip(pairs.velocity, images, strict=True)]
    assert min(found["diverging"]) > 0.2
    assert max(found["converging"]) < -0.2
    assert abs(np.mean(found["unrelated"])) < 0.1


def test_speeds_are_within_their_limits(images):
    pairs = pairs_of(images.repeat(3, 1, 1), rms=(0.5, 2.5) * u.km / u.s, seed=2)
    rms = pairs.velocity.square().sum(dim=1).mean(dim=(1, 2)).sqrt()
    still = torch.tensor([kind == "still" for kind in pairs.motion])
    assert not rms[still].any()
    assert (rms[~still] > 0.499).all()
    assert (rms[~still] < 2.501).all()
    assert rms[~still].max() - rms[~still].min() > 1
    same = torch.tensor([kind in ("still", "uniform") for kind in pairs.motion])
    spread = pairs.velocity.std(dim=(2, 3)).amax(dim=1)
    assert (spread[same] == 0).all()
    assert (spread[~same] > 0.1).all()


def test_undoing_the_motion_gives_the_correlation_that_was_asked(images):
    cadence = torch.tensor([10.0, 20, 30, 30, 45, 60])
    arguments = {"noise": (0, 0), "jitter": (0, 0), "correlation": (0.97, 0.97), "cadence": cadence.numpy() * u.s}
    pairs = pairs_of(images, mixture={"unrelated": 1}, rms=(1, 1) * u.km / u.s, seed=3, **arguments)
    torch.testing.assert_close(pairs.correlation, 0.97 ** (cadence / 30))
    flow = 0.5 * pairs.velocity * (cadence / 72.527)[:, None, None, None]
    before = carry(pairs.frames[:, 0], flow, periodic=False)
    after = carry(pairs.frames[:, 1], -flow, periodic=False)
    known = ~(before.outside | after.outside | pairs.outside)
    known[:, :8] = known[:, -8:] = known[:, :, :8] = known[:, :, -8:] = False
    for index in range(len(images)):
        found = correlation(before.image[index][known[index]], after.image[index][known[index]])
        # Interpolation of lanes two pixels wide costs some 1e-3.
        assert 1 - found == pytest.approx(1 - float(pairs.correlation[index]), rel=0.25, abs=2e-3)
        moved = correlation(pairs.frames[index, 0][known[index]], pairs.frames[index, 1][known[index]])
        assert moved < found


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("speed", [-2.3, 0.4, 1.7])
def test_uniform_motion_is_a_shift_by_velocity_times_cadence(images, axis, speed):
    velocity = np.roll([speed, 0.0], axis) * u.km / u.s
    image = images[0].numpy().astype(float)
    frames, _, card = moving_granulation(
        image, velocity=velocity, cadence=40 * u.s, correlation=1, noise=0, scale=0.1 * u.arcsec / u.pix
    )
    move = torch.zeros(1, 2)
    move[0, axis] = speed * 40 / card.pixel.to_value(u.km)
    before, after = (torch.from_numpy(frame)[None] for frame in frames.data)
    there = shift(before, move, periodic=False)
    inner = (0, slice(6, -6), slice(6, -6))
    torch.testing.assert_close(there[inner], after[inner], atol=5e-3, rtol=0)


def test_exchanging_frames_turns_the_flow_round(images):
    flow = random_velocity((96, 96), pixel=PIXEL, seed=8)[0].numpy() * u.km / u.s
    still = {"correlation": 1, "noise": 0}
    forth = moving_granulation(images[0].numpy(), velocity=flow, **still).frames.data
    back = moving_granulation(images[0].numpy(), velocity=-flow, **still).frames.data
    assert forth[::-1] == pytest.approx(back, abs=1e-5)
    assert np.abs(forth[0] - back[0]).max() > 0.05


def test_noise_is_as_asked_and_goes_with_brightness():
    images = torch.ones(2, 128, 128)
    images[:, :, 64:] = 0.25
    arguments = {"mixture": {"still": 1}, "correlation": (1, 1), "jitter": (0, 0)}
    pairs = pairs_of(images, noise=(0.02, 0.02), **arguments)
    assert float(pairs.noise[0]) == pytest.approx(0.02)
    noise = pairs.frames - pairs_of(images, noise=(0, 0), **arguments).frames
    mean = float(images.mean())
    for half, level in ((slice(8, 56), 1.0), (slice(72, 120), 0.25)):
        assert float(noise[..., half].std()) == pytest.approx(0.02 * (level * mean) ** 0.5, rel=0.03)
    # Independent from frame to frame.
    assert abs(correlation(noise[:, 0], noise[:, 1])) < 0.02


def test_jitter_is_as_asked():
    # A ramp along columns and one along rows tell where a frame has gone.
    size = 64
    across = torch.arange(1.0, size + 1).expand(size, size)
    images = torch.stack([across, across.T]).repeat(40, 1, 1)
    arguments = {"mixture": {"still": 1}, "correlation": (1, 1), "noise": (0, 0), "pixel": 300 * u.km}
    moves = []
    for seed in (0, 1):
        pairs = pairs_of(images, jitter=(0.5, 0.5), seed=seed, **arguments)
        moves.append((images[:, None] - pairs.frames)[..., 16:-16, 16:-16])
    moves = torch.cat(moves)
    # Half of the square is of the frame as a whole (the part of distortions with a mean adds to it).
    assert float((2 * moves.square().mean()).sqrt()) == pytest.approx(0.5, rel=0.12)
    assert 0.4 < float(moves.mean(dim=(2, 3)).square().mean() / moves.square().mean()) < 0.9
    # No part of the truth, and not the same in both frames.
    assert not pairs.velocity.any()
    assert abs(correlation(moves[:, 0].mean(dim=(1, 2)), moves[:, 1].mean(dim=(1, 2)))) < 0.35


def test_the_instrument_comes_before_the_noise(images):
    def binned(frames):
        return torch.nn.functional.avg_pool2d(frames, 4)

    arguments = {"seed": 4, "correlation": (1, 1), "jitter": (0, 0)}
    sharp = pairs_of(images, noise=(0, 0), **arguments)
    seen = pairs_of(images, noise=(0.01, 0.01), instrument=binned, **arguments)
    assert seen.frames.shape == (6, 2, 24, 24)
    assert seen.velocity.shape == (6, 2, 96, 96)
    noise = seen.frames - binned(sharp.frames)
    assert float(noise.std()) == pytest.approx(0.01, rel=0.05)


def test_seeds_decide_and_a_batch_does_not(images):
    many = pairs_of(images, seed=7)
    few = pairs_of(images[:2], seed=7)
    assert few.motion == many.motion[:2]
    for name in ("velocity", "frames", "noise", "jitter", "correlation"):
        torch.testing.assert_close(getattr(few, name), getattr(many, name)[:2], atol=1e-5, rtol=0)
    assert torch.equal(pairs_of(images[:2], seed=7).frames, few.frames)
    assert not torch.equal(pairs_of(images[:2], seed=8).frames, few.frames)


def test_precision_is_that_of_the_images(images):
    pairs = pairs_of(images[:1].double(), **PLAIN)
    assert pairs.frames.dtype == pairs.velocity.dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same(images):
    there = pairs_of(images.cuda(), seed=7)
    here = pairs_of(images, seed=7)
    assert there.frames.is_cuda
    torch.testing.assert_close(there.frames.cpu(), here.frames, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mixture": {"sideways": 1}}, "mixture is .*diverging, unrelated, converging, uniform, still"),
        ({"mixture": {"still": -1}}, "mixture is"),
        ({"mixture": {}}, "mixture is"),
        ({"rotation": (0, 2)}, "rotation is"),
        ({"noise": (0.1, 0.01)}, "noise is"),
        ({"rms": [1, 2, 3] * u.km / u.s}, "rms is"),
        ({"cadence": 0 * u.s}, "cadence is 0"),
        ({"cadence": [1, 2] * u.s}, "cadence has the shape"),
    ],
)
def test_bad_values(images, arguments, message):
    with pytest.raises(ValueError, match=message):
        pairs_of(images[:1], **arguments)


def test_bad_images_and_correlations(images):
    with pytest.raises(ValueError, match="images has the shape"):
        pairs_of(images[0])
    with pytest.raises(ValueError, match=r"correlation is 1\.5"):
        evolve(images, 1.5)
    with pytest.raises(ValueError, match="count is 1"):
        evolve(images, 0.9, count=1)
