"""The network's arithmetic."""

import numpy as np
import pytest
import torch
from torch import nn

from sunpy_ml.enhancement.networks import EnhanceNetwork
from sunpy_ml.inference import fold_batch_norm
from sunpy_ml.weights.readers import read_state

BATCH_NORMS = 11


@pytest.fixture(scope="module")
def published(shared_data):
    """The network with random weights from a file of Keras, with an input and Keras's output for it."""
    folder = shared_data.parent / "keras_fixtures"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    network = EnhanceNetwork()
    network.load_state_dict(read_state(folder / "enhance_random.h5", "keras", network))
    arrays = np.load(folder / "enhance_random_io.npz")
    return network.eval(), torch.from_numpy(arrays["x"]).permute(0, 3, 1, 2), arrays["y"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_gives_what_keras_gives(published, dtype):
    network, image, expected = published
    with torch.inference_mode():
        found = network.to(dtype)(image.to(dtype)).permute(0, 2, 3, 1).numpy()
    network.float()
    assert abs(found - expected).max() < 1e-4 * expected.std()


def test_folding_its_batch_normalisations_changes_nothing(published):
    network, image, _ = published
    folded = fold_batch_norm(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        torch.testing.assert_close(folded(image), network(image), rtol=1e-4, atol=1e-4)


def test_its_size_is_the_published_one():
    with torch.device("meta"):
        network = EnhanceNetwork()
    values = [tensor for tensor in network.state_dict().values() if tensor.ndim]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert sum(tensor.numel() for tensor in values) == 446_657
    assert len([module for module in network.modules() if isinstance(module, nn.Conv2d)]) == 14
    assert len(norms) == BATCH_NORMS
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


def test_it_mirrors_at_the_edges():
    # Over a constant image, mirrored edges are invisible and zeros are not.
    torch.manual_seed(0)
    network = EnhanceNetwork().double().eval()
    with torch.inference_mode():
        output = network(torch.ones(1, 1, 20, 24, dtype=torch.float64))
    assert output.shape == (1, 1, 40, 48)
    assert float(output.std()) < 1e-12


def test_it_sees_thirteen_pixels_far():
    network = EnhanceNetwork(EnhanceNetwork.Config(channels=2)).double().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.1)
            nn.init.constant_(module.bias, 0.0)
    image = torch.ones(1, 1, 40, 40, dtype=torch.float64, requires_grad=True)
    reach = []
    for pixel in (40, 41):
        (gradient,) = torch.autograd.grad(network(image)[0, 0, pixel, pixel], image)
        rows = gradient[0, 0].sum(dim=1).nonzero()
        reach += [20 - int(rows.min()), int(rows.max()) - 20]
    assert max(reach) == 13
