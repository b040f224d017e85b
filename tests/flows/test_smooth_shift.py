"""The part of the network that nothing was learned for: whitening, and the smooth displacement."""

import numpy as np
import pytest
import torch

from sunpy_ml.flows import smooth_shift as module
from sunpy_ml.flows.smooth_shift import smooth_shift
from sunpy_ml.flows.whitening import whitened
from tests.flows.images import drawn_image, moved_by_waves, noise

CADENCE = torch.full((1, 1, 1, 1), 30.0)
SEEN = torch.ones(1, 1, 128, 128)


@pytest.fixture(scope="module")
def image():
    return drawn_image()


@pytest.fixture(scope="module")
def moving(image):
    return moved_by_waves(image, period=40, size=1.0)


def test_what_differs_is_of_the_same_strength_everywhere(image):
    rough = torch.where(torch.arange(128) < 64, 0.02, 0.2)
    white = whitened(image[None] + rough * noise(1, 2, 128, 128), SEEN)
    difference = (white[:, 1] - white[:, 0])[0]
    for half in (difference[:, 8:56], difference[:, 72:-8]):
        assert half.square().mean().sqrt() == pytest.approx(1, abs=0.1)


def test_noise_without_an_image_is_not_believed():
    mean = whitened(noise(1, 2, 128, 128), SEEN).mean(dim=1)
    with_an_image = whitened(noise(1, 1, 128, 128) + 0.1 * noise(1, 2, 128, 128, seed=1), SEEN).mean(dim=1)
    assert with_an_image.square().mean() > 50 * mean.square().mean()


def test_bands_that_changed_count_less(image):
    """Noise of single pixels takes the weight from what is fine."""

    def fineness(images):
        white = whitened(images, SEEN).mean(dim=1)[0]
        power = torch.fft.fft2(white).abs().square()
        frequency = torch.hypot(torch.fft.fftfreq(128)[:, None], torch.fft.fftfreq(128))
        return float((power * frequency).sum() / power.sum())

    little, much = (image[None] + level * noise(1, 2, 128, 128) for level in (1e-3, 0.03))
    assert fineness(little) > 1.1 * fineness(much)


def test_a_flow_is_found_in_spite_of_noise(moving):
    images, flow = moving
    found = smooth_shift(images + 0.02 * noise(1, 2, 128, 128), CADENCE)
    error = (found - flow)[..., 16:-16, 16:-16].square().mean().sqrt()
    assert error < 0.15 * flow.square().mean().sqrt()


def test_exchanged_images_give_the_opposite(moving):
    images, _ = moving
    torch.testing.assert_close(smooth_shift(images.flip(1), CADENCE), -smooth_shift(images, CADENCE), rtol=0, atol=1e-5)


def test_a_longer_time_lets_displacements_be_steeper(moving):
    images = moving[0] + 0.1 * noise(1, 2, 128, 128)

    def steepness(seconds):
        found = smooth_shift(images, seconds * torch.ones_like(CADENCE))
        return float(torch.diff(found, dim=-1).square().mean())

    assert steepness(60.0) > 1.2 * steepness(10.0)


def test_the_iteration_solves_the_equations():
    generator = np.random.default_rng(0)
    gradients = torch.from_numpy(generator.normal(size=(2, 2, 1, 1, 8, 8)))
    xx, yy = (gradients**2).sum(dim=0) + 0.5
    xy = (gradients[:, 0] * gradients[:, 1]).sum(dim=0)
    pull, cost = torch.from_numpy(generator.normal(size=(1, 2, 8, 8))), torch.full((1, 1, 1, 1), 0.7).double()

    def applied(shift):
        x, y = shift.split(1, dim=1)
        return torch.cat([xx * x + xy * y, xy * x + yy * y], dim=1) - cost * module._bend(shift)

    columns = torch.stack([applied(unit.view(1, 2, 8, 8)).flatten() for unit in torch.eye(128).double()], dim=1)
    exact = torch.linalg.solve(columns, pull.flatten()).view(1, 2, 8, 8)
    found = module._solved((xx, xy, yy), pull, cost)
    assert (found - exact).abs().max() < 0.06 * exact.abs().max()
