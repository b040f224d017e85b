"""Training pairs, batches, loss, the linear filter and the scores, on small drawn images."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from sunpy_ml.enhancement.baselines import ITERATIONS, best_iterations, interpolated, lucy, wiener_answer
from sunpy_ml.enhancement.batches import NOISE_RANGE, Batches
from sunpy_ml.enhancement.loss import DeconvolutionLoss
from sunpy_ml.enhancement.networks import DeconvolutionNetwork
from sunpy_ml.enhancement.pairs import Pair, make_pairs
from sunpy_ml.enhancement.scores import EDGE, calibrate, network_answer, score_pairs
from sunpy_ml.enhancement.sources import Source, quiet_contrast
from sunpy_ml.enhancement.wiener import fit_wiener
from sunpy_ml.optics import HMI, IDEAL_28CM, Camera

SIDE = 56


def granules(seed=0, shape=(300, 340), contrast=0.16):
    noise = np.random.default_rng(seed).normal(size=shape)
    image = gaussian_filter(noise, 4, mode="wrap") - gaussian_filter(noise, 8, mode="wrap")
    return (1 + contrast * image / image.std()).astype(np.float32)


@pytest.fixture(scope="module")
def pairs():
    source = Source("drawn granules", "drawn", granules(), 0.1, granulation=True)
    return make_pairs([source], size=SIDE, looks=2, places=3, seed=3)


def test_pairs_are_what_the_telescopes_would_see(pairs):
    assert len(pairs) == 6
    camera = Camera(HMI, (2 * SIDE, 2 * SIDE), scale=IDEAL_28CM.pixel, source=IDEAL_28CM)
    for pair in pairs:
        assert pair.seen.shape == (SIDE, SIDE)
        assert pair.target.shape == (2 * SIDE, 2 * SIDE)
        assert pair.seen.dtype == pair.target.dtype == np.float32
        inner = slice(16, -16), slice(16, -16)
        again = camera(torch.from_numpy(pair.target)).numpy()
        assert np.std((again - pair.seen)[inner]) < 0.02 * pair.seen.std()
        assert pair.target.std() > 1.5 * pair.seen.std()


def test_pairs_differ_and_repeat(pairs):
    source = Source("drawn granules", "drawn", granules(), 0.1, granulation=True)
    again = make_pairs([source], size=SIDE, looks=2, places=3, seed=3)
    for one, other in zip(pairs, again, strict=True):
        np.testing.assert_array_equal(one.seen, other.seen)
    assert np.std(pairs[0].seen - pairs[1].seen) > 0.3 * pairs[0].seen.std()


def test_the_contrast_of_granulation_is_set_and_stays_positive():
    source = Source("drawn granules", "drawn", granules(contrast=0.08), 0.1, granulation=True)
    before = source.seen_contrast()
    scaled = Source("scaled", "drawn", source.with_contrast(0.8 * before), 0.1, granulation=True)
    assert scaled.seen_contrast() == pytest.approx(0.8 * before, rel=0.05)
    dark = Source("dark", "drawn", granules(contrast=0.6), 0.1, granulation=True)
    assert dark.image.min() < 0 < dark.with_contrast(0.05).min()
    plain = Source("a template", "templates", granules(), 0.1)
    assert plain.with_contrast(0.039) is plain.image


def test_quiet_contrast_leaves_spots_out():
    image = granules(contrast=0.04)
    spotted = image.copy()
    spotted[100:160, 100:160] = 0.3
    assert quiet_contrast(spotted) == pytest.approx(quiet_contrast(image), rel=0.02)


@pytest.mark.parametrize("odd", [False, True])
def test_batches_turn_both_images_alike(pairs, odd):
    batches = Batches(pairs, np.full(len(pairs), 1 / len(pairs)), 1e-3, odd, steps=6, size=4, crop=40, seed=0)
    drawn = list(batches)
    assert len(batches) == len(drawn) == 6
    camera = Camera(HMI, (80, 80), scale=IDEAL_28CM.pixel, source=IDEAL_28CM)
    signs = []
    for batch in drawn:
        assert batch["image"].shape == batch["clean"].shape == (4, 1, 40, 40)
        assert batch["target"].shape == (4, 1, 80, 80)
        signs += torch.sign(batch["target"].mean(dim=(1, 2, 3))).tolist()
        again = camera(batch["target"])
        inner = slice(14, -14)
        assert float((again - batch["clean"])[..., inner, inner].std()) < 0.05 * float(batch["clean"].abs().std())
        noise = (batch["image"] - batch["clean"]).std(dim=(1, 2, 3)) / 1e-3
        assert (noise > 0.9 * NOISE_RANGE[0]).all()
        assert (noise < 1.1 * NOISE_RANGE[1]).all()
    assert set(signs) == ({1.0, -1.0} if odd else {1.0})


def test_the_loss_is_least_for_the_truth():
    torch.manual_seed(0)
    loss, target = DeconvolutionLoss(40, scale=0.02), torch.randn(2, 1, 80, 80) * 0.1
    batch = {"target": target}
    spread = torch.full_like(target, 0.02)
    perfect = loss(torch.cat([target, spread], dim=1), batch)
    sharp = loss(torch.cat([target + 0.02 * torch.randn_like(target), spread], dim=1), batch)
    # An error on large scales is one that the telescope sees, and costs more.
    broad = loss(torch.cat([target + 0.02, spread], dim=1), batch)
    assert perfect < sharp < broad
    # The edges are not asked for.
    marred = target.clone()
    marred[..., :8, :] += 1
    assert loss(torch.cat([marred, spread], dim=1), batch) == pytest.approx(float(perfect), abs=1e-4)


def test_the_right_deviation_is_the_most_likely_one():
    torch.manual_seed(0)
    loss, target = DeconvolutionLoss(40, scale=0.02), torch.zeros(4, 1, 80, 80)
    answer = target + 0.03 * torch.randn_like(target)
    costs = {
        deviation: float(loss(torch.cat([answer, torch.full_like(target, deviation)], dim=1), {"target": target}))
        for deviation in (0.015, 0.02, 0.03, 0.045, 0.06)
    }
    assert min(costs, key=costs.get) == 0.03


def test_the_linear_filter_beats_interpolation(pairs):
    wiener = fit_wiener(pairs, noise=1e-3, level=1.0)
    rng = np.random.default_rng(9)
    (pair,) = make_pairs([Source("other", "drawn", granules(7), 0.1, granulation=True)], size=SIDE, seed=8)
    image = (pair.seen + rng.normal(0, 1e-3, pair.seen.shape)).astype(np.float32)
    inner = slice(24, -24), slice(24, -24)
    errors = {
        name: np.std((answer - pair.target)[inner])
        for name, answer in {
            "wiener": wiener_answer(wiener, image, 1.0),
            "bicubic": interpolated(image, "bicubic"),
            "lanczos": interpolated(image, "lanczos"),
            "lucy": lucy(image, 20),
        }.items()
    }
    assert errors["wiener"] < 0.6 * errors["bicubic"]
    assert errors["lucy"] < errors["bicubic"]
    assert errors["lanczos"] < 1.05 * errors["bicubic"]


def test_without_blur_and_noise_the_filter_knows_the_places_of_the_phases():
    # A smooth pattern sampled at points: a filter that is off by half a fine pixel would move it by that.
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.normal(size=(4, 4 * SIDE, 4 * SIDE)), (0, 10, 10))
    smooth = 1 + 0.1 * smooth / smooth.std()
    pairs = [
        # Means of 2 and of 4 places have their middle at that of the pixel.
        Pair(_means(image, 4), _means(image, 2), "smooth")
        for image in smooth
    ]
    wiener = fit_wiener(pairs[:3], noise=1e-5, level=1.0)
    answer, target = wiener_answer(wiener, pairs[3].seen, 1.0), pairs[3].target
    inner = slice(24, -24), slice(24, -24)
    moved = np.std((np.roll(target, 1, axis=0) - target)[inner])
    assert np.std((answer - target)[inner]) < 0.1 * moved


def _means(image, size):
    rows, columns = (length // size for length in image.shape)
    return image.reshape(rows, size, columns, size).mean(axis=(1, 3)).astype(np.float32)


def test_the_best_number_of_iterations_is_one_that_was_tried(pairs):
    assert best_iterations(pairs[:2], 1e-3) in ITERATIONS


def test_scores_say_what_they_should(pairs):
    def perfect(image):
        target = next(pair.target for pair in pairs if np.allclose(pair.seen, image, atol=1e-2))
        return np.stack([target + 0.01, np.full_like(target, 0.02)])

    methods = {"network": perfect, "bicubic": lambda image: interpolated(image, "bicubic")}
    scores = {score["name"]: score for score in score_pairs(pairs, methods, "drawn", noise=1e-4)}
    assert scores["contrast over that of the target"]["value"] == pytest.approx(1, abs=1e-3)
    assert scores["error over its standard deviation (rms)"]["value"] == pytest.approx(0.5, abs=1e-3)
    assert scores["errors within one standard deviation"]["value"] == 1
    assert scores["coherence with the target at 0.8 per arcsec"]["value"] == pytest.approx(1, abs=1e-4)
    assert scores["gain of network over bicubic (dB)"]["value"] > 5
    assert scores["PSNR of network (dB)"]["value"] > scores["PSNR of bicubic (dB)"]["value"]
    assert scores["SSIM of network"]["value"] > scores["SSIM of bicubic"]["value"]
    for score in scores.values():
        assert score["n"] == len(pairs)
        assert score["interval"][0] - 1e-4 <= score["value"] <= score["interval"][1] + 1e-4


def test_deviations_are_scaled_to_the_errors(pairs):
    network = DeconvolutionNetwork(DeconvolutionNetwork.Config(level=1.0)).eval()
    calibrate(network, pairs, np.full(len(pairs), 1 / len(pairs)), noise=1e-3, seed=0, number=12)
    answer, ratios = network_answer(network), []
    for pair in pairs:
        found, deviation = answer(pair.seen)[:, 2 * EDGE : -2 * EDGE, 2 * EDGE : -2 * EDGE]
        ratios.append(np.mean(((found - pair.target[2 * EDGE : -2 * EDGE, 2 * EDGE : -2 * EDGE]) / deviation) ** 2))
    assert np.sqrt(np.mean(ratios)) == pytest.approx(1, abs=0.2)
    assert float(network.spread_factor) != 1
