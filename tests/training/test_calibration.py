import numpy as np
import pytest
from scipy.special import softmax

from sunpy_ml.training import calibration_error, calibration_score, fit_temperature, reliability


def _model(n, overconfidence=0.0, seed=0):
    """Probabilities of three classes, and classes drawn from them (or from less certain ones)."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([2, 1, 1], n)
    true = (1 - overconfidence) * probabilities + overconfidence / 3
    return probabilities, np.array([rng.choice(3, p=p) for p in true])


def test_the_error_agrees_with_its_definition():
    probabilities, truth = _model(400)
    confidences, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    expected = 0.0
    for low in np.arange(10) / 10:
        inside = (confidences >= low) & (confidences < low + 0.1)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidences[inside].mean())
    assert calibration_error(probabilities, truth, bins=10) == pytest.approx(expected, abs=1e-6)


def test_an_overconfident_model_is_told_from_a_calibrated_one():
    assert calibration_error(*_model(5000)) < 0.03
    assert calibration_error(*_model(5000, overconfidence=0.4)) > 0.1


def test_the_score_has_an_interval_that_narrows_with_the_cases():
    few, many = (calibration_score(*_model(n, overconfidence=0.3), "made") for n in (200, 5000))
    for score in (few, many):
        low, high = score["interval"]
        assert low < high
        assert low - 0.03 < score["value"] < high
        assert score["data"] == "made"
    assert many["n"] == 5000
    assert np.diff(many["interval"]) < 0.5 * np.diff(few["interval"])
    assert calibration_score(*_model(200), "made") == calibration_score(*_model(200), "made")


def test_reliability_sums_up_to_the_error_and_the_accuracy():
    probabilities, truth = _model(500, overconfidence=0.3)
    table = reliability(probabilities, truth)
    weights = table["n"] / 500
    assert table["n"].sum() == 500
    assert (weights * table["accuracy"]).sum() == pytest.approx((probabilities.argmax(axis=1) == truth).mean())
    gaps = abs(table["accuracy"] - table["confidence"])
    assert (weights * gaps).sum() == pytest.approx(calibration_error(probabilities, truth), abs=1e-6)
    assert (table["low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["high"]).all()


def test_a_confidence_of_one_has_a_bin():
    table = reliability(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0]))
    assert (table["n"][0], table["accuracy"][0], table["confidence"][0]) == (2, 0.5, 1)


@pytest.mark.parametrize("measure", [calibration_error, reliability])
def test_what_are_no_probabilities(measure):
    with pytest.raises(ValueError, match="add up to 1; apply a softmax"):
        measure(np.array([[2.0, -1.0]]), np.array([0]))
    with pytest.raises(ValueError, match=r"expected \(N, classes\)"):
        measure(np.array([0.5, 0.5]), np.array([0]))
    with pytest.raises(ValueError, match="at least one case"):
        measure(np.empty((0, 2)), np.array([], int))


def test_temperature_undoes_a_scaling_of_the_logits():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 4)) * 2
    truth = np.array([rng.choice(4, p=softmax(row)) for row in logits])
    for factor in (0.3, 1.0, 5.0):
        assert fit_temperature(logits * factor, truth) == pytest.approx(factor, rel=0.06)


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((3, 2), (2,)), ((0, 2), (0,))])
def test_temperature_needs_a_truth_for_each_case(shapes):
    with pytest.raises(ValueError, match=r"logits: expected \(N, classes\) for N true classes"):
        fit_temperature(*(np.zeros(shape) for shape in shapes))
