"""From a trained network and the answers of a cross-validation to calibrated weights and the scores of their card."""

import copy
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sunpy.map
import torch
from scipy.special import expit, logit, softmax
from torch import nn

from sunpy_ml.classification.augmentation import SIDE
from sunpy_ml.classification.batches import NORMALISER
from sunpy_ml.classification.crossvalidation import Answered, Pool
from sunpy_ml.classification.other_kinds import read_other_kinds
from sunpy_ml.classification.patches import CLASSES, read_rows
from sunpy_ml.classification.scores import predict, right_answers, score_patches, share, truth_of
from sunpy_ml.observations.resampling import resample
from sunpy_ml.training import calibration_score, fit_temperature

__all__ = ["UNFAMILIAR_ABOVE", "finish"]

Array = npt.NDArray[Any]

#: Share of familiar fields that may look unfamiliar.
_FALSE_ALARMS = 0.04
#: What the card gives as ``output.unfamiliar_above``; the weights are shifted so that it holds.
UNFAMILIAR_ABOVE = 0.5
#: The least probabilities for which the card tells how many fields are decided, and how rightly.
_CONFIDENCES = (0.6, 0.8, 0.9)
_CHOSEN = "GONG H-alpha fields chosen for a feature, four blocks of dates in turn"
_ALL = "GONG H-alpha fields, chosen and on a grid, four blocks of dates in turn"
_SDO = {"aia_304": "SDO/AIA 304 A browse images", "hmi_ic": "SDO/HMI intensity browse images"}


def finish(network: nn.Module, pool: Pool, data: Path, seed: int) -> tuple[nn.Module, dict[str, Any]]:
    """A calibrated copy of the network that was trained on everything, and all the figures of its card.

    What needs labels is measured by the cross-validation; images of other kinds and the Hinode/SOT files, of which no
    network saw any, by the network itself.
    """
    gong = pool.gong.only(lambda patch: patch.confidence > 1)
    finished = copy.deepcopy(network).eval()
    with torch.no_grad():
        temperature = fit_temperature(_classes(gong.logits), truth_of(gong.patches))
        finished.classes.weight /= temperature
        finished.classes.bias /= temperature
        finished.unfamiliar.bias -= _threshold(pool) - float(logit(UNFAMILIAR_ABOVE))
    chosen = gong.only(lambda patch: patch.source == "gong")
    parts = [
        score_patches(chosen.patches, chosen.logits, _CHOSEN),
        score_patches(gong.patches, gong.logits, _ALL),
        {"metrics": _grid_and_doubtful(pool.gong)},
        {"metrics": _views(pool)},
        *(_sdo(pool.sdo, channel) for channel in _SDO),
        *_simulated(pool.made),
        {"metrics": _calibration(gong)},
        {"metrics": _false_alarms(pool)},
        {"metrics": _other_kinds(finished, data, seed)},
        {"metrics": _hinode(finished, data / "hinode_sot")},
    ]
    wrong = ~right_answers(gong.patches, gong.logits)
    guesses = gong.logits[:, : len(CLASSES)].argmax(axis=1)
    return finished, {
        "metrics": [metric for part in parts for metric in part["metrics"]],
        "confusion": [part["confusion"] for part in parts if "confusion" in part],
        "temperature": temperature,
        "wrong": [
            {"name": patch.name, "source": patch.source, "label": patch.label, "predicted": CLASSES[guess]}
            for patch, guess, bad in zip(gong.patches, guesses, wrong, strict=True)
            if bad
        ],
    }


def _classes(logits: Array) -> Array:
    return logits[:, : len(CLASSES)]


def _familiar(pool: Pool) -> list[Answered]:
    """Each source by itself, so that none drowns the others."""
    return [pool.gong, *(pool.sdo.only(lambda patch, own=channel: patch.source == own) for channel in _SDO)]


def _threshold(pool: Pool) -> float:
    """The logit that the wanted share of familiar fields exceeds, in the source where it is highest."""
    return max(float(np.quantile(source.logits[:, -1], 1 - _FALSE_ALARMS)) for source in _familiar(pool))


def _without(answered: Answered, block: str, *, other: bool) -> Answered:
    keep = (answered.blocks != block) if other else (answered.blocks == block)
    patches = [patch for patch, own in zip(answered.patches, keep, strict=True) if own]
    return Answered(patches, answered.logits[keep], answered.blocks[keep])


def _false_alarms(pool: Pool) -> list[dict[str, Any]]:
    """How many familiar fields are called unfamiliar, by the threshold of the other blocks."""
    scores = []
    for source, name in zip(_familiar(pool), (_ALL, *_SDO.values()), strict=True):
        alarms = []
        for block in np.unique(source.blocks):
            others = Pool(
                _without(pool.gong, block, other=True), _without(pool.sdo, block, other=True), pool.views, pool.made
            )
            alarms.append(_without(source, block, other=False).logits[:, -1] > _threshold(others))
        scores += share("called unfamiliar", name, np.concatenate(alarms))
    return scores


def _other_kinds(network: nn.Module, data: Path, seed: int) -> list[dict[str, Any]]:
    flagged = {
        kind: expit(predict(network, fields, NORMALISER).numpy()[:, -1]) > UNFAMILIAR_ABOVE
        for kind, fields in read_other_kinds(data, seed).items()
    }
    everything = np.concatenate(list(flagged.values()))
    scores = [score for kind, flags in flagged.items() for score in share("called unfamiliar", kind, flags)]
    return [*scores, *share("called unfamiliar", "all these other kinds", everything)]


def _grid_and_doubtful(gong: Answered) -> list[dict[str, Any]]:
    grid = gong.only(lambda patch: patch.source == "gong-grid" and patch.confidence > 1)
    everything = share("accuracy", f"{_ALL}, doubtful labels included", right_answers(gong.patches, gong.logits))
    grid_name = "GONG H-alpha fields on a grid, four blocks of dates in turn"
    return [*share("accuracy", grid_name, right_answers(grid.patches, grid.logits)), *everything]


def _views(pool: Pool) -> list[dict[str, Any]]:
    scores = []
    for view, answered in pool.views.items():
        chosen = answered.only(lambda patch: patch.source == "gong" and patch.confidence > 1)
        scores += share("accuracy", f"{_CHOSEN}, {view}", right_answers(chosen.patches, chosen.logits))
    return scores


def _sdo(sdo: Answered, channel: str) -> dict[str, Any]:
    """Against the boxes as they are, and against what was seen where the fields were looked at."""
    own = sdo.only(lambda patch: patch.source == channel)
    scores = score_patches(own.patches, own.logits, f"{_SDO[channel]}, four blocks of dates in turn, boxes as they are")
    seen = _looked_at()
    count: Counter[str] = Counter()
    raw, clear = [], []
    for patch, good, answer in zip(
        own.patches, right_answers(own.patches, own.logits), _classes(own.logits).argmax(axis=1), strict=True
    ):
        key = (channel, patch.name, str(count[patch.name]))
        count[patch.name] += 1
        if key in seen:
            raw.append(bool(good))
            if seen[key][1] == "1":
                clear.append(CLASSES[answer] == seen[key][0])
    february = f"{_SDO[channel]}, 2011 February"
    scores["metrics"] += share("accuracy", f"{february}, boxes as they are", np.array(raw))
    scores["metrics"] += share("accuracy", f"{february}, what is clear to the eye", np.array(clear))
    return scores


def _looked_at() -> dict[tuple[str, str, str], tuple[str, str]]:
    """What was seen, and whether surely, by channel, image and the number of the field in it."""
    path = resources.files("sunpy_ml.classification") / "labels" / "sdo_looked_at.csv"
    return {(row["channel"], row["image"], row["field"]): (row["seen"], row["sure"]) for row in read_rows(path)}


def _simulated(made: Answered) -> list[dict[str, Any]]:
    flares = made.only(lambda patch: patch.source == "gong-flare")
    drawn = made.only(lambda patch: patch.source == "simulated")
    return [
        score_patches(flares.patches, flares.logits, "flares simulated on GONG fields of the block"),
        score_patches(drawn.patches, drawn.logits, "simulated H-alpha scenes"),
    ]


def _calibration(gong: Answered) -> list[dict[str, Any]]:
    """Calibration and abstention, each block with the temperature of the others."""
    probabilities, truth = np.empty_like(_classes(gong.logits), dtype=np.float64), truth_of(gong.patches)
    for block in np.unique(gong.blocks):
        own = gong.blocks == block
        temperature = fit_temperature(_classes(gong.logits)[~own], truth[~own])
        probabilities[own] = softmax(_classes(gong.logits)[own].astype(np.float64) / temperature, axis=1)
    scores = [calibration_score(probabilities, truth, _ALL)]
    right, sure = probabilities.argmax(axis=1) == truth, probabilities.max(axis=1)
    for least in _CONFIDENCES:
        decided = sure >= least
        scores += share(f"decided at a probability of {least}", _ALL, decided)
        scores += share(f"accuracy of those decided at {least}", _ALL, right[decided])
    return scores


def _hinode(network: nn.Module, folder: Path) -> list[dict[str, Any]]:
    name = "Hinode/SOT Fe I 5576, one sunspot"
    fields = [sunpy.map.Map(path).data.astype(np.float32) for path in sorted(folder.glob("*.fits.gz"))]
    coarse = [resample(field, (round(SIDE / 3), round(SIDE / 3))) for field in fields]
    scores = []
    for data, shown in ((name, fields), (f"{name}, 3 times coarser", coarse)):
        found = _classes(predict(network, shown, NORMALISER).numpy()).argmax(axis=1) == CLASSES.index("sunspots")
        scores += share("sunspots found", data, found)
    return scores
