"""Scores of a classifier, each with its interval.

A score is a plain dictionary with the keys name, data, n, value and interval, as weights cards list them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.stats import binom_conf_interval
from torch import Tensor

from sunpy_ml.training._extra import torchmetrics

__all__ = ["class_scores", "confusion_matrix", "proportion_score", "wilson_interval"]


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
