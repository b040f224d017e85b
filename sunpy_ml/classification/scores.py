"""The scores of a classifier on labelled patches, as its card lists them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sunpy.map
import torch
from torch import Tensor, nn

from sunpy_ml.classification.augmentation import SIDE
from sunpy_ml.classification.patches import CLASSES, FEATURES, Patch
from sunpy_ml.inference import run
from sunpy_ml.observations.normalisation import NORMALISERS
from sunpy_ml.observations.resampling import resample
from sunpy_ml.training import class_scores, confusion_matrix, proportion_score

__all__ = ["predict", "score_everything"]

Array = npt.NDArray[Any]
_Normaliser = tuple[str, Mapping[str, float]]


def network_input(field: Array, normaliser: _Normaliser) -> Array:
    """A field as `classify_map` gives it to the network: resampled, then normalised."""
    image = resample(field, (SIDE, SIDE))
    name, constants = normaliser
    return NORMALISERS[name](image.ravel(), constants).apply(image)


def predict(network: nn.Module, fields: Sequence[Array], normaliser: _Normaliser) -> Tensor:
    """The network's output (N, classes + features) for fields of any shape, as `classify_map` takes it.

    Averaged over the eight turns: a score in one orientation says as much of that orientation as of the network.
    """
    outputs = []
    for first in range(0, len(fields), 64):
        images = np.stack([network_input(field, normaliser) for field in fields[first : first + 64]])
        outputs.append(torch.from_numpy(run(network, images, device="cpu", average_turns=True, progress=False)))
    return torch.cat(outputs)


def _shares(data: str, **outcomes: Array) -> list[dict[str, Any]]:
    """A score for each array of outcomes (true or false) that is not empty; underscores in names are spaces."""
    return [
        proportion_score(name.replace("_", " "), data, int(outcome.sum()), outcome.size)
        for name, outcome in outcomes.items()
        if outcome.size
    ]


def _coarse(factor: int) -> Callable[[Patch], Array]:
    def field(patch: Patch) -> Array:
        side = round(SIDE / factor)
        return resample(patch.field(), (side, side))

    return field


def _right(network: nn.Module, fields: Sequence[Array], patches: Sequence[Patch], normaliser: _Normaliser) -> Array:
    predicted = predict(network, fields, normaliser)[:, : len(CLASSES)].argmax(dim=1).numpy()
    return predicted == np.array([CLASSES.index(patch.label) for patch in patches])


def score_patches(network: nn.Module, patches: Sequence[Patch], normaliser: _Normaliser, data: str) -> dict[str, Any]:
    """Accuracy with and without limb patches, confusion matrix, precision and recall, and feature scores."""
    output = predict(network, [patch.field() for patch in patches], normaliser)
    truth = torch.tensor([CLASSES.index(patch.label) for patch in patches])
    predicted = output[:, : len(CLASSES)].argmax(dim=1)
    right = (predicted == truth).numpy()
    limb = np.array([patch.at_limb for patch in patches])
    sure = np.array([patch.confidence > 1 for patch in patches])
    matrix = confusion_matrix(truth, predicted, len(CLASSES))
    metrics = [
        *_shares(
            data,
            accuracy=right,
            accuracy_without_limb_patches=right[~limb],
            accuracy_of_limb_patches=right[limb],
            accuracy_where_labels_are_sure=right[sure],
        ),
        *class_scores(matrix, CLASSES, data),
        *_feature_scores(output[:, len(CLASSES) :] > 0, patches, data),
    ]
    wrong = [
        {"name": patch.name, "label": patch.label, "predicted": CLASSES[int(guess)], "confidence": patch.confidence}
        for patch, guess, good in zip(patches, predicted, right, strict=True)
        if not good
    ]
    return {
        "metrics": metrics,
        "confusion": {"data": data, "classes": list(CLASSES), "counts": matrix.tolist()},
        "wrong": wrong,
    }


def _feature_scores(said: Tensor, patches: Sequence[Patch], data: str) -> list[dict[str, Any]]:
    """Precision and recall of each feature that occurs, where it is known whether it is there."""
    present = np.array([patch.present for patch in patches])
    scores = []
    for index, name in enumerate(FEATURES):
        known = np.isfinite(present[:, index])
        there, yes = present[known, index] == 1, said[known, index].numpy()
        if there.any():
            said_and_there = {f"feature_precision_of_{name}": there[yes], f"feature_recall_of_{name}": yes[there]}
            scores += _shares(data, **said_and_there)
    return scores


def _sot_fields(folder: Path) -> list[Array]:
    return [sunpy.map.Map(path).data.astype(np.float32) for path in sorted(folder.glob("*.fits.gz"))]


def score_everything(
    network: nn.Module,
    normaliser: _Normaliser,
    gong: Sequence[Patch],
    sdo: Sequence[Patch],
    simulated: Sequence[Patch],
    sot: Path,
) -> dict[str, Any]:
    """All the figures of the card, from patches of test dates and simulated ones of their own."""
    real = [patch for patch in gong if patch.source == "gong" and patch.label != "flares"]
    name = "GONG H-alpha patches, 2011 May 17 to June 25"
    parts = [score_patches(network, real, normaliser, name)]
    views: dict[str, Callable[[Patch], Array]] = {
        "3 times coarser": _coarse(3),
        "8 times coarser": _coarse(8),
        "half the field": lambda patch: patch.field(0.5),
        "twice the field": lambda patch: patch.field(2.0),
    }
    for view, field in views.items():
        right = _right(network, [field(patch) for patch in real], real, normaliser)
        parts.append({"metrics": _shares(f"{name}, {view}", accuracy=right)})
    for source, title in (("aia_304", "SDO/AIA 304 A"), ("hmi_ic", "SDO/HMI intensity")):
        chosen = [patch for patch in sdo if patch.source == source]
        parts.append(score_patches(network, chosen, normaliser, f"{title} browse images, 2011 February"))
    for source, title in (
        ("gong-flare", "flares simulated on GONG images of test dates"),
        ("simulated", "simulated H-alpha scenes"),
    ):
        chosen = [patch for patch in simulated if patch.source == source]
        parts.append(score_patches(network, chosen, normaliser, title))
    output = predict(network, _sot_fields(sot), normaliser)[:, : len(CLASSES)].softmax(dim=1)
    spots = output.argmax(dim=1).numpy() == CLASSES.index("sunspots")
    parts.append({"metrics": _shares("Hinode/SOT Fe I 5576, one sunspot", sunspots_found=spots)})
    return {
        "metrics": [metric for part in parts for metric in part["metrics"]],
        "confusion": [part["confusion"] for part in parts if "confusion" in part],
        "wrong": parts[0]["wrong"],
        "sot_probabilities": [[round(float(value), 4) for value in row] for row in output],
    }
