import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, Subset

from sunpy_ml import classify_map
from sunpy_ml.simulation import halpha_scene
from sunpy_ml.training import Evaluation, FolderDataset, evaluate
from sunpy_ml.weights import get_card, load, save_weights

# What is answered in one orientation, and what is the mean over eight.
CARD, AVERAGED = (
    dataclasses.replace(get_card("halpha-2"), input=dataclasses.replace(get_card("halpha-2").input, average_turns=mean))
    for mean in (False, True)
)


class Made(Dataset):
    """Images of which the first pixels are the logits that `Reading` gives."""

    classes = CARD.output.classes
    card = CARD

    def __init__(self, truth, said, dates=None, wavebands=None):
        self.truth, self.said = truth, said
        self.dates = dates or ["2011-05-17T10:00:00"] * len(truth)
        self.wavebands = wavebands or ["656.3 nm"] * len(truth)

    def __len__(self):
        return len(self.truth)

    def __getitem__(self, index):
        image = torch.zeros(1, 8, 8)
        image[0, 0, self.said[index]] = 3
        label = torch.tensor(self.truth[index])
        return {"image": image, "label": label, "date": self.dates[index], "waveband": self.wavebands[index]}


class Turned(Made):
    """The same images lying on their side."""

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return {**sample, "image": sample["image"].rot90(1, (1, 2))}


class Reading(torch.nn.Module):
    def forward(self, x):
        return x[:, 0, 0]  # eight numbers, of which the last three are not of classes


TRUTH, SAID = [0, 0, 0, 3, 3, 4, 4, 4], [0, 0, 4, 3, 3, 4, 4, 0]


def _evaluate(**options):
    return evaluate(Reading(), Made(TRUTH, SAID, **options), card=CARD, data="made", batch_size=3)


def _value(table, name, part="all"):
    (row,) = [row for row in table if row["name"] == name and row["part"] == part]
    return row["value"]


def test_scores_of_known_answers():
    result = _evaluate()
    assert len(result) == 8
    assert result.predicted.tolist() == SAID
    assert result.confusion[0].tolist() == [2, 0, 0, 0, 1]
    table = result.table()
    assert _value(table, "accuracy") == 0.75
    assert _value(table, "precision of filaments") == pytest.approx(2 / 3, abs=1e-4)
    assert _value(table, "recall of quiet") == 1
    assert _value(table, "F1 of sunspots") == pytest.approx(2 / 3, abs=1e-4)
    assert "F1 of flares" not in table["name"]
    confidence = np.exp(3) / (np.exp(3) + 4)
    assert _value(table, "expected calibration error") == pytest.approx(confidence - 0.75, abs=1e-4)
    assert (table["low"] <= table["high"]).all()


def test_scores_by_waveband_and_by_date():
    wavebands = ["656.3 nm"] * 3 + ["30.4 nm"] * 2 + ["unknown"] * 3
    dates = ["2011-05-17T10:00:00"] * 4 + ["2011-05-18T10:00:00"] * 3 + [""]
    result = _evaluate(wavebands=wavebands, dates=dates)
    table = result.table("waveband")
    assert _value(table, "accuracy", "656.3 nm") == pytest.approx(2 / 3, abs=1e-4)
    assert _value(table, "accuracy", "30.4 nm") == 1
    table = result.table("date")
    assert _value(table, "accuracy", "2011-05-17") == 0.75
    assert _value(table, "accuracy", "2011-05-18") == 1
    assert _value(table, "accuracy", "unknown") == 0
    with pytest.raises(ValueError, match="got 'telescope', choose 'waveband' or 'date'"):
        result.table("telescope")


def test_what_a_card_takes_over():
    result = _evaluate()
    card = dataclasses.replace(CARD, metrics=result.metrics(), confusion=(result.card_confusion(),))
    assert (card.metrics[0].name, card.metrics[0].value, card.metrics[0].n) == ("accuracy", 0.75, 8)
    assert card.confusion[0].counts[4] == (1, 0, 0, 0, 2)


def test_figures_show_the_counts_and_the_confidences():
    result = _evaluate()
    confusion, reliability = result.plot_confusion(), result.plot_reliability()
    texts = [text.get_text() for text in confusion.axes[0].texts]
    assert texts == [str(count) for count in result.confusion.ravel()]
    assert confusion.get_suptitle() == "made"
    (points,) = reliability.axes[0].containers
    assert points.lines[0].get_ydata().tolist() == [0.75]
    assert sum(bar.get_height() for bar in reliability.axes[1].patches) == 8
    plt.close(confusion)
    plt.close(reliability)


def test_a_subset_counts_alone():
    result = evaluate(Reading(), Subset(Made(TRUTH, SAID), [0, 1, 3]), card=CARD)
    assert result.truth.tolist() == [0, 0, 3]


def test_the_card_says_whether_answers_are_averaged_over_turns():
    once, turned = (evaluate(Reading(), data(TRUTH, SAID), card=CARD) for data in (Made, Turned))
    assert once.predicted.tolist() == SAID
    assert abs(once.probabilities - turned.probabilities).max() > 0.1
    mean, turned = (evaluate(Reading(), data(TRUTH, SAID), card=AVERAGED) for data in (Made, Turned))
    np.testing.assert_allclose(mean.probabilities, turned.probabilities, atol=1e-6)
    # Of the eight turns of the dot at column 4 of the first row, one shows it at 3 and one at 4 of the first row.
    logits = np.array([0, 0, 0, 3, 3]) / 8
    np.testing.assert_allclose(mean.probabilities[5], np.exp(logits) / np.exp(logits).sum(), atol=1e-6)


def test_the_default_weights_are_scored_as_classify_map_answers(tmp_path):
    card = get_card("halpha-2")
    (tmp_path / "filaments").mkdir()
    scene = halpha_scene("filaments", seed=7)
    scene.save(tmp_path / "filaments" / "one.fits")
    result = evaluate(card.name, FolderDataset(tmp_path, card, card.output.classes))
    expected = classify_map(scene).probabilities
    np.testing.assert_allclose(result.probabilities[0], [expected[name] for name in result.classes], atol=1e-5)


def test_weights_by_name_by_path_and_as_a_module_agree(tmp_path):
    class Images(Made):
        def __getitem__(self, index):
            image = torch.randn(1, 256, 256, generator=torch.Generator().manual_seed(index))
            return {**super().__getitem__(index), "image": image}

    path, card = tmp_path / "mine-1.safetensors", get_card("halpha-2")
    save_weights(load(card), path, dataclasses.replace(card, name="mine-1", version="1", default=False))
    images = Images(TRUTH[:3], SAID[:3])
    named, own, module = evaluate("halpha-2", images), evaluate(path, images), evaluate(load(card), images, card=card)
    assert (named.card.name, own.card.name) == ("halpha-2", "mine-1")
    np.testing.assert_array_equal(named.probabilities, own.probabilities)
    np.testing.assert_array_equal(named.probabilities, module.probabilities)
    assert isinstance(named, Evaluation)


@pytest.mark.parametrize(
    ("weights", "card", "message"),
    [
        (Reading(), None, "needs its card"),
        ("halpha-2", CARD, "named weights have their own"),
        (Reading(), get_card("slic-1.1.1"), "prepares observations as 'halpha-2' expects them"),
        (Reading(), dataclasses.replace(CARD, output=dataclasses.replace(CARD.output, classes=())), "do not classify"),
        (Reading(), dataclasses.replace(CARD, output=dataclasses.replace(CARD.output, classes=("a",))), "its classes"),
    ],
)
def test_weights_that_do_not_fit_the_data(weights, card, message):
    with pytest.raises(ValueError, match=message):
        evaluate(weights, Made(TRUTH, SAID), card=card)
