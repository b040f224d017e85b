import copy

import pytest
import torch
from torch import nn

from sunpy_ml.classification.networks import SlicNetwork
from sunpy_ml.exceptions import WeightsError
from sunpy_ml.training import PerceptualLoss, stages
from sunpy_ml.weights import get_card, load


@pytest.fixture
def loss():
    return PerceptualLoss("halpha-2", layers=["stem", "features.3"])


@pytest.fixture
def image():
    return torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))


def test_identical_images_differ_by_nothing_and_others_by_more(loss, image):
    assert loss(image, image).item() == 0
    near, far = loss(image + 0.01, image), loss(image.flip(-1), image)
    assert 0 < near < far


def test_it_is_the_mean_square_over_maps_of_each_layer(loss, image):
    network, other = load("halpha-2"), image.roll(5, -1)
    by_hand = 0.0
    for first in (network.stem, nn.Sequential(network.stem, *network.features[:4])):
        by_hand += (first(image) - first(other)).pow(2).sum() / first(image).numel() / 2
    torch.testing.assert_close(loss(image, other), by_hand)


def test_neither_size_nor_number_of_images_sets_its_scale(image):
    loss = PerceptualLoss("halpha-2", layers=["stem"])
    other = image.roll(8, -1)
    large = loss(image.repeat(1, 1, 4, 4), other.repeat(1, 1, 4, 4))
    # Only the zeros around the edges differ.
    torch.testing.assert_close(large, loss(image, other), rtol=0.1, atol=0)
    torch.testing.assert_close(loss(image.repeat(3, 1, 1, 1), other.repeat(3, 1, 1, 1)), loss(image, other))


def test_gradients_reach_the_image_and_agree_with_differences(image):
    loss = PerceptualLoss("halpha-2", layers=["features.1"]).double()
    target = image[:1, :, :16, :16].double()
    x = (target + 0.1 * torch.randn(target.shape, dtype=torch.float64)).requires_grad_()
    loss(x, target).backward()
    step = 1e-6 * torch.randn(target.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        slope = loss(x + step, target) - loss(x - step, target)
    torch.testing.assert_close((x.grad * step).sum() * 2, slope, rtol=1e-4, atol=0)


def test_the_classifier_never_learns(loss, image):
    before = copy.deepcopy(loss.classifier.state_dict())
    model = nn.ModuleDict({"restorer": nn.Conv2d(1, 1, 3, padding=1), "loss": loss})
    model.train()
    assert loss.training
    optimiser = torch.optim.SGD([value for value in model.parameters() if value.requires_grad], 0.1)
    loss(model["restorer"](image), image).backward()
    optimiser.step()
    assert model["restorer"].weight.grad.abs().sum() > 0
    assert all(value.grad is None for value in loss.classifier.parameters())
    after = loss.classifier.state_dict()
    assert [name for name in before if "running_mean" in name]
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_weights_of_the_classifier_are_its_own(loss, image):
    with torch.no_grad():
        loss.classifier.stem[0].weight.zero_()
    assert load("halpha-2").stem[0].weight.abs().sum() > 0
    other = copy.deepcopy(loss)
    assert other(image, image.flip(-1)) == loss(image, image.flip(-1))
    assert load("halpha-2").stem[2].inplace


def test_every_stage_below_the_head_is_the_default(image):
    loss = PerceptualLoss("halpha-2")
    assert loss.layers == tuple(name for stage in stages(load("halpha-2"))[:-1] for name in stage)
    assert len(loss.feature_maps(image)) == 9


def test_maps_before_a_rectifier_are_kept_as_they_are(image):
    (found,) = PerceptualLoss("halpha-2", layers=["stem.1"]).feature_maps(image)
    assert found.min() < 0


def test_what_lies_deeper_is_cut_off(loss, image):
    assert isinstance(loss.classifier.features[4], nn.Identity)
    assert isinstance(loss.classifier.classes, nn.Identity)
    whole = PerceptualLoss("halpha-2", layers=["features"])
    torch.testing.assert_close(whole.feature_maps(image)[0], load("halpha-2").features(load("halpha-2").stem(image)))


def test_slic_takes_any_size_and_counts_its_shared_layer_each_time():
    with torch.device("meta"):
        network = SlicNetwork()
    torch.manual_seed(0)
    for number in range(1, 9):
        layer = getattr(network, f"layer{number}").to_empty(device="cpu")
        layer[0].reset_parameters()
        layer[1].reset_parameters()
    loss = PerceptualLoss(network.eval(), layers=["layer2", "layer8"], card=get_card("slic-1.1.1"))
    image = torch.rand(1, 1, 64, 64)
    assert [maps.shape[1:] for maps in loss.feature_maps(image)] == [
        (64, 64, 64),
        (512, 8, 8),
        (512, 4, 4),
        (512, 4, 4),
    ]
    assert loss(image, image.flip(-1)) > 0


@pytest.mark.parametrize("layers", [["classes"], ["stalk"], ["dropout"], [""]])
def test_layers_that_are_refused(layers):
    with pytest.raises(ValueError, match=r"layers: got .*; give names of modules below the head, such as \['stem'"):
        PerceptualLoss("halpha-2", layers=layers)


def test_other_mistakes_are_refused(loss, image):
    with pytest.raises(ValueError, match="layers: got none"):
        PerceptualLoss("halpha-2", layers=[])
    with pytest.raises(ValueError, match=r"target: its shape is \(1, 1, 64, 64\)"):
        loss(image, image[:1])
    with pytest.raises(WeightsError, match="none named 'nothing-1'"):
        PerceptualLoss("nothing-1")
    assert not loss.classifier.stem._forward_hooks
