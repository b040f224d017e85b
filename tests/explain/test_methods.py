"""The methods of attribution against what they are by definition, on networks small enough to do it by hand."""

from dataclasses import replace

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn

from sunpy_ml.classification.networks import CompactClassifier, SlicNetwork
from sunpy_ml.explain import METHODS, randomisation_check
from sunpy_ml.explain.copying import private_copy
from sunpy_ml.explain.layers import choose_layer
from sunpy_ml.explain.methods import attribute
from sunpy_ml.explain.placing import cell_centres, spread_cells
from sunpy_ml.observations import new_map
from sunpy_ml.simulation import halpha_scene
from sunpy_ml.weights import get_card, load


class Repeating(nn.Module):
    """A classifier one block of which runs three times, as in `SlicNetwork`."""

    def __init__(self, relu=nn.ReLU):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), relu(inplace=True))
        self.block = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), relu(inplace=True))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.pool(self.block(self.first(x)))
        x = self.block(self.block(x))
        return self.head(x.mean(dim=(2, 3)))


class Functional(nn.Module):
    """A classifier with a rectifier that is no module."""

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        self.two = nn.Conv2d(2, 3, 3)

    def forward(self, x):
        return torch.relu(self.two(self.one(x))).mean(dim=(2, 3))


class GuidedRelu(nn.Module):
    """Guided backpropagation as Springenberg et al. write it: only what is positive on both ways passes."""

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient.clamp(min=0) * (x > 0)

    def __init__(self, inplace):
        super().__init__()

    def forward(self, x):
        return self.Function.apply(x)


class Averaging(nn.Module):
    """The mean of a classifier's answers to the eight turns and reflections, by the definition."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        views = [torch.rot90(side, k, (2, 3)) for side in (x, x.flip(3)) for k in range(4)]
        return torch.stack([self.network(view) for view in views]).mean(dim=0)


@pytest.fixture
def image():
    return torch.rand(1, 1, 16, 24, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def repeating():
    torch.manual_seed(0)
    return Repeating().eval()


def own(network):
    return private_copy(network, torch.device("cpu"))


def test_the_layer_is_the_last_features():
    with torch.device("meta"):  # Slic has 156 million parameters
        images = torch.zeros(1, 1, 256, 256)
        assert choose_layer(SlicNetwork().eval(), images) == "layer8"
        assert choose_layer(CompactClassifier().eval(), images) == "features"
        flat = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(254 * 254 * 2, 2))
        assert choose_layer(flat, images) == "0"
        assert choose_layer(flat, images, "1") == "1"
        there_and_back = nn.Sequential(once := nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3), nn.ReLU(), once, nn.Flatten())
        assert choose_layer(there_and_back, images) == "0"
        with pytest.raises(ValueError, match=r"layer: the network has no convolution to look at; choose from \['0'\]"):
            choose_layer(nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(65536, 2)), images)


@pytest.mark.parametrize("layer", ["stem.0", "stem", "features.1", "features.3"])
def test_cells_lie_in_the_middle_of_what_they_see(layer):
    torch.manual_seed(0)
    network = own(CompactClassifier())
    seen = []
    network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: seen.append(output))
    support = torch.zeros(256, 256)
    for _ in range(4):  # pooling lets only one pixel through, another for another image
        x = torch.rand(1, 1, 256, 256, requires_grad=True)
        network(x)
        cell = tuple(n // 2 for n in seen[-1].shape[2:])
        support += torch.autograd.grad(seen[-1][0, :, *cell].sum(), x)[0][0, 0].abs()
    rows, columns = (torch.nonzero(support.sum(dim=axis)).flatten() for axis in (1, 0))
    for centres, lit, n in zip(cell_centres(network, layer, (1, 256, 256)), (rows, columns), cell, strict=True):
        assert centres[n] == pytest.approx((lit[0] + lit[-1]) / 2, abs=1)
        np.testing.assert_allclose(np.diff(centres), 256 / len(centres))


def test_cells_that_see_everything_are_the_image_made_small():
    class Mixing(nn.Module):
        def forward(self, x):
            return x.mean(dim=(2, 3), keepdim=True).expand(-1, -1, 4, 8)

    rows, columns = cell_centres(nn.Sequential(Mixing()), "0", (1, 16, 16))
    np.testing.assert_allclose(rows, [1.5, 5.5, 9.5, 13.5])
    np.testing.assert_allclose(columns, np.arange(8) * 2 + 0.5)


def test_cells_are_spread_between_their_centres():
    spread = spread_cells(np.array([[0.0, 4.0], [8.0, 12.0]]), (np.array([1.0, 5.0]), np.array([2.0, 4.0])), (7, 7))
    np.testing.assert_allclose(spread[1], [0, 0, 0, 2, 4, 4, 4])
    np.testing.assert_allclose(spread[:, 2], [0, 0, 2, 4, 6, 8, 8])


def test_grad_cam_is_that_of_the_last_time_a_layer_runs(repeating, image):
    features = repeating.block(repeating.block(repeating.pool(repeating.block(repeating.first(image)))))
    # The head reads the mean of each map, so its weights are the gradients.
    weighed = repeating.head.weight[1][:, None, None] * features[0]
    cam = weighed.sum(dim=0).clamp(min=0).detach() / features[0, 0].numel()
    assert cam.max() > 0
    expected = spread_cells(cam.numpy(), cell_centres(repeating, "block", (1, 16, 24)), (16, 24))
    np.testing.assert_allclose(attribute(own(repeating), image, 1, "gradcam", {}), expected, atol=1e-7)


def test_a_network_may_begin_with_a_rectifier_in_place(repeating, image):
    shifted = nn.Sequential(nn.ReLU(inplace=True), repeating)
    found = attribute(own(shifted), image, 0, "saliency", {})  # the image is not negative
    np.testing.assert_allclose(found, attribute(own(repeating), image, 0, "saliency", {}), atol=1e-7)


def test_a_layer_before_a_rectifier_in_place_is_seen_before_it(repeating, image):
    before = repeating.block[0](repeating.block(repeating.pool(repeating.block(repeating.first(image)))))
    gradient = repeating.head.weight[1][:, None, None] * (before[0] > 0) / before[0, 0].numel()
    cam = (gradient.mean(dim=(1, 2), keepdim=True) * before[0]).sum(dim=0).clamp(min=0).detach()
    assert cam.max() > 0
    expected = spread_cells(cam.numpy(), cell_centres(repeating, "block", (1, 16, 24)), (16, 24))
    found = attribute(own(repeating), image, 1, "gradcam", {"layer": "block.0"})
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_guided_backprop_is_right_where_a_rectifier_runs_several_times(repeating, image):
    guided = Repeating(relu=GuidedRelu).eval()
    guided.load_state_dict(repeating.state_dict())
    x = image.clone().requires_grad_()
    expected = torch.autograd.grad(guided(x)[0, 2], x)[0][0, 0]
    found = attribute(own(repeating), image, 2, "guided_backprop", {})
    assert np.abs(found).max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert not np.allclose(np.abs(found), attribute(own(repeating), image, 2, "saliency", {}), atol=1e-5)


def test_guided_grad_cam_is_captums_where_maps_and_image_agree(image):
    torch.manual_seed(2)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    found = attribute(own(network), image, 3, "guided_gradcam", {})
    x = image.clone().requires_grad_()
    with pytest.warns(UserWarning, match="Setting backward hooks"):
        expected = captum.attr.GuidedGradCam(network, network[2]).attribute(x, 3)
    assert np.abs(found).max() > 0
    np.testing.assert_allclose(found, expected[0, 0].detach(), atol=1e-7)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("guided_backprop", {}),
        ("saliency", {}),
        ("integrated_gradients", {"steps": 8, "baseline": 0.3}),
        ("integrated_gradients", {"steps": 8}),
        ("occlusion", {"window": 8}),
    ],
)
def test_averaged_relevance_is_that_of_the_averaged_score(repeating, image, method, options):
    square = image[..., :16]
    found = attribute(own(repeating), square, 1, method, options, average_turns=True)
    expected = attribute(own(Averaging(repeating)), square, 1, method, options)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    once = attribute(own(repeating), square, 1, method, options)
    assert np.abs(found - once).max() > 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("method", ["gradcam", "guided_gradcam"])
def test_averaged_grad_cam_is_the_mean_of_the_maps_turned_back(repeating, image, method):
    square = image[..., :16]
    expected = np.zeros((16, 16))
    for reflected in (False, True):
        for k in range(4):
            view = torch.rot90(square.flip(3) if reflected else square, k, (2, 3))
            back = np.rot90(attribute(own(repeating), view, 1, method, {}), -k)
            expected += (np.fliplr(back) if reflected else back) / 8
    assert np.abs(expected).max() > 0
    found = attribute(own(repeating), square, 1, method, {}, average_turns=True)
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


def test_only_square_images_have_eight_turns(repeating, image):
    with pytest.raises(ValueError, match=r"must be square to be turned, got the shape \(1, 1, 16, 24\)"):
        attribute(own(repeating), image, 0, "saliency", {}, average_turns=True)


@pytest.mark.parametrize("averaged", [False, True])
def test_the_image_is_not_changed(image, averaged):
    class InPlace(nn.Module):
        def forward(self, x):
            return (x.relu_() if not x.requires_grad else x.relu()).mean(dim=(2, 3)).repeat(1, 2)

    given = image[..., :16] - 0.5
    before = given.clone()
    attribute(own(InPlace()), given, 0, "occlusion", {"window": 8}, average_turns=averaged)
    assert torch.equal(given, before)


@pytest.mark.parametrize("method", ["guided_backprop", "guided_gradcam"])
@pytest.mark.parametrize("network", [Functional(), nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU())])
def test_guided_methods_refuse_what_they_cannot_change(network, image, method):
    with pytest.raises(ValueError, match=r"needs every rectifier to be a torch\.nn\.ReLU; of this network [01] "):
        attribute(own(network), image, 0, method, {})


def test_integrated_gradients_add_up_to_the_difference_of_scores(repeating, image):
    found = attribute(own(repeating), image, 0, "integrated_gradients", {"steps": 64, "baseline": 0.3})
    with torch.no_grad():
        difference = (repeating(image) - repeating(torch.full_like(image, 0.3)))[0, 0]
    assert abs(difference) > 1e-3
    assert found.sum() == pytest.approx(float(difference), rel=0.03)


def test_occlusion_is_the_fall_of_the_score(repeating, image):
    options = {"window": 8, "baseline": 0.3}
    found = attribute(own(repeating), image, 1, "occlusion", options)
    covered = image.clone()
    covered[..., :8, :8] = 0.3
    with torch.no_grad():
        fall = (repeating(image) - repeating(covered))[0, 1]
    # The first half-window is under one window only.
    np.testing.assert_allclose(found[:4, :4], float(fall), rtol=1e-3)
    plain = attribute(own(repeating), image, 1, "occlusion", {"window": 8})
    median = attribute(own(repeating), image, 1, "occlusion", {"window": 8, "baseline": float(image.median())})
    np.testing.assert_array_equal(plain, median)
    assert not np.allclose(plain, found, rtol=0.1)


def test_half_precision_and_inference_weights_are_explained(repeating, image):
    expected = attribute(own(repeating), image, 0, "saliency", {})
    with torch.inference_mode():
        frozen = Repeating().eval()
        frozen.load_state_dict(repeating.state_dict())
    np.testing.assert_allclose(attribute(own(frozen), image, 0, "saliency", {}), expected, atol=1e-7)
    half = attribute(own(repeating.bfloat16()), image, 0, "saliency", {})
    assert np.corrcoef(half.ravel(), expected.ravel())[0, 1] > 0.95


# One averages over turns and one does not, for an eighth of the work.
AVERAGED, PLAIN = (
    replace(get_card("halpha-2"), input=replace(get_card("halpha-2").input, average_turns=averaged))
    for averaged in (True, False)
)


@pytest.fixture(scope="module")
def scenes():
    return [halpha_scene("sunspots", seed=seed) for seed in (2, 11)]


@pytest.fixture(scope="module")
def trained():
    return {"weights": load("halpha-2"), "target": "sunspots"}


# Of a product with the image, as integrated gradients are, much stays; see the guide.
LIMITS = {"integrated_gradients": 0.75}


@pytest.mark.parametrize("method", METHODS)
def test_relevance_depends_on_what_was_learned(scenes, trained, method):
    options = {"occlusion": {"window": 64}, "integrated_gradients": {"steps": 4}}.get(method, {})
    n = 1 if options else 3
    found = [randomisation_check(m, method, n=n, card=PLAIN, **trained, **options) for m in scenes]
    assert np.shape(found) == (2, n)
    assert np.abs(np.mean(found)) < LIMITS.get(method, 0.6)


def test_guided_backprop_hardly_sees_that_the_head_is_random(scenes, trained):
    head = ["classes", "present"]
    guided, coarse = (
        np.array([randomisation_check(m, method, layers=head, card=PLAIN, **trained) for m in scenes])
        for method in ("guided_backprop", "gradcam")
    )
    assert guided.min() > 0.6
    assert coarse.mean() < 0.5


def test_the_check_is_of_the_averaged_relevance(scenes, trained):
    turned = new_map(scenes[0], np.rot90(scenes[0].data).copy())
    for card in (AVERAGED, PLAIN):
        first, second = (randomisation_check(m, "saliency", n=1, card=card, **trained) for m in (scenes[0], turned))
        assert (abs(first - second) < 1e-4) == card.input.average_turns


def test_the_check_is_repeatable_and_refuses_nonsense(scenes):
    scene = scenes[0]
    first, second = (randomisation_check(scene, "saliency", n=2, seed=seed) for seed in (5, 6))
    assert first[1] == pytest.approx(second[0], abs=1e-6)
    assert first[0] != first[1]
    with pytest.raises(ValueError, match="n: expected at least 1 random network, got 0"):
        randomisation_check(scene, n=0)
    with pytest.raises(ValueError, match="layers: the network has no module 'head'; choose from"):
        randomisation_check(scene, layers=["head"])
