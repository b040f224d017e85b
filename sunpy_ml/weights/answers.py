"""What the numbers of a classifying network say, in the words of its card."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.card import Card
from sunpy_ml.weights.domain import DomainReport

__all__ = ["Answers", "judge", "read_answers"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Answers:
    """A network's answers to any number of images.

    Attributes
    ----------
    probabilities : numpy.ndarray
        (..., classes) float64; they add up to one.
    features : numpy.ndarray
        (..., features) float64, the probability of each by itself.
    unfamiliarity : numpy.ndarray or None
        (...) float64, from 0, for images like those of the training, to 1; None where the network does not tell.
    """

    probabilities: Array
    features: Array
    unfamiliarity: Array | None


def read_answers(logits: Array, card: Card) -> Answers:
    """Take the last axis of ``logits`` apart: the classes first, then the features, then the unfamiliarity."""
    n_classes, n_features = len(card.output.classes), len(card.output.features)
    # In float64 the class probabilities add up to one to the last digits that anyone prints.
    numbers = np.asarray(logits, np.float64)
    told = card.output.unfamiliar_above is not None
    if numbers.shape[-1] < n_classes + n_features + told:
        raise WeightsError(
            f"weights: {card.name!r} give {numbers.shape[-1]} numbers for an image, but the card's output names "
            f"{n_classes} classes, {n_features} features and {'an' if told else 'no'} unfamiliarity; mend the card."
        )
    return Answers(
        probabilities=softmax(numbers[..., :n_classes], axis=-1),
        features=expit(numbers[..., n_classes : n_classes + n_features]),
        unfamiliarity=expit(numbers[..., n_classes + n_features]) if told else None,
    )


def judge(report: DomainReport, unfamiliarity: float | None, card: Card) -> DomainReport:
    """What the header tells of the domain, and what the image itself does."""
    limit = card.output.unfamiliar_above
    if limit is None or unfamiliarity is None or unfamiliarity <= limit:
        return report
    return report.outside(f"the image looks unlike those of the training ({unfamiliarity:.2g}, at most {limit:.2g})")
