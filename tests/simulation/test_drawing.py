"""The random fields that scenes are made of."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass, gaussian_filter

from sunpy_ml.simulation.drawing import blur, oriented_noise, smooth_noise, splat, wander


def rng():
    return np.random.default_rng(12)


@pytest.mark.parametrize("pixel", [0.2, 0.8])
def test_noise_has_the_same_variance_at_every_scale(pixel):
    assert smooth_noise(rng(), (300, 310), pixel, 3.0).std() == pytest.approx(1, abs=0.2)
    flow = np.full((300, 310), 0.3)
    assert oriented_noise(rng(), flow, pixel, length=4.0, width=1.5).std() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("degrees", [0, 30, 90, 150])
def test_noise_follows_the_directions(degrees):
    angle = np.deg2rad(degrees)
    noise = oriented_noise(rng(), np.full((256, 256), angle), 0.5, length=3.0, width=0.6)
    rise, run = np.gradient(noise)
    # The small axis of the gradients is the direction along which the noise changes least.
    _, axes = np.linalg.eigh(np.cov(run.ravel(), rise.ravel()))
    assert abs(axes[:, 0] @ [np.cos(angle), np.sin(angle)]) > 0.99


def test_directions_have_no_sense():
    angle = np.linspace(0, np.pi, 64 * 64).reshape(64, 64)
    first = oriented_noise(rng(), angle, 1.0, length=3.0, width=1.0)
    assert np.allclose(first, oriented_noise(rng(), angle - np.pi, 1.0, length=3.0, width=1.0), atol=1e-5)


@pytest.mark.parametrize("sigma", [1.0, 4.0, 5.0, 9.0])
def test_blur_is_close_to_a_gaussian(sigma):
    image = np.zeros((101, 101), np.float32)
    image[50, 40] = 1
    expected = gaussian_filter(image, sigma)
    blurred = blur(image, sigma)
    assert np.abs(blurred - expected).max() < 0.15 * expected.max()
    assert center_of_mass(blurred) == pytest.approx((50, 40), abs=0.01)


def test_a_curve_does_not_depend_on_its_sampling():
    curve = wander(rng())
    fine, coarse = np.linspace(-1, 1, 41), np.linspace(-1, 1, 11)
    assert np.allclose(curve(fine)[::4], curve(coarse))
    assert np.ptp(curve(fine)) > 0.1


def test_splat_shares_the_weight_between_neighbours():
    image = splat((4, 6), np.array([2.25]), np.array([1.5]), np.array([8.0]))
    expected = np.zeros((4, 6))
    expected[1:3, 2:4] = [[3, 1], [3, 1]]
    assert np.allclose(image, expected)


def test_splat_loses_what_is_outside():
    image = splat((4, 6), np.array([-1.0, 9.0, np.nan]), np.array([1.0, 1.0, 1.0]), np.ones(3))
    assert not image.any()
