"""The network of the embedded weights: its symmetry and its reach, whatever its weights."""

import pytest
import torch

from sunpy_ml.flows.networks import ShiftNetwork
from sunpy_ml.inference import run_tiled
from sunpy_ml.weights import build_network, get_card


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    network = ShiftNetwork(ShiftNetwork.Config(coarse=(8, 8), fine=(8, 8, 8)))
    for parameter in network.parameters():
        # Larger than at the start of a training, so that the warp moves something.
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


def test_tiles_give_what_one_call_gives(network):
    torch.manual_seed(7)
    image = 0.1 * torch.randn(4, 224, 160)
    image[2], image[3] = 48.0, 30.0
    with torch.inference_mode():
        whole = network(image[None])[0]
    # Of two levels and three, the receptive radius is well below this.
    parts = torch.from_numpy(run_tiled(network, image.numpy(), tile=64, halo=80, multiple=16))
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)


def test_the_halo_of_the_card_is_the_receptive_radius():
    card = get_card("granulation-flow")
    network = build_network(card.network, card.network_arguments).double().eval()
    for parameter in network.parameters():
        # Of one sign, so that nothing cancels or is cut off.
        parameter.data = parameter.data.abs() + 0.01
    side = 2 * card.input.halo + 3 * card.input.multiple
    images = 0.1 * torch.rand(1, 4, side, side, dtype=torch.double)
    images[:, 2], images[:, 3] = 48.0, 30.0
    middle = side // 2
    changed = images.clone()
    changed[..., middle, middle] += torch.tensor([0.05, -0.02, 0, 0], dtype=torch.double)
    with torch.inference_mode():
        seen = (network(changed) != network(images))[0].any(dim=0)
    rows = torch.nonzero(seen.any(dim=1)).flatten()
    reach = max(middle - int(rows.min()), int(rows.max()) - middle)
    assert card.input.halo - 2 * card.input.multiple < reach <= card.input.halo
