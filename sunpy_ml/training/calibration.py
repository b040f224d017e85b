"""Calibration: whether a classifier that says 90 % is right nine times in ten."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from astropy.table import QTable

from sunpy_ml.training._extra import torchmetrics
from sunpy_ml.training.metrics import wilson_interval

__all__ = ["calibration_error", "calibration_score", "reliability"]

Array = npt.NDArray[Any]

BINS = 15


def calibration_error(probabilities: Array, truth: Array, *, bins: int = BINS) -> float:
    """The expected calibration error: the mean distance of confidence and accuracy over bins of confidence.

    Parameters
    ----------
    probabilities : numpy.ndarray
        (N, classes); the confidence is the largest of each row.
    truth : numpy.ndarray
        (N,), index of the true class.
    bins : int
        Of equal width, weighted by how many cases each holds.

    References
    ----------
    Guo et al. 2017, On Calibration of Modern Neural Networks, https://doi.org/10.48550/arXiv.1706.04599

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.training import calibration_error
    >>> probabilities = np.tile([0.8, 0.2], (10, 1))
    >>> round(calibration_error(probabilities, np.array([0] * 7 + [1] * 3)), 4)
    0.1
    """
    probabilities, truth = _checked(probabilities, truth)
    return float(
        torchmetrics.functional.classification.multiclass_calibration_error(
            torch.from_numpy(probabilities), torch.from_numpy(truth), num_classes=probabilities.shape[1], n_bins=bins
        )
    )


def calibration_score(
    probabilities: Array,
    truth: Array,
    data: str,
    *,
    bins: int = BINS,
    resamplings: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """The expected calibration error as a score, with its bootstrap interval.

    The estimate is biased upward by the scatter within each bin, and the more so in a resampling: a perfect model of
    120 cases scores about 0.02, and the interval may lie above the value. Read it as how large the error can be.

    Parameters
    ----------
    probabilities, truth, bins
        As in `calibration_error`.
    data : str
        What the figure was measured on.
    resamplings, confidence, seed : optional
        Of the bootstrap over cases.

    Returns
    -------
    dict
        With the keys name, data, n, value and interval, as weights cards list them.
    """
    value = calibration_error(probabilities, truth, bins=bins)
    probabilities, truth = _checked(probabilities, truth)
    confidences, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    gap, where = right - confidences, _bin(confidences, bins)
    rng, n = np.random.default_rng(seed), len(truth)
    errors = np.empty(resamplings)
    for index in range(resamplings):
        chosen = rng.integers(n, size=n)
        errors[index] = np.abs(np.bincount(where[chosen], gap[chosen], bins)).sum() / n
    tail = 50 * (1 - confidence)
    interval = [round(float(limit), 4) for limit in np.percentile(errors, [tail, 100 - tail])]
    return {
        "name": "expected calibration error",
        "data": data,
        "n": n,
        "value": round(value, 4),
        "interval": interval,
    }


def reliability(probabilities: Array, truth: Array, *, bins: int = BINS) -> QTable:
    """Confidence and accuracy in each bin of confidence that holds a case.

    Parameters
    ----------
    probabilities, truth, bins
        As in `calibration_error`.

    Returns
    -------
    astropy.table.QTable
        Mean ``confidence``, ``accuracy`` with the limits ``low`` and ``high`` of Wilson's 95 % interval, and ``n``.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.training import reliability
    >>> table = reliability(np.tile([0.8, 0.2], (10, 1)), np.array([0] * 7 + [1] * 3))
    >>> [float(table[name][0]) for name in ("confidence", "accuracy", "n")]
    [0.8, 0.7, 10.0]
    """
    probabilities, truth = _checked(probabilities, truth)
    confidences, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    where = _bin(confidences, bins)
    rows = []
    for index in np.unique(where):
        inside = where == index
        low, high = wilson_interval(int(right[inside].sum()), int(inside.sum()))
        rows.append(
            {
                "confidence": float(confidences[inside].mean()),
                "accuracy": float(right[inside].mean()),
                "low": low,
                "high": high,
                "n": int(inside.sum()),
            }
        )
    return QTable(rows)


def _bin(confidences: Array, bins: int) -> Array:
    # A confidence on an edge belongs to the bin above it, and 1 to the last, as torchmetrics has it.
    return np.minimum(np.searchsorted(np.linspace(0, 1, bins + 1), confidences, side="right") - 1, bins - 1)


def _checked(probabilities: Array, truth: Array) -> tuple[Array, Array]:
    probabilities, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(truth, dtype=np.int64)
    if probabilities.ndim != 2 or truth.shape != probabilities.shape[:1] or not len(truth):
        raise ValueError(
            "probabilities: expected (N, classes) for N true classes and at least one case, got the shape "
            f"{probabilities.shape} for {truth.shape}."
        )
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4) or probabilities.min() < 0:
        raise ValueError("probabilities: each row must be at least 0 and add up to 1; apply a softmax to logits first.")
    return probabilities, truth
