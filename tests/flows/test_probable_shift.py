"""The displacement that is most probable by spectra that are measured in the images."""

import math

import numpy as np
import pytest
import torch

from sunpy_ml.flows import probable_shift as module
from sunpy_ml.flows.probable_shift import probable_shift
from sunpy_ml.flows.smooth_shift import smooth_shift
from tests.flows.images import drawn_image, moved_by_waves, noise

CADENCE = torch.full((1, 1, 1, 1), 30.0)
INNER = np.s_[..., 16:-16, 16:-16]


def found(images):
    """The smooth displacement, and what is made of it."""
    smooth = smooth_shift(images, CADENCE)
    return smooth, *probable_shift(images, smooth)


def rms(maps):
    return float(maps[INNER].square().mean().sqrt())


@pytest.fixture(scope="module")
def image():
    return drawn_image()


@pytest.fixture(scope="module")
def moving(image):
    return moved_by_waves(image, period=20, size=0.5)


@pytest.mark.parametrize("level", [0.01, 0.1])
def test_it_is_nearer_to_the_truth_than_the_smooth_one(moving, level):
    images, flow = moving
    smooth, shift, deviation, part = found(images + level * noise(1, 2, 128, 128))
    error = rms(shift - flow)
    assert error < 0.7 * rms(smooth - flow)
    # How far off it is, it knows itself.
    assert 0.5 < float(deviation) / error < 2
    assert 1 - float(part) == pytest.approx((error / rms(flow)) ** 2, rel=3)


def test_noise_is_not_taken_for_motion(image):
    smooth, shift, *_ = found(image[None] + 0.1 * noise(1, 2, 128, 128))
    assert rms(shift) < 0.5 * rms(smooth)


def test_the_hit_of_a_particle_is_seen_near_it_alone(moving):
    images, flow = moving
    images = images + 0.01 * noise(1, 2, 128, 128)
    clean = found(images)[1]
    images[0, 1, 64, 64] += 100
    struck = found(images)[1]
    far = torch.ones(128, 128, dtype=torch.bool)
    far[40:88, 40:88] = False
    error, before = ((shift - flow)[..., far].square().mean().sqrt() for shift in (struck, clean))
    assert error < 1.5 * before


def test_exchanged_images_give_the_opposite(moving):
    images = moving[0] + 0.05 * noise(1, 2, 128, 128)
    (_, there, *known), (_, back, *same) = found(images), found(images.flip(1))
    torch.testing.assert_close(back, -there, rtol=0, atol=1e-5)
    for first, second in zip(known, same, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=0)


def test_it_turns_with_the_images(moving):
    images = moving[0] + 0.05 * noise(1, 2, 128, 128)
    straight, turned = found(images)[1], found(images.transpose(-1, -2).flip(-1))[1]
    again = turned.flip(-1).transpose(-1, -2).flip(1) * torch.tensor([1.0, -1.0])[:, None, None]
    assert rms(again - straight) < 0.02 * rms(straight)


def test_a_batch_is_what_each_would_be(moving):
    images = torch.cat([moving[0], moving[0].flip(1) + 0.1 * noise(1, 2, 128, 128)])
    together = probable_shift(images, torch.zeros_like(images))
    for number in range(2):
        alone = probable_shift(images[number : number + 1], torch.zeros(1, 2, 128, 128))
        for first, second in zip(alone, together, strict=True):
            torch.testing.assert_close(first[0], second[number], rtol=1e-4, atol=1e-4)


def test_images_without_structure_do_not_move():
    shift, deviation, part = probable_shift(torch.zeros(1, 2, 64, 48), torch.zeros(1, 2, 64, 48))
    assert (shift == 0).all()
    assert torch.isfinite(deviation).all()
    assert float(part) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("size", [(48, 64), (63, 49)])
def test_the_power_of_white_noise_is_its_variance(size):
    spectrum = module._Spectrum(size, math.prod(size), torch.device("cpu"))
    maps = 0.3 * noise(3, 2, *size)
    power = spectrum.of(maps)
    assert power.shape == (3, 1, size[0], size[1] // 2 + 1)
    torch.testing.assert_close(spectrum.mean(power).flatten(), maps.square().mean(dim=(1, 2, 3)), rtol=1e-5, atol=0)
    fine = power[..., size[0] // 4, size[1] // 4]
    torch.testing.assert_close(fine, torch.full_like(fine, 0.09), rtol=0.3, atol=0)


def test_the_iteration_solves_the_equations(monkeypatch):
    """As a matrix: what is least is the square of the noise over its power and of the displacement over its own."""
    monkeypatch.setattr(module, "_STEPS", 80)
    spectrum = module._Spectrum((8, 8), 64, torch.device("cpu"))
    slopes, left = noise(1, 2, 8, 8).double(), noise(1, 1, 8, 8, seed=1).double()
    power, trust = (spectrum.of(noise(1, 1, 8, 8, seed=seed).double()) + 0.1 for seed in (2, 3))
    told = torch.ones(1, 1, 1, 1).double()

    def matrix(apply, channels):
        units = torch.eye(64 * channels).double().view(-1, 1, channels, 8, 8)
        return torch.stack([apply(unit).flatten() for unit in units], dim=1)

    weights = matrix(lambda maps: spectrum.filtered(maps, trust), 1)
    stiffness = matrix(lambda maps: spectrum.filtered(maps, 1 / power), 2)
    seen = matrix(lambda maps: (slopes * maps).sum(dim=1), 2)
    exact = torch.linalg.solve(seen.T @ weights @ seen + stiffness, -seen.T @ weights @ left.flatten())
    start = noise(1, 2, 8, 8, seed=4).double()
    shift = module._solved(spectrum, slopes, left, start, power, trust, told)
    torch.testing.assert_close(shift.flatten(), exact, rtol=0, atol=1e-6)
