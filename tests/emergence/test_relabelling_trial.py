"""The trial of relabelling, on patches that take no time to make."""

import numpy as np
import pytest
import torch
from astropy.table import Table

from sunpy_ml.emergence.material import SEED
from sunpy_ml.emergence.patch_files import Case, Patches
from sunpy_ml.emergence.relabelling_trial import WAYS, circumstances, planted, relabelling_trial, trial_log

SEEDS = 24
DAYS = np.arange(225) / 15


def facts_of(**options):
    """Pairs in which a region of 5e21 Mx emerges on day 7 at the central meridian, or came in with the patch."""
    count = 2 * SEEDS
    new = np.arange(count) % 2 == 0
    longitudes = 13.2 * (DAYS - 7)
    facts = {
        "kind": np.where(new, "emerging", "emerged"),
        "seed": np.arange(count) // 2,
        "month": np.arange(count) // 2 % 12 + 1,
        "scale": np.full(count, 0.12),
        "old_regions": np.full(count, 3.0),
        "latitude": np.zeros(count),
        "noise": np.full(count, 10.0),
        "missing": np.zeros(count),
        "mu": np.full(count, 0.7),
        "tenth": np.where(new, 7.0, -4.0),
        "longitude": np.where(new, 0.0, np.nan),
        "flux": np.full(count, 5e21),
        "around": np.full(count, np.nan),
        "curve": np.full((count, 225), 1e20, np.float32),
        "cosines": np.tile(np.clip(np.cos(np.deg2rad(longitudes)), 0, None).astype(np.float32), (count, 1)),
    }
    return {**facts, **{name: np.asarray(value) for name, value in options.items()}}


def patches_of(facts):
    return Patches(torch.empty(0), facts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files as `make_chunk` writes them, of spots that grow and of spots that are there."""
    facts = facts_of()
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 15, (2 * SEEDS, 225, 2, 30, 30), dtype=np.uint8)
    for patch, kind in enumerate(facts["kind"]):
        grown = 1 / (1 + np.exp(-4 * (DAYS - 7))) if kind == "emerging" else np.ones(225)
        blocks[patch, :, :, 12:16, 12:16] += (100 * grown).astype(np.uint8)[:, None, None, None]
    out = tmp_path_factory.mktemp("trial")
    (out / "patches").mkdir()
    np.savez(out / "patches" / f"training-{SEED}-000.npz", blocks=blocks, **facts)
    return out


def test_nothing_misleads_where_all_is_plain():
    old = np.repeat(np.arange(SEEDS), 2)[:, None] * np.full(225, 1e18, np.float32)
    found = circumstances(patches_of(facts_of(curve=old)))
    # All but that the regions that are there came in over the limb, and the third of the patches with most flux.
    assert not found[:, [0, 1]].any()
    assert np.array_equal(found[:, 2], np.arange(2 * SEEDS) % 2 == 1)
    assert np.array_equal(found[:, 3], np.arange(2 * SEEDS) // 2 >= 16)


def test_each_circumstance_is_told_from_the_facts():
    facts = facts_of()
    facts["tenth"][0], facts["longitude"][0] = 3.0, 13.2 * -4
    facts["flux"][4:6] = 8e20
    facts["kind"][7] = "quiet"
    found = circumstances(patches_of(facts))
    assert found[:8, 0].tolist() == [True, *[False] * 7]
    assert found[:8, 1].tolist() == [False] * 4 + [True] * 2 + [False] * 2
    assert found[:8, 2].tolist() == [True, True, False, True, False, True, False, False]


@pytest.mark.parametrize("way", WAYS)
def test_a_fifth_of_the_labels_is_wrong_where_something_misleads(way):
    patches = patches_of(facts_of())
    truth = patches.facts["kind"] == "emerging"
    wrong = planted(way, patches, seed=3) != truth
    assert wrong.sum() == 10
    assert np.array_equal(planted(way, patches, seed=3) != truth, wrong)
    assert not np.array_equal(planted(way, patches, seed=4) != truth, wrong)
    if way == "as a catalogue errs":
        assert circumstances(patches)[wrong].any(axis=1).all()
    assert list(Case.__annotations__) == list(facts_of())[:-2]
    with pytest.raises(ValueError, match="way: got 'by hand'"):
        planted("by hand", patches)


def test_the_log_counts_what_was_corrected_and_spoiled():
    truth = np.arange(100) < 50
    crude = truth.copy()
    crude[:20] = False
    label, shown = crude.copy(), np.zeros(100, dtype=int)
    shown[:10], shown[10:12], shown[60:70] = 1, 2, 2
    label[:10] = label[10] = label[60] = True
    table = Table({"label": label, "crude": crude, "truth": truth, "shown": shown}, meta={"round": 2})
    told = trial_log(table, "somehow")
    assert list(told["shown"]) == [10.0, 22.0]
    assert list(told["corrected"]) == [50.0, 55.0]
    assert list(told["spoiled"]) == [0.0, 1.2]
    assert (told["low"] < told["corrected"]).all()
    assert (told["corrected"] < told["high"]).all()
    assert 0 <= told["random"][0] <= told["random"][1] < 50


def test_the_whole_trial_and_its_going_on(folder):
    told = relabelling_trial(folder, files=1, rounds=1, epochs=1)
    assert list(told["wrong"]) == list(WAYS)
    assert list(told["shown"]) == [50, 50]
    for name in WAYS.values():
        record = Table.read(folder / f"{name}.ecsv")
        assert (record["crude"] != record["truth"]).sum() == 10
        unseen = record["shown"] == 0
        assert np.array_equal(record["label"][unseen], record["crude"][unseen])
    again = relabelling_trial(folder, files=1, rounds=1, epochs=1)
    assert all(np.array_equal(again[name], told[name]) for name in told.colnames)
    more = relabelling_trial(folder, files=1, rounds=2, epochs=1)
    assert list(more["round"]) == [1, 2] * 2
    assert list(more["corrected"][::2]) == list(told["corrected"])
    assert len(Table.read(folder / "log.ecsv")) == 4
