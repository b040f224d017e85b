"""Doublings and the convolutions after them, computed on the coarse grid."""

import pytest
import torch
from torch import nn

from sunpy_ml.inference import fold
from sunpy_ml.inference.upsampling import DoublingConv2d

PADDINGS = ["zeros", "reflect", "replicate", "circular"]


def pair(padding_mode="reflect", bias=True):
    """A doubling of three channels and a convolution to two."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Upsample(scale_factor=2), nn.Conv2d(3, 2, 3, padding=1, padding_mode=padding_mode, bias=bias)
    )


@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (9, 12)])
def test_it_gives_what_the_two_modules_give(padding_mode, bias, shape):
    modules = pair(padding_mode, bias).double()
    data = torch.randn(2, 3, *shape, dtype=torch.float64)
    found = DoublingConv2d(modules[1])(data)
    torch.testing.assert_close(found, modules(data), rtol=0, atol=1e-12)


def test_strips_leave_no_seams():
    modules, data = pair().double(), torch.randn(1, 3, 70, 1000, dtype=torch.float64)
    found = DoublingConv2d(modules[1])(data)
    torch.testing.assert_close(found, modules(data), rtol=0, atol=1e-12)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_gradients_pass():
    modules, data = pair().double(), torch.randn(1, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(modules(data).square().sum(), data)
    (found,) = torch.autograd.grad(DoublingConv2d(modules[1])(data).square().sum(), data)
    torch.testing.assert_close(found, expected)


def test_folding_joins_the_normalisation_too_and_leaves_the_network_alone():
    modules = nn.Sequential(*pair(), nn.BatchNorm2d(2), nn.ReLU()).eval()
    nn.init.normal_(modules[2].running_mean)
    nn.init.normal_(modules[2].weight)
    folded, data = fold(modules), torch.randn(1, 3, 8, 8)
    assert [type(module) for module in folded] == [DoublingConv2d, nn.Identity, nn.Identity, nn.ReLU]
    assert [type(module) for module in modules] == [nn.Upsample, nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    with torch.inference_mode():
        torch.testing.assert_close(folded(data), modules(data), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "others",
    [
        (nn.Upsample(scale_factor=3), nn.Conv2d(2, 2, 3, padding=1)),
        (nn.Upsample(scale_factor=(2, 1)), nn.Conv2d(2, 2, 3, padding=1)),
        (nn.Upsample(size=(12, 12)), nn.Conv2d(2, 2, 3, padding=1)),
        (nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(2, 2, 3, padding=1)),
        (nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3)),
        (nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 5, padding=2)),
        (nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3, padding=1, stride=2)),
        (nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3, padding=2, dilation=2)),
        (nn.Upsample(scale_factor=2), nn.Conv2d(2, 2, 3, padding=1, groups=2)),
        (nn.Upsample(scale_factor=2), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1)),
    ],
)
def test_other_pairs_stay_as_they_are(others):
    network, data = nn.Sequential(*others), torch.randn(1, 2, 6, 6)
    folded = fold(network)
    assert [type(module) for module in folded] == [type(module) for module in others]
    with torch.inference_mode():
        torch.testing.assert_close(folded(data), network(data))
