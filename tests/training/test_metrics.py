import pytest
import torch
from torchmetrics.functional.classification import multiclass_f1_score

from sunpy_ml.training import class_scores, confusion_matrix, f1_scores, proportion_score, wilson_interval


def test_wilson_interval_agrees_with_its_formula():
    n, share, z = 120, 115 / 120, 1.959963984540054
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    assert wilson_interval(115, 120) == pytest.approx((middle - half, middle + half))


def test_confusion_matrix_has_a_row_for_each_true_class():
    matrix = confusion_matrix(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 2, 1, 2]), 3)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]


def test_class_scores_leave_out_what_does_not_occur():
    scores = class_scores(torch.tensor([[3, 1, 0], [0, 0, 0], [2, 0, 0]]), ["a", "b", "c"], "data")
    by_name = {score["name"]: (score["value"], score["n"]) for score in scores}
    assert by_name == {"precision of a": (0.6, 5), "recall of a": (0.75, 4), "recall of c": (0.0, 2)}


def test_a_score_carries_its_interval():
    score = proportion_score("accuracy", "data", 19, 20)
    assert score["value"] == 0.95
    low, high = score["interval"]
    assert low < 0.95 < high


def test_f1_agrees_with_torchmetrics_and_its_interval_narrows():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 3, (600,), generator=generator)
    guess = torch.where(torch.rand(600, generator=generator) < 0.8, truth, (truth + 1) % 3)
    expected = multiclass_f1_score(guess, truth, num_classes=3, average="none")
    many = f1_scores(confusion_matrix(truth, guess, 3), "abc", "data")
    assert [score["value"] for score in many] == pytest.approx(expected.tolist(), abs=1e-4)
    few = f1_scores(confusion_matrix(truth[:60], guess[:60], 3), "abc", "data")
    for a, b in zip(few, many, strict=True):
        assert a["interval"][0] < a["value"] < a["interval"][1]
        assert b["interval"][1] - b["interval"][0] < 0.6 * (a["interval"][1] - a["interval"][0])
        assert b["n"] == int((truth == "abc".index(b["name"][-1])).sum())


def test_f1_leaves_out_classes_that_do_not_occur():
    scores = f1_scores(torch.tensor([[3, 1, 0], [0, 0, 0], [0, 0, 0]]), "abc", "data")
    assert [score["name"] for score in scores] == ["F1 of a"]
