"""The networks' arithmetic."""

import numpy as np
import pytest
import torch
from torch import nn

from sunpy_ml.flows.networks import NETWORKS, DeepVelNetwork, DeepVelUNetwork
from sunpy_ml.inference import fold_batch_norm
from sunpy_ml.weights.readers import read_state


@pytest.fixture(scope="module", params=["deepvel", "deepvelu"])
def published(request, shared_data):
    """A network with random weights from a file of Keras, with an input and Keras's output for it."""
    folder = shared_data.parent / "keras_fixtures"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    network = NETWORKS[request.param]()
    network.load_state_dict(read_state(folder / f"{request.param}_random.h5", "keras", network))
    arrays = np.load(folder / f"{request.param}_random_io.npz")
    return network.eval(), torch.from_numpy(arrays["x"]).permute(0, 3, 1, 2), arrays["y"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_they_give_what_keras_gives(published, dtype):
    network, images, expected = published
    with torch.inference_mode():
        found = network.to(dtype)(images.to(dtype)).permute(0, 2, 3, 1).numpy()
    network.float()
    assert abs(found - expected).max() < 1e-4 * expected.std()


def test_folding_their_batch_normalisations_changes_nothing(published):
    network, images, expected = published
    folded = fold_batch_norm(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        difference = folded(images) - network(images)
    assert float(difference.abs().max()) < 1e-4 * expected.std()


# Without and with the moving statistics, as Keras counts them.
SIZES = [
    ("deepvel", {}, 1_595_014, 1_600_518),
    ("deepvel", {"n_outputs": 2}, 1_594_754, 1_600_258),
    ("deepvelu", {}, 2_956_358, 2_959_942),
    ("deepvelu", {"n_outputs": 2}, 2_956_098, 2_959_682),
    ("deepvelu", {"n_inputs": 4, "n_outputs": 2}, 2_957_250, 2_960_834),
    ("deepvelu", {"n_inputs": 6, "n_outputs": 2}, 2_958_402, 2_961_986),
]


@pytest.mark.parametrize(("name", "arguments", "trainable", "total"), SIZES)
def test_their_sizes_are_the_published_ones(name, arguments, trainable, total):
    with torch.device("meta"):
        network = NETWORKS[name](NETWORKS[name].Config(**arguments))
    assert sum(parameter.numel() for parameter in network.parameters()) == trainable
    assert sum(tensor.numel() for tensor in network.state_dict().values() if tensor.ndim) == total


@pytest.mark.parametrize(("name", "convolutions", "norms"), [("deepvel", 45, 43), ("deepvelu", 18, 14)])
def test_their_layers_are_the_published_ones(name, convolutions, norms):
    with torch.device("meta"):
        modules = list(NETWORKS[name]().modules())
    found = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    assert len([module for module in modules if isinstance(module, nn.Conv2d)]) == convolutions
    assert len(found) == norms
    assert {(norm.eps, norm.momentum) for norm in found} == {(1e-3, 0.01)}


def test_a_strided_convolution_is_padded_at_the_right_and_the_bottom():
    network = DeepVelUNetwork(DeepVelUNetwork.Config(n_inputs=1, channels=1)).eval()
    pad, convolution = network.down1[:2]
    nn.init.constant_(convolution.weight, 1.0)
    nn.init.constant_(convolution.bias, 0.0)
    with torch.inference_mode():
        sums = convolution(pad(torch.ones(1, 1, 4, 6)))
    # Of the windows of nine pixels, the last ones have three, or five in the corner, beyond the edge.
    assert sums.tolist() == [[[[9, 9, 6], [6, 6, 4]]]]


@pytest.mark.parametrize(("name", "halo"), [("deepvel", 44), ("deepvelu", 58)])
def test_they_see_no_further_than_their_cards_say(name, halo):
    network = NETWORKS[name](NETWORKS[name].Config(channels=1, n_outputs=1)).double().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.1)
            nn.init.constant_(module.bias, 0.0)
    size = 160
    images = torch.ones(1, 2, size, size, dtype=torch.float64, requires_grad=True)
    output = network(images)
    reach = []
    for pixel in range(80, 88):
        (gradient,) = torch.autograd.grad(output[0, 0, pixel, pixel], images, retain_graph=True)
        rows = gradient[0].abs().sum(dim=(0, 2)).nonzero()
        reach += [pixel - int(rows.min()), int(rows.max()) - pixel]
    assert max(reach) == halo


def test_deepvelu_names_the_cure_for_other_sizes():
    network = DeepVelUNetwork(DeepVelUNetwork.Config(channels=1)).eval()
    with pytest.raises(ValueError, match=r"multiples of 8, got \(48, 50\); crop or pad"):
        network(torch.zeros(1, 2, 48, 50))


def test_deepvel_takes_any_size():
    network = DeepVelNetwork(DeepVelNetwork.Config(channels=2, depth=1)).eval()
    assert network(torch.zeros(1, 2, 7, 11)).shape == (1, 6, 7, 11)
