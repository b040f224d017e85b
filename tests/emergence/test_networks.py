"""The networks: the published architecture, and that holding a video is exact and cheap."""

import numpy as np
import pytest
import torch
from torch import nn

from sunpy_ml.emergence.networks import NETWORKS, EmergenceEnsemble, EmergenceNetwork, binned, flux_blocks, held_bins
from sunpy_ml.inference.optimise import ready
from sunpy_ml.weights import build_network

# At a bin's beginning, within it and at its end; at those of the pieces that are computed at a time; first and last.
FRAMES = (0, 3, 4, 5, 24, 25, 29)


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(0)
    network = EmergenceNetwork(EmergenceNetwork.Config(frames=30)).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Otherwise what is left of the input at the end is too little to tell a difference by.
            module.running_mean.normal_(0, 0.1)
            module.running_var.fill_(0.05)
    return network


@pytest.fixture(scope="module")
def ensemble():
    torch.manual_seed(1)
    network = EmergenceEnsemble(EmergenceEnsemble.Config(members=2, frames=30)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)
    network.temperature.fill_(1.5)
    return network


CPU = torch.device("cpu"), torch.float32


def noise(seed=0):
    return 0.3 + 0.4 * torch.rand(1, 30, 90, 90, generator=torch.Generator().manual_seed(seed))


def test_published_parameters_in_the_order_of_keras():
    with torch.device("meta"):
        network = build_network("emergence-vgg", {})
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_288_737
    moving = [buffer.numel() for name, buffer in network.named_buffers() if "running" in name]
    assert sum(moving) == 1_920
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    counts = [64_832, 9_248, 18_496, 36_928, 73_856, 147_584, 295_168, 590_080, 524_800, 262_656, 262_656, 513]
    assert [kernel.numel() + len(kernel) for kernel in kernels] == counts


def test_published_shapes_and_swish_before_normalisation(published):
    sides, kinds = [], []

    def note(module, _, answer):
        sides.append(answer.shape[-1])
        kinds.append(type(module))

    handles = [module.register_forward_hook(note) for module in (published.first, *published.features)]
    published(noise())
    for handle in handles:
        handle.remove()
    pooled = [side for side, kind in zip(sides, kinds, strict=True) if kind is nn.MaxPool2d]
    assert pooled == [45, 20, 8, 2]
    convolved = [side for side, kind in zip(sides, kinds, strict=True) if kind is nn.Conv2d]
    assert convolved == [90, 90, 43, 41, 18, 16, 6, 4, 1]
    unit = [nn.Conv2d, nn.SiLU, nn.BatchNorm2d]
    assert kinds == 4 * [*unit, *unit, nn.MaxPool2d] + [nn.Conv2d, nn.SiLU, nn.Flatten]
    assert all(module.eps == 1e-3 for module in published.modules() if isinstance(module, nn.BatchNorm2d))


@pytest.mark.parametrize("name", ["published", "ensemble"])
def test_held_is_the_answer_to_held_videos(name, request):
    network, video = request.getfixturevalue(name), noise()
    with torch.inference_mode():
        held = network.held(video)
        for frame in FRAMES:
            still = video.clone()
            still[:, frame + 1 :] = still[:, frame : frame + 1]
            assert torch.allclose(held[:, frame], network(still), atol=1e-4, rtol=0)
    assert held.shape == (1, 30, 1 if name == "published" else 2)
    # It is no constant, of which this would hold whatever was computed.
    assert held.std(dim=1).min() > 0.02


@pytest.mark.parametrize("name", ["published", "ensemble"])
def test_held_of_the_network_that_runs(name, request):
    network, videos = request.getfixturevalue(name), torch.cat([noise(1), noise(2)])
    runnable = ready(network, torch.device("cpu"), torch.float32)
    with torch.inference_mode():
        both = runnable.held(videos)
        assert torch.allclose(both[1:], network.held(videos[1:]), atol=1e-4, rtol=0)
        assert torch.allclose(both[:, -1], network(videos), atol=1e-4, rtol=0)


def test_blocks_hold_the_flux_of_either_polarity():
    video = torch.full((1, 2, 90, 90), 0.5)
    video[0, 1, 30:36, 60:66] = 0.7
    video[0, 1, 50:60, 10:20] = 0.3
    blocks = flux_blocks(video, 6)
    assert blocks.shape == (1, 2, 2, 15, 15)
    assert blocks[0, 0].max() == 0
    kilogauss = blocks[0, 1].sum(dim=(1, 2)) * 36
    assert kilogauss.tolist() == pytest.approx([0.4 * 36, 0.4 * 100], rel=1e-5)
    place = blocks[0, 1, 0].argmax()
    assert (int(place) // 15, int(place) % 15) == (5, 10)


def test_blocks_of_reversed_polarity_and_mirrored_latitudes():
    video = noise()[:, :3]
    blocks = flux_blocks(video, 6)
    assert torch.allclose(flux_blocks(1 - video, 6), blocks.flip(2), atol=1e-6)
    assert torch.allclose(flux_blocks(video.flip(-2), 6), blocks.flip(-2), atol=1e-6)


def test_bins_of_a_video_that_stands_still():
    blocks = torch.rand(20, 2, 3, 3)
    begun, still = held_bins(blocks, 5).unbind(1)
    for frame in range(20):
        held = blocks.clone()
        held[frame + 1 :] = held[frame]
        bins = binned(held[None], 5)[0]
        assert torch.allclose(bins[frame // 5], begun[frame], atol=1e-6)
        assert torch.allclose(bins[frame // 5 + 1 :], still[frame].expand_as(bins[frame // 5 + 1 :]), atol=1e-6)


def test_an_ensemble_fits_into_its_file():
    with torch.device("meta"):
        network = build_network("emergence-ensemble", {})
    state = network.state_dict().values()
    assert len(network.members) == 10
    assert sum(value.numel() for value in state) * 4 < 4e6


def test_temperature_divides_the_logits(ensemble):
    videos = noise()
    with torch.inference_mode():
        before = ensemble(videos)
        ensemble.temperature.mul_(2)
        after = ensemble(videos)
        ensemble.temperature.div_(2)
    assert torch.allclose(after, before / 2)


def test_a_region_has_the_same_flux_in_pixels_of_any_size(ensemble):
    video = noise()
    # A quarter of the field in pixels four times as large.
    weaker, sized = 0.5 + (video - 0.5) / 4, ensemble.of_pixels(2 * ensemble.config.pixel)
    with torch.inference_mode():
        for one, other in ((ensemble, sized), (ready(ensemble, *CPU), ready(sized, *CPU))):
            torch.testing.assert_close(other(weaker), one(video), atol=1e-4, rtol=0)
            torch.testing.assert_close(other.held(weaker), one.held(video), atol=1e-4, rtol=0)
            assert (one(weaker) - one(video)).abs().min() > 1e-3


def test_members_differ(ensemble):
    with torch.inference_mode():
        logits = ensemble(noise())
    assert np.ptp(logits.numpy()) > 0.01


def test_bins_must_fit():
    with pytest.raises(ValueError, match="bin: 225 frames are no whole number of bins of 7"):
        EmergenceEnsemble(EmergenceEnsemble.Config(bin=7))


def test_names():
    assert {"emergence-ensemble": EmergenceEnsemble, "emergence-vgg": EmergenceNetwork} == NETWORKS
