"""Images that flows carry: there and back, across edges, and to where they were sent."""

import math

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.io import fits

from sunpy_ml.simulation.motion import carry, granulation, origin, random_velocity, shift


def waves(size, wavelengths, *, seed=0, move=(0.0, 0.0), dtype=torch.float64):
    """A periodic image of waves about as long as given, displaced analytically; (1, size, size)."""
    rng = np.random.default_rng(seed)
    x, y = torch.arange(size, dtype=dtype) - move[0], torch.arange(size, dtype=dtype)[:, None] - move[1]
    image = torch.zeros(size, size, dtype=dtype)
    for wavelength in wavelengths:
        angle = rng.uniform(0, 2 * np.pi)
        across, up = round(size / wavelength * np.cos(angle)), round(size / wavelength * np.sin(angle))
        image = image + torch.cos(2 * math.pi * (across * x + up * y) / size + rng.uniform(0, 2 * np.pi))
    return image[None]


def constant(vx, vy, shape, dtype=torch.float64):
    return torch.tensor([vx, vy], dtype=dtype)[None, :, None, None].expand(1, 2, *shape).clone()


def relative(difference, image):
    return float(difference.square().mean().sqrt() / (image - image.mean()).square().mean().sqrt())


@pytest.mark.parametrize("size", [64, 65])
def test_a_uniform_shift_is_exact(size):
    wavelengths = np.geomspace(2.3, 40, 12)
    moved = shift(waves(size, wavelengths), torch.tensor([[1.37, -2.61]], dtype=torch.float64))
    torch.testing.assert_close(moved, waves(size, wavelengths, move=(1.37, -2.61)), atol=1e-11, rtol=0)


def test_a_shift_by_whole_pixels_is_a_roll():
    image = torch.rand(2, 12, 17, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    moved = shift(image, torch.tensor([[3.0, 0.0], [0.0, -2.0]]))
    torch.testing.assert_close(moved[0], image[0].roll(3, dims=-1), atol=1e-12, rtol=0)
    torch.testing.assert_close(moved[1], image[1].roll(-2, dims=-2), atol=1e-12, rtol=0)


def test_a_shift_there_and_back_is_nothing():
    image = waves(60, np.geomspace(2.3, 40, 12))
    move = torch.tensor([[0.5, 0.3]])
    torch.testing.assert_close(shift(shift(image, move), -move), image, atol=1e-12, rtol=0)


def test_a_shift_mirrors_at_edges_that_do_not_meet():
    image = torch.linspace(0, 1, 32).expand(1, 32, 32)
    moved = shift(image, torch.tensor([[2.0, 0.0]]), periodic=False)[0, 0]
    # A ramp with kinks at the edges: no jump that rings, and what comes in is what was next to the edge.
    torch.testing.assert_close(moved[2:], image[0, 0, :-2], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[:2], image[0, 0, [1, 0]], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("wavelength", "error"), [(2.5, 1e-3), (3.0, 2e-4), (4.0, 3e-5), (8.0, 1e-6)])
def test_interpolation_error_is_what_the_documentation_says(wavelength, error):
    for move in ((0.5, 0.0), (0.25, 0.5), (1.37, -0.81)):
        image = waves(80, [wavelength] * 3)
        moved = carry(image, constant(*move, image.shape[1:])).image
        assert relative(moved - waves(80, [wavelength] * 3, move=move), image) < error


def test_a_carried_image_is_that_of_the_pixels_it_came_from():
    size = 96
    image = waves(size, [5, 9, 14, 20])
    flow = torch.cat([waves(size, [30, 40], seed=3), waves(size, [35, 50], seed=4)])[None]
    away = origin(flow)[0]
    x, y = torch.arange(size) + away[0], torch.arange(size)[:, None] + away[1]
    rng = np.random.default_rng(0)
    expected = torch.zeros(size, size, dtype=torch.float64)
    for wavelength in [5, 9, 14, 20]:
        angle = rng.uniform(0, 2 * np.pi)
        across, up = round(size / wavelength * np.cos(angle)), round(size / wavelength * np.sin(angle))
        expected = expected + torch.cos(2 * math.pi * (across * x + up * y) / size + rng.uniform(0, 2 * np.pi))
    assert relative(carry(image, flow).image[0] - expected, image) < 2e-5


def test_tracing_follows_a_rotation():
    # Rigid rotation: after a time t everything has turned by the angle t.
    x, y = torch.meshgrid(torch.arange(81.0) - 40, torch.arange(81.0) - 40, indexing="xy")
    for angle, steps in ((0.3, 1), (1.2, 4)):
        flow = angle * torch.stack([-y, x])[None].double()
        away = origin(flow, periodic=False, steps=steps)[0]
        inside = torch.hypot(x, y) < 20
        turned = torch.stack(
            [x * np.cos(angle) + y * np.sin(angle) - x, y * np.cos(angle) - x * np.sin(angle) - y]
        ).double()
        assert (away - turned)[:, inside].abs().max() < 2e-3


@pytest.mark.parametrize("periodic", [True, False])
def test_there_and_back_returns_the_image(periodic):
    # A mixed spectrum of 1.4 km/s for 15 s (half of 30 s) at 0.1 arcsec: the usual pair.
    size, pixel = 160, 72.5
    flow = random_velocity((size, size), pixel=pixel * u.km, periodic=periodic, seed=2) * (15 / pixel)
    image = waves(size, np.geomspace(8, 40, 10), dtype=torch.float32)
    there = carry(image, flow, periodic=periodic)
    back = carry(there.image, -flow, periodic=periodic)
    assert relative(there.image - image, image) > 0.05
    inner = (..., slice(16, -16), slice(16, -16))
    assert relative((back.image - image)[inner], image[inner]) < 1e-3


def test_there_and_back_returns_drawn_granulation():
    flow = random_velocity((160, 160), pixel=72.5 * u.km, seed=2) * (15 / 72.5)
    image = granulation((160, 160), pixel=72.5 * u.km, seed=3)
    back = carry(carry(image, flow, periodic=False).image, -flow, periodic=False).image
    # Lanes have details of two pixels, some of which get shorter than that on the way.
    assert relative((back - image)[..., 16:-16, 16:-16], image) < 0.025


def test_real_granulation_survives_there_and_back(shared_data):
    folder = shared_data / "high_resolution"
    with fits.open(folder / "sunrise_imax_focus.fits") as hdus:
        imax = torch.from_numpy(hdus[0].data[300:556, 300:556].astype(np.float32))[None]
    pixel = 0.0545 * 725.27
    flow = random_velocity((256, 256), pixel=pixel * u.km, seed=5) * (15 / pixel)
    back = carry(carry(imax, flow, periodic=False).image, -flow, periodic=False).image
    assert relative((back - imax)[..., 24:-24, 24:-24], imax) < 0.01


def test_carrying_does_not_change_brightness():
    image = torch.full((1, 32, 32), 3.0)
    flow = random_velocity((32, 32), pixel=70 * u.km, seed=1) * 0.3
    torch.testing.assert_close(carry(image, flow, periodic=False).image, image, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("axis", "dim"), [(0, -1), (1, -2)])
def test_positive_velocity_is_towards_larger_indices(axis, dim):
    image = torch.zeros(1, 40, 50)
    image[0, 15:20, 20:25] = 1.0
    move = [0.0, 0.0]
    move[axis] = 4.0
    moved = carry(image, constant(*move, (40, 50), torch.float32)).image
    torch.testing.assert_close(moved, image.roll(4, dims=dim), atol=1e-4, rtol=0)


def test_what_comes_from_outside_is_marked():
    image = torch.rand(1, 30, 40, generator=torch.Generator().manual_seed(0))
    flow = constant(3.4, -2.0, (30, 40), torch.float32)
    outside = carry(image, flow, periodic=False).outside[0]
    expected = torch.zeros(30, 40, dtype=torch.bool)
    expected[:, :3] = True
    expected[-2:] = True
    assert torch.equal(outside, expected)
    assert not carry(image, flow).outside.any()


def test_a_batch_changes_nothing():
    images = granulation((40, 48), pixel=70 * u.km, count=3)
    flows = random_velocity((40, 48), pixel=70 * u.km, count=3)
    together = carry(images, flows).image
    for index in range(3):
        alone = carry(images[index : index + 1], flows[index : index + 1]).image
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-6, rtol=0)


def test_gradients_pass_and_the_image_is_left_alone():
    image = granulation((24, 24), pixel=70 * u.km)
    kept = image.clone()
    flow = constant(0.3, 0.2, (24, 24), torch.float32).requires_grad_()
    carry(image, flow).image.square().sum().backward()
    assert flow.grad.abs().sum() > 0
    assert torch.equal(image, kept)


def test_wrong_shapes_are_named():
    image = torch.zeros(2, 16, 16)
    with pytest.raises(ValueError, match=r"flow has the shape \(1, 2, 16, 16\).*\(2, 16, 16\)"):
        carry(image, torch.zeros(1, 2, 16, 16))
    with pytest.raises(ValueError, match=r"displacement has the shape \(2,\)"):
        shift(image, torch.zeros(2))
    with pytest.raises(ValueError, match=r"flow has the shape \(2, 16, 16\)"):
        origin(torch.zeros(2, 16, 16))
    with pytest.raises(ValueError, match="steps is 0"):
        carry(image, torch.zeros(2, 2, 16, 16), steps=0)
