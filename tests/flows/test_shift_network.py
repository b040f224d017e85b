"""The network of the embedded weights: its symmetry and its reach, whatever its weights."""

import astropy.units as u
import pytest
import torch

from sunpy_ml.flows.batches import with_planes
from sunpy_ml.flows.gradients import doubled, gradient_shift, moved
from sunpy_ml.flows.material import contrast
from sunpy_ml.flows.networks import ShiftNetwork
from sunpy_ml.inference import run_tiled
from sunpy_ml.simulation.motion import granulation, moving_granulation, shift


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    network = ShiftNetwork(ShiftNetwork.Config(channels=(8, 8, 8), windows=(1.5,), white_windows=(1.5, 3.0)))
    for parameter in network.parameters():
        # At first the heads are zero.
        parameter.data += 0.1 * torch.randn_like(parameter)
    return network.eval()


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(5)
    images = 0.1 * torch.randn(2, 4, 96, 64, generator=generator)
    images[:, 2], images[:, 3] = 48.0, 30.0
    return images


def test_exchanged_images_give_the_opposite_displacement_and_the_same_deviation(network, images):
    with torch.inference_mode():
        there, back = network(images), network(images[:, [1, 0, 2, 3]])
    assert there[:, :2].abs().max() > 1e-3
    torch.testing.assert_close(back[:, :2], -there[:, :2], rtol=0, atol=1e-6)
    torch.testing.assert_close(back[:, 2:], there[:, 2:], rtol=1e-5, atol=0)


def test_identical_images_do_not_move(network, images):
    with torch.inference_mode():
        still = network(images[:, [0, 0, 2, 3]])
    assert (still[:, :2] == 0).all()


def test_deviations_are_positive_and_in_pixels_of_what_a_speed_moves(network, images):
    with torch.inference_mode():
        assert (network(images)[:, 2:] > 0).all()


def test_what_nobody_has_trained_follows_a_shift():
    image = granulation((128, 128), pixel=60 * u.km, periodic=True, seed=4)[0]
    for rows, columns in ((0, 2), (2, 0), (-1, 3)):
        frames = contrast(torch.stack([image, torch.roll(image, (rows, columns), (0, 1))]))
        with torch.inference_mode():
            found = ShiftNetwork().eval()(with_planes(frames, 60.0, 30.0)[None])[0, :2, 32:-32, 32:-32]
        torch.testing.assert_close(found.mean(dim=(1, 2)), torch.tensor([columns, rows]).float(), rtol=0.03, atol=0.03)
        assert (found - found.mean(dim=(1, 2), keepdim=True)).square().mean().sqrt() < 0.1


def test_tiles_give_nearly_what_one_call_gives():
    """Spectra are measured in each tile, and so differ; by less than what is uncertain anyway."""
    given = moving_granulation(shape=(432, 160), scale=0.1 * u.arcsec / u.pix, rms=1 * u.km / u.s, seed=6).frames
    frames = with_planes(contrast(torch.from_numpy(given.data.astype("float32"))), 72.5, 30.0)
    network = ShiftNetwork().eval()
    with torch.inference_mode():
        whole = network(frames[None])[0]
    parts = torch.from_numpy(run_tiled(network, frames.numpy(), tile=192, halo=64, multiple=16))
    assert (parts - whole)[:2].square().mean().sqrt() < 0.4 * whole[2:].mean()
    torch.testing.assert_close(parts[2:], whole[2:], rtol=0.1, atol=0)


def test_gradients_tell_a_small_shift_and_the_opposite_of_it():
    image = 10 * granulation((96, 96), pixel=60 * u.km, periodic=True, seed=2)
    there = shift(image, torch.tensor([[0.3, -0.2]]), periodic=True)
    pair, seen = torch.stack([image, there], dim=1), torch.ones(1, 1, 96, 96)
    found, steep = gradient_shift(pair, seen, 4.0)
    # Differences of neighbours are less steep than what is fine, so that it seems to move farther.
    torch.testing.assert_close(found[0].mean(dim=(1, 2)), torch.tensor([0.3, -0.2]), rtol=0.2, atol=0)
    back, same = gradient_shift(pair.flip(1), seen, 4.0)
    torch.testing.assert_close(back, -found, rtol=0, atol=1e-6)
    torch.testing.assert_close(same, steep, rtol=1e-5, atol=0)


def test_a_displacement_is_undone_where_both_images_are_known():
    image = 10 * granulation((96, 96), pixel=60 * u.km, periodic=True, seed=2)[0]
    pair = torch.stack([image, torch.roll(image, 3, 1)])[None]
    move = torch.zeros(1, 2, 96, 96)
    move[:, 0] = 3.0
    (first, second), seen = (part[0] for part in moved(doubled(pair), move))
    # Both moved by a pixel and a half, they agree wherever neither came from beyond an edge.
    torch.testing.assert_close(first[:, 4:-4], second[:, 4:-4], rtol=0, atol=1e-4)
    assert (seen[0, :, 4:-4] == 1).all()
    assert (seen[0, :, [0, -1]] == 0).all()
