import math

import numpy as np
import pytest
import torch

from sunpy_ml.classification import batches, recipe
from sunpy_ml.classification.augmentation import SIDE, augment
from sunpy_ml.classification.batches import NORMALISER, Batches, class_target
from sunpy_ml.classification.blocks import BLOCKS, outside, within
from sunpy_ml.classification.continuum import read_continuum
from sunpy_ml.classification.gong_patches import read_gong
from sunpy_ml.classification.networks import CompactClassifier
from sunpy_ml.classification.patches import CLASSES, FEATURES, UNFAMILIAR, Disk, Patch
from sunpy_ml.classification.scores import predict, score_patches
from sunpy_ml.classification.sdo_patches import read_sdo
from sunpy_ml.classification.simulated import bare_limbs, flares_on, scenes
from sunpy_ml.classification.strangers import magnetograms, strangers

DAY = np.timedelta64(1, "D")


def _patch(label="sunspots", *, window=None, present=None, **options):
    if window is None:
        window = np.full((128, 128), 150, np.uint8)
        window[60:68, 60:68] = 20
    present = present or tuple(float(name == label) for name in FEATURES)
    return Patch(window, label, present, **{"source": "gong", "name": "made", "date": "2011-03-01", **options})


@pytest.fixture(scope="module")
def simulated():
    return scenes(20, np.random.default_rng(3))


@pytest.fixture(scope="module")
def gong(shared_data):
    return read_gong(shared_data)


def test_field_and_limb():
    patch = _patch(disk=Disk(64, 64, 46))
    assert patch.field().shape == (64, 64)
    assert patch.field(2).shape == (128, 128)
    assert not patch.at_limb
    assert _patch(disk=Disk(64, 64, 45)).at_limb
    assert not _patch().at_limb


def test_augmented_images_are_of_one_shape_and_lack_at_most_the_sky(simulated):
    rng = np.random.default_rng(0)
    for patch in [*simulated, _patch(), _patch(disk=Disk(64, 64, 40), focus=(64.0, 64.0))]:
        image = augment(patch, rng)
        assert image.shape == (SIDE, SIDE)
        assert image.dtype == np.float32
        beyond_limb = np.isnan(image).mean()
        assert beyond_limb < 0.9
        assert beyond_limb == 0 or (patch.disk and patch.label != "prominences")


def test_augmentation_is_repeatable_and_leaves_the_patch_alone():
    patch = _patch(focus=(64.0, 64.0))
    before = patch.window.copy()
    first, second = (augment(patch, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(patch.window, before)


def test_the_labelled_feature_stays_in_view_and_dark():
    rng = np.random.default_rng(1)
    patch = _patch(focus=(63.5, 63.5))
    for _ in range(50):
        image = augment(patch, rng)
        assert image.min() < np.median(image) - 3 * image.std()
        assert image.max() < np.median(image) + 6 * image.std()


def test_a_quiet_field_shows_nothing_from_around_it():
    # Everything beyond the labelled field is black, but for the corners that a tilt of a few degrees shows.
    window = np.zeros((256, 256), np.uint8)
    window[48:208, 48:208] = 100
    rng = np.random.default_rng(2)
    for _ in range(30):
        image = augment(_patch("quiet", window=window), rng)
        middle = image[40:-40, 40:-40]
        assert np.median(middle) > 0
        assert middle.min() > -2 * abs(np.median(middle))


def test_class_targets_sum_to_one_and_favour_the_label():
    mixed = class_target(_patch("sunspots", present=(1.0, 0.0, math.nan, 1.0)))
    assert mixed.sum() == pytest.approx(1)
    assert mixed[CLASSES.index("sunspots")] == pytest.approx(0.875)
    assert mixed[CLASSES.index("filaments")] == pytest.approx(0.125)
    quiet = class_target(_patch("quiet"))
    assert quiet[CLASSES.index("quiet")] == 1
    stranger = class_target(_patch(UNFAMILIAR, present=(math.nan,) * 4))
    np.testing.assert_allclose(stranger, 0.2)


def test_features_that_are_not_known_do_not_count():
    output = torch.zeros(1, 10)
    batch = {
        "classes": torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]]),
        "features": torch.tensor([[math.nan, 0.0, 1.0, 0.0]]),
        "unfamiliar": torch.zeros(1),
        "weight": torch.ones(1),
    }
    loss = recipe.three_head_loss(output, batch)
    output[0, 5] = 100
    assert recipe.three_head_loss(output, batch) == loss
    output[0, 9] = 5
    assert recipe.three_head_loss(output, batch) > loss
    unknown = {**batch, "features": torch.full((1, 4), math.nan)}
    assert recipe.three_head_loss(output, unknown).isfinite()


def test_batches_draw_the_classes_by_their_shares(simulated):
    patches = [patch for patch in simulated if patch.label in ("quiet", "sunspots")]
    drawn = Batches(patches, steps=4, seed=0, size=12)
    assert len(drawn) == 4
    batch = next(iter(drawn))
    assert batch["image"].shape == (12, 1, SIDE, SIDE)
    assert batch["image"].dtype == torch.float32
    assert batch["image"].isfinite().all()
    chances = batches._chances(patches)
    assert chances.sum() == pytest.approx(1)
    spots = np.array([patch.label == "sunspots" for patch in patches])
    assert chances[spots].sum() == pytest.approx(0.5)


def test_two_batches_of_one_seed_are_the_same(simulated):
    first, second = (next(iter(Batches(simulated, steps=1, seed=5, size=8))) for _ in range(2))
    torch.testing.assert_close(first["image"], second["image"], rtol=0, atol=0)


def test_a_tiny_training_reduces_the_loss_and_its_weights_load(simulated, tmp_path):
    network = recipe.train(simulated, tmp_path, epochs=4, steps=8, size=8, seed=0)
    curve = np.genfromtxt(tmp_path / "log" / "version_0" / "metrics.csv", delimiter=",", names=True)
    assert curve["loss"][-1] < 0.9 * curve["loss"][0]
    batch = next(iter(Batches(simulated, steps=1, seed=1, size=8)))
    recipe._save(network, tmp_path / "weights.safetensors")
    loaded = recipe._load(tmp_path / "weights.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(loaded(batch["image"]), network(batch["image"]))


def test_scores_of_a_constant_classifier(simulated):
    logits = np.tile([0.0, 0, 0, 5, 0, -1, -1, -1, -1, -3], (len(simulated), 1))
    scored = score_patches(simulated, logits, "simulated")
    by_name = {score["name"]: score["value"] for score in scored["metrics"]}
    assert by_name["accuracy"] == 0.2
    assert by_name["recall of quiet"] == 1
    assert by_name["precision of quiet"] == 0.2
    assert "precision of sunspots" not in by_name
    assert by_name["feature recall of sunspots"] == 0
    assert np.array(scored["confusion"]["counts"])[:, 3].tolist() == [4] * 5


def test_predictions_do_not_depend_on_the_batch(simulated):
    torch.manual_seed(0)
    network = CompactClassifier().eval()
    fields = [patch.field() for patch in simulated]
    together = predict(network, fields, NORMALISER)
    alone = torch.cat([predict(network, [field], NORMALISER) for field in fields])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_every_patch_is_in_one_block_and_far_from_the_others(gong):
    assert sum(len(within(gong, block)) for block in BLOCKS) == len(gong)
    for block in BLOCKS:
        tested = np.array([patch.date for patch in within(gong, block)], "datetime64[D]")
        trained = np.array([patch.date for patch in outside(gong, block)], "datetime64[D]")
        assert len(tested)
        assert abs(tested[:, np.newaxis] - trained).min() >= 3 * DAY
    assert outside(gong, None) == gong


def test_images_of_other_kinds_are_of_no_class_and_never_flat():
    drawn = strangers(14, np.random.default_rng(0))
    again = strangers(14, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for patch, twin in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(patch.window, twin.window)
        assert patch.label == UNFAMILIAR
        assert np.isnan(patch.present).all()
        image = augment(patch, rng)
        assert np.ptp(np.percentile(image, [5, 95])) > 0


def test_magnetograms_hold_both_signs(shared_data):
    paths = sorted((shared_data / "hmi_sharp").glob("*magnetogram.fits"))[:2]
    for patch in magnetograms(paths, 4, np.random.default_rng(0)):
        assert patch.window.min() < 127
        assert patch.window.max() > 127
        assert patch.window.shape[0] == patch.window.shape[1]


def test_fields_on_a_grid_have_their_own_source(gong):
    grid = [patch for patch in gong if patch.source == "gong-grid"]
    assert len(grid) == 547
    assert sum(patch.hard for patch in grid) == 194
    assert not any(patch.hard and patch.label != "quiet" for patch in gong)


def test_gong_patches_are_as_labelled(gong):
    own = [patch for patch in gong if patch.source == "gong"]
    assert len(own) == 475
    assert {patch.window.shape for patch in own} == {(512, 512)}
    assert all(patch.at_limb for patch in own if patch.label == "prominences")
    assert sum(patch.label == "quiet" and patch.at_limb for patch in own) == 32
    for patch in own:
        if patch.focus is not None:
            assert all(128 <= place < 384 for place in patch.focus)


def test_simulated_flares_keep_what_is_on_their_ground(gong):
    grounds = [patch for patch in gong if patch.label == "sunspots" and not patch.at_limb][:5]
    for flare in flares_on(grounds, 4, np.random.default_rng(0)):
        assert flare.label == "flares"
        assert flare.present[FEATURES.index("flares")] == 1
        assert flare.present[FEATURES.index("sunspots")] == 1
        assert flare.window.max() > 200


def test_limbs_with_their_prominences_taken_away(gong):
    limbs = [patch for patch in gong if patch.label == "prominences"][:4]
    bare = bare_limbs(limbs, np.random.default_rng(0))
    alone = [patch for patch in limbs if sum(patch.present) == 1]
    assert len(bare) == len(alone)
    rows, columns = np.indices((512, 512))
    for patch, was in zip(bare, alone, strict=True):
        assert patch.label == "quiet"
        assert not any(patch.present)
        disk = was.disk.distance(columns, rows) < 1
        np.testing.assert_array_equal(patch.window[disk], was.window[disk])
        assert patch.window[~disk].mean() < was.window[~disk].mean() + 5


def test_continuum_fields_are_told_apart_by_their_darkness(shared_data):
    patches = read_continuum(shared_data)
    kinds = {patch.label for patch in patches}
    assert kinds == {"quiet", "sunspots"}
    darkest = {kind: [patch.field().min() for patch in patches if patch.label == kind] for kind in kinds}
    assert np.median(darkest["sunspots"]) < 0.5 * np.median(darkest["quiet"])


@pytest.mark.slow
def test_sdo_patches_have_quiet_fields_in_both_channels(shared_data):
    patches = read_sdo(shared_data)
    kinds = {(patch.source, patch.label, patch.at_limb) for patch in patches}
    assert {(channel, "quiet", limb) for channel in ("aia_304", "hmi_ic") for limb in (True, False)} <= kinds
    assert all(math.isnan(patch.present[0]) for patch in patches if patch.source == "aia_304")
