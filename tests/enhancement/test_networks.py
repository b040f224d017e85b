"""The network's arithmetic."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from sunpy_ml.enhancement.networks import DeconvolutionNetwork, EnhanceNetwork
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


@pytest.fixture
def deconvolution():
    """A network whose every layer does something."""
    torch.manual_seed(1)
    network = DeconvolutionNetwork(DeconvolutionNetwork.Config(radius=3, depth=2, channels=8, level=1.0, odd=False))
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    return network.eval()


def test_the_deconvolution_keeps_a_uniform_image_through_its_filter(deconvolution):
    nn.init.zeros_(deconvolution.correction.weight)
    nn.init.zeros_(deconvolution.correction.bias)
    answer = deconvolution(torch.full((1, 1, 9, 11), 0.7))
    torch.testing.assert_close(answer[:, 0], torch.full((1, 18, 22), 0.7))
    assert (answer[:, 1] > 0).all()


def test_a_new_deconvolution_doubles_pixels():
    image = torch.rand(2, 1, 12, 10)
    answer = DeconvolutionNetwork()(image)[:, :1]
    torch.testing.assert_close(answer, nn.functional.interpolate(image, scale_factor=2, mode="nearest"))


def test_the_filter_is_the_correlation_that_its_kernels_say(deconvolution):
    linear, image = deconvolution.linear.double(), torch.rand(1, 1, 9, 14, dtype=torch.float64)
    kernels = linear.kernels + (1 - linear.kernels.sum(dim=(1, 2), keepdim=True)) / linear.kernels[0].numel()
    padded = torch.from_numpy(np.pad(image[0, 0].numpy(), 3, mode="symmetric"))[None, None]
    torch.testing.assert_close(linear(image), nn.functional.conv2d(padded, kernels[:, None]))


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (7, 30)])
def test_images_may_be_smaller_than_what_it_sees(deconvolution, shape):
    assert deconvolution(torch.rand(1, 1, *shape)).shape == (1, 2, 2 * shape[0], 2 * shape[1])


def test_it_sees_as_far_as_it_says(deconvolution):
    image = torch.rand(1, 1, 41, 41, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(deconvolution.double()(image)[0, :, 40:42, 40:42].sum(), image)
    # What the transforms of the filter leave elsewhere is rounding.
    rows = (gradient[0, 0].abs().sum(dim=1) > 1e-12).nonzero()
    assert deconvolution.reach == 9
    assert 20 - int(rows.min()) <= deconvolution.reach
    assert int(rows.max()) - 20 <= deconvolution.reach
    assert int(rows.max() - rows.min()) + 1 >= 2 * 6 + 1


def test_oddness_is_exact_and_its_deviation_even(deconvolution):
    config = dataclasses.replace(deconvolution.config, odd=True, level=0.0)
    network = DeconvolutionNetwork(config).eval()
    network.load_state_dict(deconvolution.state_dict())
    image = torch.randn(1, 1, 20, 21)
    answer, opposite = network(image), network(-image)
    assert torch.equal(answer[:, 0], -opposite[:, 0])
    torch.testing.assert_close(answer[:, 1], opposite[:, 1])


def test_its_deviation_does_not_teach_its_answer(deconvolution):
    deconvolution(torch.rand(1, 1, 12, 12))[:, 1].sum().backward()
    # The image goes through them for the answer's sake, which the deviation does not ask for.
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in deconvolution.features.parameters())
    assert all(parameter.grad is not None for parameter in deconvolution.spread.parameters())
