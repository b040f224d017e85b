"""Wrong labels are found by what has not seen them, block by block, and the table remembers."""

import numpy as np
import pytest
import torch
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from sunpy_ml.emergence import relabel
from sunpy_ml.emergence.learning import MemberTraining
from tests.emergence.growing import growing_cube

ROWS = 24
TRUTH = np.arange(ROWS) % 2 == 0
BLOCKS = np.arange(ROWS) // 6
WRONG = np.array([3, 10, 17])


def crude_table():
    label = TRUTH.copy()
    label[WRONG] ^= True
    return Table({"label": label, "block": BLOCKS, "name": [f"BARD{row}" for row in range(ROWS)]})


def knowing(rows, labels):
    """Learns nothing, since it knows: 90 % for what is true."""
    return lambda asked: np.where(TRUTH[asked], 0.9, 0.1)


def shown_now(table):
    return np.flatnonzero(table["shown"] == table.meta["round"])


def test_labels_that_are_not_believed_are_shown():
    crude = crude_table()
    before = crude.copy()
    table = relabel(crude, knowing)
    assert shown_now(table).tolist() == WRONG.tolist()
    assert table.meta["round"] == 1
    assert np.array_equal(table["crude"], before["label"])
    assert np.array_equal(table["label"], before["label"])
    assert np.array_equal(table["name"], before["name"])
    np.testing.assert_allclose(table["probability"], np.where(TRUTH, 0.9, 0.1))
    assert crude.colnames == before.colnames
    assert all(np.array_equal(crude[name], before[name]) for name in before.colnames)


def test_nothing_is_asked_about_what_it_has_learned():
    seen = []

    def train(rows, labels):
        assert np.array_equal(labels, crude_table()["label"][rows])

        def scorer(asked):
            seen.append((set(rows.tolist()), set(asked.tolist())))
            return np.full(len(asked), 0.5)

        return scorer

    relabel(crude_table(), train)
    assert len(seen) == 4
    for learned, asked in seen:
        assert not {BLOCKS[row] for row in learned} & {BLOCKS[row] for row in asked}
        assert learned | asked == set(range(ROWS))


def test_the_next_round_learns_from_what_was_corrected_and_shows_nothing_again():
    learned = []

    def train(rows, labels):
        learned.append(dict(zip(rows.tolist(), labels.tolist(), strict=True)))
        return knowing(rows, labels)

    table = relabel(crude_table(), train)
    # One of them stays wrong, as if the person were misled.
    table["label"][WRONG[:2]] ^= True
    learned.clear()
    table = relabel(table, train)
    assert table.meta["round"] == 2
    assert not len(shown_now(table))
    assert np.flatnonzero(table["shown"]).tolist() == WRONG.tolist()
    assert (table["crude"] != TRUTH).sum() == len(WRONG)
    for labels in learned:
        assert all(label == TRUTH[row] for row, label in labels.items() if row != WRONG[2])


def test_the_record_goes_through_a_file(tmp_path):
    relabel(crude_table(), knowing).write(tmp_path / "record.ecsv")
    table = relabel(Table.read(tmp_path / "record.ecsv"), knowing)
    assert table.meta["round"] == 2
    assert np.flatnonzero(table["shown"] == 1).tolist() == WRONG.tolist()
    assert not len(shown_now(table))


@given(st.data())
def test_at_most_as_many_are_shown_as_asked_for_and_the_least_believed_first(data):
    probability = np.array(data.draw(st.lists(st.floats(0, 1), min_size=ROWS, max_size=ROWS)))
    doubt, most = data.draw(st.floats(0.01, 1)), data.draw(st.integers(1, ROWS))
    table, seen = crude_table(), set()
    for _ in range(3):
        table = relabel(table, lambda rows, labels: lambda asked: probability[asked], doubt=doubt, most=most)
        shown = shown_now(table).tolist()
        believed = np.where(table["label"], probability, 1 - probability)
        assert len(shown) <= most
        assert not seen & set(shown)
        assert all(believed[row] < doubt for row in shown)
        left = [row for row in range(ROWS) if row not in seen and row not in shown and believed[row] < doubt]
        if left:
            assert len(shown) == most
            assert max(believed[row] for row in shown) <= min(believed[row] for row in left)
        seen |= set(shown)


def test_pictures_of_what_is_shown(tmp_path):
    days = np.arange(30) / 2
    cubes = [growing_cube(day, days=days, shape=(30, 30)) for day in (5.0, -30.0)]
    table = relabel(crude_table(), knowing, cubes=lambda row: cubes[row % 2], pictures=tmp_path / "looks")
    names = sorted(path.name for path in (tmp_path / "looks").iterdir())
    assert names == [f"round{table.meta['round']}_{row:05d}.png" for row in WRONG]
    assert all((tmp_path / "looks" / name).read_bytes().startswith(b"\x89PNG") for name in names)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda table: table.remove_column("block"), {}, "no column 'block'"),
        (lambda table: table.replace_column("label", [0] * ROWS), {}, "must hold True and False"),
        (lambda table: table.replace_column("block", [0] * ROWS), {}, "not both labels left"),
        (lambda table: None, {"doubt": 0}, "doubt: expected a probability"),
        (lambda table: None, {"most": 0}, "most: expected 1 row or more"),
        (lambda table: None, {"pictures": "looks"}, "both a folder and cubes="),
    ],
)
def test_what_cannot_be_used_is_refused(change, options, message):
    table = crude_table()
    change(table)
    with pytest.raises(ValueError, match=message):
        relabel(table, knowing, **options)


@pytest.mark.parametrize("answer", [1.5, np.nan])
def test_what_gives_no_probabilities_is_refused(answer):
    with pytest.raises(ValueError, match="train: what it gives must tell probabilities"):
        relabel(crude_table(), lambda rows, labels: lambda asked: np.full(len(asked), answer))


def test_a_member_learns_what_grows_and_the_same_again():
    # A spot grows in every other patch, and is there all the time in the others.
    rng, grows = np.random.default_rng(0), np.arange(320) % 2 == 0
    course = np.where(grows[:, None], 1 / (1 + np.exp(-(np.arange(45) - rng.uniform(12, 35, (320, 1))))), 1.0)
    flux = rng.exponential(0.002, (320, 45, 2, 6, 6))
    for patch, (row, column) in enumerate(rng.integers(1, 5, (320, 2))):
        flux[patch, :, :, row, column] += 0.2 * course[patch][:, None]
    bins, rows, asked = torch.from_numpy(flux).half(), np.arange(40, 320), np.arange(40)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    probability = MemberTraining(bins, epochs=10, seed=1)(rows, grows[rows])(asked)
    assert ((probability > 0.5) == grows[asked]).all()
    short = [MemberTraining(bins, epochs=1, seed=seed)(rows, grows[rows])(asked) for seed in (1, 1, 2)]
    assert np.array_equal(short[0], short[1])
    assert not np.array_equal(short[0], short[2])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_a_member_is_shown_cubes_as_the_verb_is():
    cubes = [growing_cube(day, days=np.arange(30) / 2) for day in (5.0, -30.0)]
    train = MemberTraining.of_cubes(iter(cubes), epochs=1)
    assert train.bins.shape == (2, 45, 2, 15, 15)
    total = train.bins.float().sum(dim=(2, 3, 4))
    assert total[0, -1] > 1.5 * total[0, 0]
    assert total[1, -1] == pytest.approx(total[1, 0], rel=1e-3)
