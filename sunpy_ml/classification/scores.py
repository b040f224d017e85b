"""The scores of a classifier on labelled patches, as its card lists them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sunpy_ml.classification.augmentation import SIDE
from sunpy_ml.classification.patches import CLASSES, FEATURES, Patch
from sunpy_ml.inference import run
from sunpy_ml.observations.normalisation import NORMALISERS
from sunpy_ml.observations.resampling import resample
from sunpy_ml.training import class_scores, confusion_matrix, proportion_score

__all__ = ["predict", "right_answers", "score_patches", "share"]

Array = npt.NDArray[Any]
_Normaliser = tuple[str, Mapping[str, float]]


def network_input(field: Array, normaliser: _Normaliser) -> Array:
    """A field as `classify_map` gives it to the network: resampled, then normalised."""
    image = resample(field, (SIDE, SIDE))
    name, constants = normaliser
    return NORMALISERS[name](image.ravel(), constants).apply(image)


def predict(network: nn.Module, fields: Sequence[Array], normaliser: _Normaliser) -> Tensor:
    """The network's output (N, outputs) for fields of any shape, as `classify_map` takes it.

    Averaged over the eight turns: a score in one orientation says as much of that orientation as of the network.
    """
    outputs = []
    for first in range(0, len(fields), 64):
        images = np.stack([network_input(field, normaliser) for field in fields[first : first + 64]])
        outputs.append(torch.from_numpy(run(network, images, device="cpu", average_turns=True, progress=False)))
    return torch.cat(outputs)


def share(name: str, data: str, outcomes: Array) -> list[dict[str, Any]]:
    """The score of outcomes (true or false); none where there is no case."""
    return [proportion_score(name, data, int(outcomes.sum()), outcomes.size)] if outcomes.size else []


def truth_of(patches: Sequence[Patch]) -> npt.NDArray[np.int64]:
    """The index of each patch's class."""
    return np.array([CLASSES.index(patch.label) for patch in patches], dtype=np.int64)


def right_answers(patches: Sequence[Patch], logits: Array) -> Array:
    """Whether the most probable class is the label, for each patch."""
    return logits[:, : len(CLASSES)].argmax(axis=1) == truth_of(patches)


def score_patches(patches: Sequence[Patch], logits: Array, data: str) -> dict[str, Any]:
    """Accuracy with and without limb patches, confusion matrix, precision and recall, and feature scores."""
    right = right_answers(patches, logits)
    limb = np.array([patch.at_limb for patch in patches], dtype=bool)
    predicted = torch.from_numpy(logits[:, : len(CLASSES)].argmax(axis=1))
    matrix = confusion_matrix(torch.from_numpy(truth_of(patches)), predicted, len(CLASSES))
    features = logits[:, len(CLASSES) : len(CLASSES) + len(FEATURES)]
    return {
        "metrics": [
            *share("accuracy", data, right),
            *share("accuracy without limb patches", data, right[~limb]),
            *share("accuracy of limb patches", data, right[limb]),
            *class_scores(matrix, CLASSES, data),
            *_feature_scores(features > 0, patches, data),
        ],
        "confusion": {"data": data, "classes": list(CLASSES), "counts": matrix.tolist()},
    }


def _feature_scores(said: Array, patches: Sequence[Patch], data: str) -> list[dict[str, Any]]:
    """Precision and recall of each feature that occurs, where it is known whether it is there."""
    present = np.array([patch.present for patch in patches])
    scores = []
    for index, name in enumerate(FEATURES):
        known = np.isfinite(present[:, index])
        there, yes = present[known, index] == 1, said[known, index]
        if there.any():
            scores += share(f"feature precision of {name}", data, there[yes])
            scores += share(f"feature recall of {name}", data, yes[there])
    return scores
