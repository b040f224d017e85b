import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sunpy_ml.classification.networks import CompactClassifier, SlicNetwork
from sunpy_ml.exceptions import WeightsError
from sunpy_ml.training import NetworkTraining, fit, parameter_groups, stages, transfer, transfer_report
from sunpy_ml.weights import build_network, get_card, load, save_weights


@pytest.fixture(scope="module")
def trained():
    return load("halpha-2")


def _names(network):
    return [" + ".join(stage) for stage in stages(network)]


def _equal(one, other):
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_stages_of_both_classifiers():
    with torch.device("meta"):
        slic = SlicNetwork()
    layers = [f"layer{number}" for number in range(1, 9)]
    assert _names(slic) == [*layers, "classifier.0", "classifier.3", "classifier.6"]
    assert _names(CompactClassifier()) == ["stem", *(f"features.{n}" for n in range(8)), "classes + present"]
    with pytest.raises(ValueError, match="ReLU has no child modules with parameters"):
        stages(nn.ReLU())


def test_the_features_are_taken_over_and_the_head_is_new(trained):
    network = transfer("halpha-2", 5)
    assert network.training
    assert _equal(network.stem, trained.stem)
    assert _equal(network.features, trained.features)
    assert not torch.equal(network.classes.weight, trained.classes.weight)
    assert not torch.equal(network.present.weight, trained.present.weight)
    assert all(value.requires_grad for value in network.parameters())


def test_what_is_trained_leaves_the_source_as_it_is(trained):
    before = copy.deepcopy(trained.state_dict())
    network = transfer("halpha-2", 3)
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    network(torch.rand(2, 1, 64, 64)).sum().backward()
    optimiser.step()
    assert not torch.equal(network.stem[0].weight, trained.stem[0].weight)
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    assert not any(value.requires_grad for value in trained.parameters())


@pytest.mark.parametrize("depth", [3, "features.1"])
def test_depth_says_how_much_is_taken_over(trained, depth):
    network = transfer("halpha-2", 5, depth=depth)
    assert _equal(network.stem, trained.stem)
    assert _equal(network.features[1], trained.features[1])
    assert not torch.equal(network.features[2].convolutions[0].weight, trained.features[2].convolutions[0].weight)


def test_what_is_frozen_stays_as_it_is_in_training_mode(trained):
    torch.manual_seed(0)
    network = transfer("halpha-2", 2, freeze="features.3").train()
    for _ in range(2):
        network(torch.rand(4, 1, 64, 64)).sum().backward()
    # A copy, such as the running mean of the weights holds, is frozen as well.
    copy.deepcopy(network).train()(torch.rand(4, 1, 64, 64))
    assert _equal(network.stem, trained.stem)
    assert _equal(network.features[:4], trained.features[:4])
    assert not any(value.requires_grad for value in network.features[:4].parameters())
    assert all(value.grad is not None for value in network.features[4:].parameters())
    moved = network.features[4].convolutions[1]
    assert not torch.equal(moved.running_mean, trained.features[4].convolutions[1].running_mean)


def test_a_frozen_network_trains_by_lightning(trained, tmp_path):
    network = transfer("halpha-2", 2, freeze="features.6")
    batch = {"image": torch.rand(4, 1, 32, 32), "label": torch.tensor([0, 1, 0, 1])}
    module = NetworkTraining(network, lambda out, batch: functional.cross_entropy(out[:, :2], batch["label"]), steps=2)
    done = fit(module, torch.utils.data.DataLoader([batch] * 2, batch_size=None), epochs=1, out=tmp_path)
    assert _equal(done.features[:7], trained.features[:7])
    assert not torch.equal(done.features[7].convolutions[0].weight, trained.features[7].convolutions[0].weight)


def test_lightning_takes_the_falling_rates(trained, tmp_path):
    network = transfer("halpha-2", 2)
    batch = {"image": torch.rand(4, 1, 32, 32), "label": torch.tensor([0, 1, 0, 1])}
    module = NetworkTraining(
        network,
        lambda out, batch: functional.cross_entropy(out[:, :2], batch["label"]),
        optimiser=lambda network: torch.optim.SGD(parameter_groups(network, 0.1, factor=1e-6)),
    )
    before = network.classes.weight.detach().clone()
    done = fit(module, torch.utils.data.DataLoader([batch], batch_size=None), epochs=1, out=tmp_path)
    assert (done.classes.weight - before).abs().max() > 1e-4
    moved = (done.features[7].convolutions[0].weight - trained.features[7].convolutions[0].weight).abs().max()
    assert 0 < moved < 1e-4


def test_slic_passes_on_its_shared_layer():
    with torch.device("meta"):
        source = SlicNetwork()
        network = transfer(source, 3, card=get_card("slic-1.1.1"), freeze="layer8")
        assert network(torch.zeros(1, 1, 256, 256)).shape == (1, 3)
    groups = parameter_groups(network, 1.0, factor=0.1)
    assert [group["name"] for group in groups] == ["classifier.0", "classifier.3", "classifier.6"]
    assert [group["lr"] for group in groups] == pytest.approx([0.01, 0.1, 1.0])


@pytest.mark.parametrize("rule", ["mean", "sum"])
def test_more_channels_answer_as_the_rule_says(trained, rule):
    network = transfer("halpha-2", 5, channels=3, channel_rule=rule).eval()
    image = torch.rand(1, 1, 64, 64)
    three = image.repeat(1, 3, 1, 1) if rule == "mean" else torch.cat([0 * image, image, 0 * image], dim=1)
    torch.testing.assert_close(network.stem(three), trained.stem(image), rtol=1e-4, atol=1e-5)
    other = image.repeat(1, 3, 1, 1) if rule == "sum" else torch.cat([0 * image, image, 0 * image], dim=1)
    assert not torch.allclose(network.stem(other), trained.stem(image), rtol=1e-2)


def test_channels_can_become_fewer_and_can_be_frozen():
    class Two(CompactClassifier):
        def __init__(self):
            super().__init__()
            self.stem[0] = nn.Conv2d(2, 16, 5, stride=2, padding=2, bias=False)

    two = Two().eval()
    from sunpy_ml.training.transferring import _spread

    kernels = two.stem[0].weight.detach()
    torch.testing.assert_close(_spread(kernels, 1, "mean"), kernels.sum(dim=1, keepdim=True))
    network = transfer("halpha-2", 2, channels=2, freeze=1)
    assert network.stem[0].in_channels == 2
    assert not network.stem[0].weight.requires_grad


def test_a_head_of_ones_own_reads_the_features(trained):
    head = nn.Sequential(nn.Linear(288, 8), nn.ReLU(), nn.Linear(8, 3))
    network = transfer("halpha-2", head=head).eval()
    image = torch.rand(2, 1, 64, 64)
    read = []
    trained.classes.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    trained(image)
    torch.testing.assert_close(network(image), head(read[0]))
    assert _names(network)[-2:] == ["classes.0", "classes.2"]


def test_a_transferred_network_can_be_saved_and_used_by_name(tmp_path):
    from dataclasses import replace

    from sunpy_ml import classify_map
    from sunpy_ml.simulation import halpha_scene

    card = get_card("halpha-2")
    output = replace(card.output, classes=("calm", "stormy"), features=("spots",), unfamiliar_above=None)
    arguments = {"n_classes": 2, "n_features": 1}
    card = replace(card, name="mine-1", version="1", default=False, output=output, network_arguments=arguments)
    network = transfer("halpha-2", 2, arguments={"n_features": 1, "unfamiliarity": False})
    saved = save_weights(network, tmp_path / "mine-1.safetensors", card)
    result = classify_map(halpha_scene("quiet"), weights=tmp_path / "mine-1.safetensors")
    assert set(result.probabilities) == {"calm", "stormy"}
    again = transfer(tmp_path / "mine-1.safetensors", 4)
    assert _equal(again.features, network.features)
    assert _equal(transfer(saved, 4).features, network.features)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "n_classes, head: got None and None"),
        ({"n_classes": 2, "head": nn.Identity()}, ValueError, "give exactly one"),
        ({"n_classes": 2, "depth": 10}, ValueError, "depth: got 10; give a number from 0 to 9"),
        ({"n_classes": 2, "freeze": "stalk"}, ValueError, r"freeze: got 'stalk'.*'features.7'"),
        ({"n_classes": 2, "depth": 1, "freeze": 2}, ValueError, "raise depth"),
        ({"n_classes": 2, "channels": 0}, ValueError, "channels: got 0"),
        ({"n_classes": 2, "channels": 3, "channel_rule": "max"}, ValueError, "channel_rule: got 'max'"),
        ({"n_classes": 2, "arguments": {"channels": [8, 8]}}, ValueError, "shape of the stage 'stem'"),
        ({"n_classes": 2, "arguments": {"colour": 1}}, WeightsError, "unknown field"),
        ({"n_classes": 2, "card": get_card("halpha-2")}, WeightsError, "named weights have their own"),
    ],
)
def test_what_cannot_be_transferred_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        transfer("halpha-2", **options)


def test_sources_that_are_refused(trained):
    with pytest.raises(WeightsError, match="none named 'nothing-1'"):
        transfer("nothing-1", 2)
    with pytest.raises(WeightsError, match="needs its card"):
        transfer(trained, 2)


def test_rates_fall_from_the_head_to_the_input():
    network = transfer("halpha-2", 2)
    groups = parameter_groups(network, 1e-2, factor=0.5)
    assert [group["name"] for group in groups] == _names(network)
    assert [group["lr"] for group in groups] == pytest.approx([1e-2 * 0.5 ** (9 - n) for n in range(10)])
    grouped = [id(value) for group in groups for value in group["params"]]
    assert sorted(grouped) == sorted(id(value) for value in network.parameters())
    assert {group["lr"] for group in parameter_groups(network, 1e-2, factor=1)} == {1e-2}


def test_parameters_outside_the_stages_are_trained_too():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(1))
            self.first, self.head = nn.Conv2d(1, 2, 3), nn.Linear(2, 2)

    groups = parameter_groups(Scaled(), 1.0, factor=0.5)
    assert [(group["name"], group["lr"]) for group in groups] == [("loose", 0.5), ("first", 0.5), ("head", 1.0)]


def test_rates_that_cannot_be_are_refused():
    network = transfer("halpha-2", 2)
    for factor in (0, 1.5):
        with pytest.raises(ValueError, match="factor: got"):
            parameter_groups(network, 1e-3, factor=factor)
    with pytest.raises(ValueError, match="freeze fewer stages"):
        parameter_groups(network.requires_grad_(requires_grad=False), 1e-3)


def _stripes(n, seed):
    """Noisy waves along x or along y, with a random phase."""
    random = torch.Generator().manual_seed(seed)
    classes = torch.arange(n) % 2
    phase = torch.rand(n, 1, 1, generator=random) * 6
    wave = torch.sin(torch.arange(32.0)[None, :, None] * 0.8 + phase).expand(n, 32, 32)
    images = torch.where(classes[:, None, None] == 0, wave, wave.transpose(1, 2))
    return (images + 0.5 * torch.randn(n, 32, 32, generator=random))[:, None], classes


@pytest.fixture(scope="module")
def striped():
    """A small network that tells the direction of stripes, and its card."""
    from dataclasses import replace

    torch.manual_seed(0)
    arguments = {"n_classes": 2, "n_features": 1, "channels": (8, 8), "dropout": 0.0}
    card = replace(get_card("halpha-2"), name="stripes-1", version="1", network_arguments=arguments)
    network = build_network(card.network, arguments).train()
    images, classes = _stripes(128, 0)
    optimiser = torch.optim.AdamW(network.parameters(), 5e-3)
    for _ in range(30):
        optimiser.zero_grad()
        functional.cross_entropy(network(images)[:, :2], classes).backward()
        optimiser.step()
    return card, network.eval()


def test_the_report_finds_transfer_that_helps(striped):
    card, network = striped
    report = transfer_report(
        network, _stripes(8, 1), _stripes(100, 2), card=card, seeds=range(4), steps=8, batch=8, learning_rate=5e-3
    )
    assert report.better == "transferred"
    assert report.source == "stripes-1"
    assert (report.n_train, report.n_test, report.n_groups) == (8, 100, 100)
    assert report.interval[0] < report.difference < report.interval[1]
    assert report.test_interval[0] < report.difference < report.test_interval[1]
    table = report.table()
    assert list(table["seed"]) == [0, 1, 2, 3]
    assert table["difference"].mean() == pytest.approx(report.difference)
    assert table["difference"].std(ddof=1) == pytest.approx(report.spread)
    assert f"{report.difference:+.3f}" in str(report)
    assert "100 test cases" in str(report)


def test_the_report_finds_transfer_that_harms(striped):
    card, network = striped
    dead = copy.deepcopy(network)
    for value in dead.features[-1].parameters():
        # Features that see nothing, and cannot learn to while they are held.
        nn.init.constant_(value, -1.0)
    report = transfer_report(
        dead,
        _stripes(64, 1),
        _stripes(100, 2),
        card=card,
        seeds=(0, 1, 2),
        steps=30,
        learning_rate=1e-2,
        freeze="features.3",
    )
    assert report.better == "fresh"
    assert report.difference < -0.2


def test_the_same_start_makes_no_difference(striped):
    card, network = striped
    report = transfer_report(network, _stripes(8, 1), _stripes(20, 2), card=card, seeds=(0, 1), steps=2, depth=0)
    np.testing.assert_array_equal(report.transferred, report.fresh)
    assert report.better == "undecided"
    assert report.interval == (0, 0)


def test_the_report_repeats_and_leaves_the_random_state_alone(striped):
    card, network = striped
    options = {"card": card, "seeds": (0, 1), "steps": 3, "batch": 4}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    one = transfer_report(network, _stripes(8, 1), _stripes(20, 2), **options)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    two = transfer_report(network, _stripes(8, 1), _stripes(20, 2), **options)
    np.testing.assert_array_equal(one.transferred, two.transferred)
    np.testing.assert_array_equal(one.fresh, two.fresh)


def test_cases_of_one_group_count_as_one(striped):
    card, network = striped
    options = {"card": card, "seeds": (0, 1), "steps": 4, "batch": 8, "learning_rate": 5e-3}
    images, classes = _stripes(20, 2)
    single = transfer_report(network, _stripes(8, 1), (images, classes), **options)
    many = images.repeat(9, 1, 1, 1), classes.repeat(9)
    grouped = transfer_report(network, _stripes(8, 1), many, groups=list(range(20)) * 9, **options)
    assert grouped.n_groups == 20
    assert grouped.test_interval == pytest.approx(single.test_interval)
    loose = transfer_report(network, _stripes(8, 1), many, **options)
    assert np.ptp(loose.test_interval) < 0.6 * np.ptp(grouped.test_interval)


def test_data_that_do_not_fit_are_refused():
    data = _stripes(4, 0)
    with pytest.raises(ValueError, match="train: expected images"):
        transfer_report("halpha-2", (data[0][:2], data[1]), data)
    with pytest.raises(ValueError, match="test: expected images"):
        transfer_report("halpha-2", data, (data[0][:, 0], data[1]))
    with pytest.raises(ValueError, match="groups: got 3 for 4 test cases"):
        transfer_report("halpha-2", data, data, groups=[1, 2, 3])
    with pytest.raises(ValueError, match="two at least"):
        transfer_report("halpha-2", data, data, seeds=(0,))
    with pytest.raises(ValueError, match="two at least"):
        transfer_report("halpha-2", data, data, groups=[7] * 4)
