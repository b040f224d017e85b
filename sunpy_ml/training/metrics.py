"""Scores of a classifier, each with its interval.

A score is a plain dictionary with the keys name, data, n, value and interval, as weights cards list them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.stats import binom_conf_interval
from torch import Tensor

from sunpy_ml.training._extra import torchmetrics

__all__ = ["class_scores", "confusion_matrix", "f1_scores", "proportion_score", "wilson_interval"]


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a proportion, which stays inside 0 to 1 and is honest for small samples.

    Examples
    --------
    >>> from sunpy_ml.training import wilson_interval
    >>> low, high = wilson_interval(96, 100)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.902 to 0.984
    """
    low, high = binom_conf_interval(successes, n, confidence_level=confidence, interval="wilson")
    return float(low), float(high)


def proportion_score(name: str, data: str, successes: int, n: int) -> dict[str, Any]:
    """A score that is a share of ``n`` cases, with Wilson's 95 % interval."""
    if n < 1:
        raise ValueError(f"n is {n} for {name!r}: a share needs one case at least; leave this score out.")
    interval = [round(limit, 4) for limit in wilson_interval(successes, n)]
    return {"name": name, "data": data, "n": int(n), "value": round(successes / n, 4), "interval": interval}


def confusion_matrix(truth: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    """Counts (n_classes, n_classes): a row for each true class, a column for each predicted one."""
    return torchmetrics.functional.confusion_matrix(predicted, truth, task="multiclass", num_classes=n_classes)


def class_scores(matrix: Tensor, classes: Sequence[str], data: str) -> list[dict[str, Any]]:
    """Precision and recall of each class that occurs, from a confusion matrix.

    Precision is the share of the predictions of a class that are true, recall the share of the true cases of a
    class that are found (equations 9 to 14 of Armstrong & Fletcher 2019).

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.training import class_scores
    >>> scores = class_scores(torch.tensor([[8, 2], [0, 10]]), ["quiet", "spots"], "an example")
    >>> [(score["name"], score["value"]) for score in scores[:2]]
    [('precision of quiet', 1.0), ('recall of quiet', 0.8)]
    """
    counts = np.asarray(matrix)
    scores = []
    for index, name in enumerate(classes):
        hits, said, true = (int(n) for n in (counts[index, index], counts[:, index].sum(), counts[index].sum()))
        if true and said:
            scores.append(proportion_score(f"precision of {name}", data, hits, said))
        if true:
            scores.append(proportion_score(f"recall of {name}", data, hits, true))
    return scores


def f1_scores(
    matrix: Tensor, classes: Sequence[str], data: str, *, resamplings: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """F1, the harmonic mean of precision and recall, of each class that occurs, with a 95 % bootstrap interval.

    Parameters
    ----------
    matrix : torch.Tensor
        From `confusion_matrix`.
    classes : sequence of str
        Their names.
    data : str
        What the matrix was counted on.
    resamplings, seed : int, optional
        Of the bootstrap: drawing cases anew is drawing the counts of the matrix anew.

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.training import f1_scores
    >>> scores = f1_scores(torch.tensor([[8, 2], [0, 10]]), ["quiet", "spots"], "an example")
    >>> [(score["name"], score["value"]) for score in scores]
    [('F1 of quiet', 0.8889), ('F1 of spots', 0.9091)]
    """
    counts = np.asarray(matrix)
    n = int(counts.sum())
    drawn = np.random.default_rng(seed).multinomial(n, counts.ravel() / max(n, 1), size=resamplings)
    values, resampled = _f1(counts[np.newaxis])[0], _f1(drawn.reshape(-1, *counts.shape))
    scores = []
    for index in np.flatnonzero(counts.sum(axis=1)).tolist():
        limits = np.nanpercentile(resampled[:, index], [2.5, 97.5])
        interval = [round(float(limit), 4) for limit in limits]
        value, cases = round(float(values[index]), 4), int(counts[index].sum())
        scores.append(
            {"name": f"F1 of {classes[index]}", "data": data, "n": cases, "value": value, "interval": interval}
        )
    return scores


def _f1(counts: Any) -> Any:
    """F1 (resamplings, classes) of matrices; NaN for a class that neither occurs nor is predicted."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    cases = counts.sum(axis=1) + counts.sum(axis=2)
    return np.where(cases > 0, 2 * hits / np.maximum(cases, 1), np.nan)
