import pytest
import torch

from sunpy_ml.training import class_scores, confusion_matrix, proportion_score, wilson_interval


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
