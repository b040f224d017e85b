"""The networks' arithmetic."""

import numpy as np
import pytest
import torch
from torch import nn

from sunpy_ml.classification.networks import CompactClassifier, SlicNetwork

# Forward output in float64 for weights and input of the rule below, of the published class (Slic 1.0.0).
GOLDEN = {"mean": -0.067066530408, "std": 1.38286287277, "first": [0.445759885759, -1.73116639752, -1.57930297846]}
GOLDEN_LAST = 1.85431870908

SLIC_LAYERS = [(1, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]


def fill_by_rule(network: nn.Module) -> None:
    """Deterministic weights: tensor k of the state dict, element j, from sin(0.37 j + 1.3 k)."""
    for k, (name, tensor) in enumerate(network.state_dict().items()):
        if not tensor.is_floating_point():
            continue
        s = torch.arange(tensor.numel(), dtype=torch.float64).mul_(0.37).add_(1.3 * k).sin_().view(tensor.shape)
        if name.endswith("running_var"):
            value = 1 + 0.5 * s**2
        elif tensor.ndim >= 2:
            value = s.mul_(1.2 / np.sqrt(np.prod(tensor.shape[1:])))
        elif ".1.weight" in name:
            value = 1 + 0.1 * s
        else:
            value = 0.1 * s
        tensor.copy_(value)


@pytest.mark.slow
def test_slic_gives_its_golden_vector():
    network = SlicNetwork().double().eval()
    fill_by_rule(network)
    j = torch.arange(256 * 256, dtype=torch.float64)
    image = torch.sin(0.11 * j + 0.01 * (j % 97)).view(1, 1, 256, 256)
    with torch.inference_mode():
        logits = network(image)[0].numpy()
    np.testing.assert_allclose(logits[:3], GOLDEN["first"], rtol=1e-9)
    np.testing.assert_allclose(
        [logits.mean(), logits.std(), logits[-1]], [GOLDEN["mean"], GOLDEN["std"], GOLDEN_LAST], rtol=1e-9
    )


def test_slic_has_the_published_state():
    with torch.device("meta"):
        network = SlicNetwork()
    expected = {}
    for layer, (channels_in, channels_out) in enumerate(SLIC_LAYERS, start=1):
        expected[f"layer{layer}.0.weight"] = (channels_out, channels_in, 3, 3)
        names = ("0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var")
        expected |= {f"layer{layer}.{name}": (channels_out,) for name in names}
        expected[f"layer{layer}.1.num_batches_tracked"] = ()
    for index, shape in {"0": (4096, 32768), "3": (4096, 4096), "6": (5, 4096)}.items():
        expected |= {f"classifier.{index}.weight": shape, f"classifier.{index}.bias": shape[:1]}
    found = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert found == expected
    assert list(found) == list(expected)
    assert sum(parameter.numel() for parameter in network.parameters()) == 155_711_685


def test_the_keys_are_those_of_the_fact_sheet(shared_data):
    lines = (shared_data.parent / "specs" / "slic.keys.txt").read_text().splitlines()[1:]
    with torch.device("meta"):
        network = SlicNetwork()
    found = [f"{name}\t{tuple(t.shape)}\t{t.dtype}" for name, t in network.state_dict().items()]
    assert found == [line.strip() for line in lines]


def test_the_eighth_block_is_used_three_times():
    calls = []
    with torch.device("meta"):
        network = SlicNetwork().eval()
        network.layer8.register_forward_hook(lambda *_: calls.append(1))
        network(torch.empty(1, 1, 256, 256))
    assert len(calls) == 3


def test_the_compact_network_is_small_and_has_two_heads():
    network = CompactClassifier(CompactClassifier.Config(n_classes=3, n_features=2)).eval()
    assert network(torch.zeros(2, 1, 256, 256)).shape == (2, 5)
    assert sum(parameter.numel() for parameter in CompactClassifier().parameters()) < 1_000_000
