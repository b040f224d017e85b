"""How the embedded weights are made: the material, the batches, what is simpler, and the whole recipe in small."""

import json
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sunpy_ml.emergence import material, patch_files, recipe, scores
from sunpy_ml.emergence.baselines import SCALARS, fit_regression, scalars, steepest_day
from sunpy_ml.emergence.batches import Batches, WholePairs, averages, pair_loss
from sunpy_ml.emergence.material import PARTS, make_chunk, thinned
from sunpy_ml.emergence.networks import EmergenceEnsemble, binned
from sunpy_ml.emergence.patch_files import Patches, read_chunks
from sunpy_ml.emergence.video import CADENCE, FRAMES, UNSEEN
from sunpy_ml.simulation.emergence import emergence_patch
from sunpy_ml.training import list_recipes
from sunpy_ml.weights import get_card, read_card

# Of a pair: whether its first patch stands still from this frame on, and the size of a pixel over the usual one.
LAST = [3, 31, 100, 224]
SIZES = np.array([0.6, 1.0, 1.5, 1.8])
USUAL = 2.7 / 16.74
DAY = 86400 / CADENCE


@dataclass(frozen=True)
class TwoMembers(EmergenceEnsemble.Config):
    members: int = 2


class SmallEnsemble(EmergenceEnsemble):
    Config = TwoMembers


@pytest.fixture
def small(monkeypatch):
    """Patches of 30 x 30 pixels, four seeds to a file, and one file of each part."""
    monkeypatch.setattr(material, "emergence_patch", partial(emergence_patch, shape=(30, 30)))
    monkeypatch.setattr(material, "CHUNK", 4)
    monkeypatch.setattr(scores, "_TIMED", 2)
    monkeypatch.setattr(scores, "_RESAMPLINGS", 50)
    monkeypatch.setattr(recipe, "EmergenceEnsemble", SmallEnsemble)
    monkeypatch.setattr(recipe, "PAIRS", 1)

    def simulate(folder, *, seed=0):
        folder.mkdir(exist_ok=True)
        files = {part: [make_chunk(part, 0, folder, seed=seed)] for part in PARTS}
        month = int(read_chunks(files["training"]).facts["month"][0])
        monkeypatch.setattr(recipe, "BLOCKS", ((month,),))
        return files

    monkeypatch.setattr(recipe, "simulate", simulate)


def drawn(side=10, sizes=(1.0,) * 4):
    """Blocks and facts as of a file, of chance."""
    pairs = len(sizes)
    rng = np.random.default_rng(3)
    blocks = torch.from_numpy(rng.integers(0, 255, (2 * pairs, FRAMES, 2, side, side), dtype=np.uint8))
    kinds = np.array(["emerging", "emerged"] * pairs)
    tenth = np.where(kinds == "emerging", rng.uniform(3, 12, 2 * pairs), -5)
    scale = USUAL * np.repeat(sizes, 2)
    return Patches(blocks, {"seed": np.arange(2 * pairs) // 2, "kind": kinds, "tenth": tenth, "scale": scale})


class NoChance:
    """Leaves pairs as they are, and lets them stand still from the frames of `LAST` on."""

    def __init__(self, start_held):
        self.start_held = start_held

    def integers(self, end, size=None):
        return 0 if size is None else np.array(LAST)

    def random(self, size=None):
        return 1.0 - self.start_held if size is None else np.ones(size)

    def uniform(self, low, high, size=None):
        return np.zeros(size if size is not None else np.shape(low))


@pytest.mark.parametrize("start_held", [False, True])
def test_batches_are_videos_that_stand_still(start_held):
    patches = drawn(sizes=SIZES)
    batches = Batches(patches, patches.pairs(), bin=5, block=6, size=4, seed=0)
    batches._rng = NoChance(start_held)
    batch = batches._batch(patches.pairs())
    blocks = (patches.blocks.float() / 255).square()
    blocks = torch.nn.functional.avg_pool2d(blocks.flatten(0, 1), 2).unflatten(0, blocks.shape[:2])
    blocks = blocks * torch.from_numpy(np.repeat(SIZES, 2) ** 2).float().view(-1, 1, 1, 1, 1)
    if start_held:
        blocks[:, :UNSEEN] = blocks[:, UNSEEN : UNSEEN + 1].clone()
    still = blocks.clone()
    for pair, last in enumerate(LAST):
        last = max(last, UNSEEN) if start_held else last
        still[2 * pair : 2 * pair + 2, last:] = still[2 * pair : 2 * pair + 2, last : last + 1]
    expected = torch.cat([blocks[::2], still[::2], blocks[1::2], still[1::2]])
    torch.testing.assert_close(batch["image"], binned(expected, 5), atol=1e-3, rtol=0)
    tenth = patches.facts["tenth"][::2]
    later = np.clip(np.array(LAST) / DAY - tenth, 0, 1)
    np.testing.assert_allclose(batch["truth"], np.concatenate([np.ones(4), later, np.zeros(8)]), atol=1e-5)


def test_batches_repeat_and_differ_from_pass_to_pass():
    patches = drawn()
    first, again = (Batches(patches, patches.pairs(), 5, 6, 2, seed=1) for _ in range(2))
    one = [batch["image"] for batch in first]
    assert len(one) == len(first) == 2
    assert all(torch.equal(*images) for images in zip(one, (batch["image"] for batch in again), strict=True))
    assert not torch.equal(one[0], next(iter(first))["image"])
    # Means over what is reflected at the edges stay between the extremes, over the square of what enlarges them.
    assert all(0.2 / 1.4**2 < float(image.mean()) < 0.45 * 1.6**2 for image in one)


def test_a_region_has_the_same_flux_however_large_its_pixels_are():
    patches = drawn(side=30, sizes=SIZES)
    patches.blocks.zero_()
    patches.blocks[..., 14:16, 14:16] = 255
    batches = Batches(patches, patches.pairs(), 5, 6, 1, seed=0)
    batches._rng = np.random.default_rng(5)
    fluxes = torch.stack([batch["image"][0].sum() for _ in range(5) for batch in batches]).view(5, 4)
    # In blocks of 6 pixels, of 3 in the files; the order of the pairs is of chance.
    expected = torch.from_numpy(45 * 2 * SIZES**2).float().sort().values
    torch.testing.assert_close(fluxes.sort(dim=1).values, expected.expand(5, 4), rtol=0.01, atol=0)


def test_whole_pairs_keep_their_order():
    patches = drawn(sizes=SIZES)
    whole = list(WholePairs(patches, patches.pairs(), bin=5, block=6, size=3))
    assert [len(batch["truth"]) for batch in whole] == [6, 2]
    assert whole[0]["truth"].tolist() == [1, 1, 1, 0, 0, 0]
    blocks = SIZES[3] ** 2 * (patches.blocks[7].float() / 255).square()
    expected = binned(torch.nn.functional.avg_pool2d(blocks, 2)[None], 5)[0]
    torch.testing.assert_close(whole[1]["image"][1], expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("zoom", [0.8, 1.0, 1.25])
@pytest.mark.parametrize("move", [-0.05, 0.0, 0.1])
def test_averages_enlarge_and_move(zoom, move):
    place = (np.arange(30) + 0.5) / 30 - 0.5
    weights = averages(30, 15, zoom, move, mirrored=False).double().numpy()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    seen = (np.arange(15) + 0.5) / 15 - 0.5
    inner = np.abs(seen) < 0.25
    np.testing.assert_allclose((weights @ place)[inner], (seen[inner] - move) / zoom, atol=0.01)
    mirrored = averages(30, 15, zoom, move, mirrored=True).double().numpy()
    np.testing.assert_array_equal(mirrored, weights[::-1])


def test_the_loss_is_smaller_for_the_right_order():
    batch = {"truth": torch.tensor([1.0, 0.5, 0.0, 0.0])}
    right, wrong = (pair_loss(torch.tensor(logits), batch) for logits in ([2.0, 0.0, -2.0, 0.0], [-2.0, 0.0, 2.0, 0.0]))
    assert right < 0.6 < 1.5 < wrong


def test_files_are_read_as_the_ensemble_is_shown_them(small, tmp_path):
    path = make_chunk("validation", 0, tmp_path, seed=0)
    read, found = (read_chunks([path], block) for block in (6, None))
    network = SmallEnsemble().eval()
    for number in (0, len(found.blocks) - 1):
        part = Patches(found.blocks[number][None], {"scale": found.facts["scale"][number : number + 1]})
        flux = torch.nn.functional.avg_pool2d(patch_files.flux_of(part.blocks)[0], 2)
        pixel = 16.74 * part.facts["scale"][0]
        with torch.inference_mode():
            sized = network.of_pixels(pixel)
            torch.testing.assert_close(read.blocks[number].float(), sized._area * flux, rtol=2e-3, atol=1e-6)


def test_patches_have_few_or_many_old_regions(small, tmp_path):
    patches = read_chunks([make_chunk("training", 0, tmp_path, seed=0)])
    counts = patches.facts["old_regions"]
    assert ((counts > 2) & (counts < 5.5)).all()
    assert len(np.unique(counts)) == len(patches.pairs()) > 1
    assert all(len(np.unique(counts[list(pair)])) == 1 for pair in patches.pairs())


def test_missing_frames_do_not_cover_the_emergence():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        tenth = rng.uniform(3, 12)
        gone = thinned(rng, tenth)
        assert abs(gone["random"].mean() - 0.3) < 0.12
        assert 0.3 <= gone["gaps"].mean() < 0.35
        edges = np.flatnonzero(np.diff(np.r_[False, gone["gaps"], False]))
        assert (np.diff(edges)[::2] <= 8).all()
        assert not any(start / DAY <= tenth <= (stop - 1) / DAY for start, stop in edges.reshape(-1, 2))


def test_the_steepest_day():
    days = np.arange(FRAMES) / DAY
    flux = 1e21 * (1 + 3 / (1 + np.exp(-(days - 6) / 0.4)))
    cosines = np.cos((days - 7) * np.deg2rad(13))
    seen = np.where(np.arange(FRAMES) % 7 == 0, np.nan, flux * cosines)
    day, rise = steepest_day(seen, cosines)
    assert day == pytest.approx(6, abs=0.3)
    assert 1e21 < rise < 3e21
    values = scalars(seen, cosines, noise=10.0, missing=0.1, mu=0.7)
    assert len(values) == len(SCALARS)
    # First and largest flux.
    assert values[[0, 2]] == pytest.approx(np.log10([1.1e21, 4.1e21]), abs=0.02)


def test_a_regression_finds_the_scalar_that_counts():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 3))
    truth = rng.uniform(size=400) < 1 / (1 + np.exp(-2 * values[:, 1] - 1))
    regression = fit_regression(values[:200], truth[:200])
    assert abs(regression.coefficients[1]) > 5 * abs(regression.coefficients[[0, 2]]).max()
    assert 0.7 < ((regression(values[200:]) > 0.5) == truth[200:]).mean() < 0.95


@pytest.mark.parametrize("constant", [True, False])
def test_calibration_finds_what_logits_were_changed_by(constant):
    rng = np.random.default_rng(1)
    right = rng.normal(0, 2, (1, 20000, 1))
    truth = rng.uniform(size=20000) < 1 / (1 + np.exp(-right[0, :, 0]))
    added, log_temperature = scores._most_likely(3 * right - (0.6 if constant else 0), truth, constant=constant)
    assert added == pytest.approx(0.6 if constant else 0, abs=0.2)
    assert np.exp(log_temperature) == pytest.approx(3, rel=0.05)


@pytest.mark.slow
def test_files_that_are_there_are_not_made_again(monkeypatch, tmp_path):
    monkeypatch.setattr(recipe, "FILES", {"training": 2, "test": 1})
    names = {"training": ["training-3-000.npz", "training-3-001.npz"], "test": ["test-3-000.npz"]}
    for name in (*names["training"], *names["test"]):
        (tmp_path / name).write_bytes(b"made before")
    files = recipe.simulate(tmp_path, seed=3)
    assert {part: [path.name for path in paths] for part, paths in files.items()} == names
    assert files["test"][0].read_bytes() == b"made before"


@pytest.mark.slow
def test_it_makes_weights_with_a_card_and_repeats(small, tmp_path):
    weights = recipe.make(tmp_path, epochs=1)
    assert weights == tmp_path / "bipole-emergence-1.safetensors"
    made = weights.read_bytes()
    state = load_file(weights)
    torch.manual_seed(0)
    assert {name: value.shape for name, value in state.items()} == {
        name: value.shape for name, value in SmallEnsemble().state_dict().items()
    }
    assert not torch.equal(state["members.0.places.weight"], state["members.1.places.weight"])
    card = read_card(weights.with_suffix(".toml"))
    embedded = get_card("bipole-emergence-1")
    assert (card.limits, card.domain, card.validated_on) == (embedded.limits, embedded.domain, "simulation")
    assert {metric.data for metric in card.metrics} == set(scores.TESTS.values())
    metrics = json.loads((tmp_path / "bipole-emergence-1.metrics.json").read_text())["metrics"]
    names = {metric["name"] for metric in metrics}
    assert {"accuracy", "expected calibration error", "time within 1 day, of all emergences"} <= names
    for metric in metrics:
        assert metric["n"] >= 1
        assert metric["interval"][0] <= metric["value"] <= metric["interval"][1]
    # What is finished is not trained again, and the same seed gives the same weights.
    weights.unlink()
    recipe.make(tmp_path, epochs=1, resume=True)
    assert weights.read_bytes() == made


def test_the_command_line_knows_it():
    assert "emergence" in list_recipes()
