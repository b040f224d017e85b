"""How good the ensemble is on patches that it was not trained on, beside what is simpler."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor, nn

from sunpy_ml.emergence.baselines import fit_regression, scalars, steepest_day
from sunpy_ml.emergence.networks import EmergenceEnsemble
from sunpy_ml.emergence.patch_files import Patches, read_chunks
from sunpy_ml.emergence.timing import steepest_rise
from sunpy_ml.emergence.video import CADENCE, UNSEEN
from sunpy_ml.training import calibration_score, proportion_score

__all__ = ["calibrate", "centre", "curves", "members", "score", "time_bias"]

Array = npt.NDArray[Any]

#: What is scored, and how the card calls it.
TESTS = {
    "test": "simulated pairs of other seeds",
    "elsewhere": "simulated pairs of other seeds, at scales of 0.085-0.10 and 0.25-0.30 deg per pixel, at which "
    "nothing was simulated for the training",
}
# Emergences in a part of which the time is scored, and on which the bias is fixed.
_TIMED = 40
_RESAMPLINGS = 2000
# Largest change that missing frames may make, and largest error of the time, in days.
_CHANGE, _ERROR = 0.1, 1.0
# Gauss around an emergence from which it is not isolated.
_ISOLATED = 15.0
# As many old regions crowd a patch.
_CROWDED = 4


def members(network: EmergenceEnsemble, blocks: Tensor) -> Array:
    """The probabilities (N, members) of patches, each the mean over the four views, as the verb asks for them."""
    return expit(_logits(network, blocks)).mean(axis=0)


@torch.inference_mode()
def _logits(network: EmergenceEnsemble, blocks: Tensor) -> Array:
    """The logits (views, N, members)."""
    parts = [torch.stack([network.of_blocks(view) for view in _views(part.float())]) for part in blocks.split(16)]
    return torch.cat(parts, dim=1).double().numpy()


@torch.inference_mode()
def curves(network: EmergenceEnsemble, blocks: Tensor) -> Array:
    """The probabilities (frames, members) of one patch that stands still from each frame on, as the verb asks for."""
    blocks = blocks.float().clone()
    blocks[:UNSEEN] = blocks[UNSEEN].clone()
    return torch.stack([network.held_of_blocks(view).sigmoid() for view in _views(blocks)]).double().mean(0).numpy()


def _views(blocks: Tensor) -> list[Tensor]:
    """Blocks (..., 2, rows, columns), with polarities or latitudes reversed, and with both."""
    turned = blocks.flip(-2)
    return [blocks, blocks.flip(-3), turned, turned.flip(-3)]


def calibrate(network: EmergenceEnsemble, patches: Patches) -> None:
    """Set the temperature by which the mean probability makes pairs most likely that were not trained on."""
    truth, logits = _truth(patches), _logits(network, patches.blocks)
    network.temperature.mul_(np.exp(_most_likely(logits, truth, constant=False)[1]))


@torch.inference_mode()
def centre(member: nn.Module, batches: Iterable[Mapping[str, Any]]) -> None:
    """Move the logits of a member by the constant that makes pairs most likely that it was not trained on.

    It learns from videos that stand still as well, among which an emergence is rarer than in pairs.
    """
    logits, truth = zip(*((member(batch["image"]), batch["truth"] > 0.5) for batch in batches), strict=True)
    together = torch.cat(logits).double().numpy()[np.newaxis, :, np.newaxis]
    last = cast(nn.Linear, cast(nn.Sequential, member.head)[-1])
    last.bias.add_(_most_likely(together, torch.cat(truth).numpy())[0])


def _most_likely(logits: Array, truth: Array, *, constant: bool = True) -> tuple[float, float]:
    """What to add to logits (views, N, members), and the logarithm of what to divide them by."""

    def surprise(unknown: Array) -> float:
        log_temperature, added = (*unknown, 0.0)[:2]
        probability = expit((logits + added) / np.exp(log_temperature)).mean(axis=(0, 2))
        return -float(np.log(np.where(truth, probability, 1 - probability).clip(1e-12)).mean())

    found = minimize(surprise, np.zeros(1 + constant), method="Nelder-Mead").x
    return (float(found[1]) if constant else 0.0), float(found[0])


def time_bias(network: EmergenceEnsemble, patches: Patches) -> float:
    """By how many days emergences are found too late, in the median."""
    return round(float(np.median(_time_errors(network, patches))), 3)


def score(
    network: EmergenceEnsemble, bias: float, training: Patches, files: Mapping[str, Sequence[Path]]
) -> list[dict[str, Any]]:
    """All scores of the card.

    Parameters
    ----------
    network : EmergenceEnsemble
        Calibrated.
    bias : float
        From `time_bias`.
    training : Patches
        What the network was trained on, for what it is compared with.
    files : mapping of str to sequence of pathlib.Path
        Of the parts ``"validation"``, ``"test"`` and ``"elsewhere"``.
    """
    paired = training.facts["kind"] != "quiet"
    regression = fit_regression(_scalars(training)[paired], _truth(training)[paired])
    block = network.config.block
    rise_bias = float(np.median(_rise_errors(read_chunks(files["validation"], block))))
    scores = []
    for part, data in TESTS.items():
        patches = read_chunks(files[part], block)
        truth, probability = _truth(patches), members(network, patches.blocks).mean(axis=1)
        right, simple = (probability > 0.5) == truth, (regression(_scalars(patches)) > 0.5) == truth
        scores += [
            _share("accuracy", data, right),
            _share("accuracy of a logistic regression on scalars of the flux curve", data, simple),
            _gain(right, simple, patches, data),
            calibration_score(np.stack([1 - probability, probability], axis=1), truth.astype(int), data),
        ]
        strata = ((name, chosen) for name, chosen in _strata(patches) if chosen.any())
        scores += [_share(f"accuracy, {name}", data, right[chosen]) for name, chosen in strata]
        scores += _robustness(network, files[part], patches, probability, data)
        scores += _times(network, patches, probability, bias, rise_bias, data)
    return scores


def _truth(patches: Patches) -> npt.NDArray[np.bool_]:
    return patches.facts["kind"] == "emerging"


def _scalars(patches: Patches) -> Array:
    names = ("curve", "cosines", "noise", "missing", "mu")
    return np.array([scalars(*each) for each in zip(*(patches.facts[name] for name in names), strict=True)])


def _share(name: str, data: str, outcomes: Array) -> dict[str, Any]:
    return proportion_score(name, data, int(outcomes.sum()), outcomes.size)


def _strata(patches: Patches) -> Iterator[tuple[str, Array]]:
    """Pairs by what is true of the emergence: both of a pair belong to its stratum."""
    facts = patches.facts
    new = {name: np.empty(len(facts["seed"])) for name in ("around", "longitude", "flux")}
    for first, *others in patches.pairs():
        for name, values in new.items():
            values[[first, *others]] = facts[name][first]
    yield "isolated", new["around"] < _ISOLATED
    yield "inside or beside an old region", new["around"] >= _ISOLATED
    yield "more than 45 degrees from the central meridian", np.abs(new["longitude"]) > 45
    yield "under 1e21 Mx", new["flux"] < 1e21
    yield "1e21 Mx and more", new["flux"] >= 1e21
    yield f"fewer than {_CROWDED} old regions in the mean", facts["old_regions"] < _CROWDED
    yield f"{_CROWDED} old regions or more in the mean", facts["old_regions"] >= _CROWDED
    yield "poleward of 30 degrees, where nothing was trained on", np.abs(facts["latitude"]) > 30


def _gain(right: Array, simple: Array, patches: Patches, data: str) -> dict[str, Any]:
    """How much more often the network is right, with an interval over pairs."""
    gains = np.array([np.mean(right[list(pair)].astype(float) - simple[list(pair)]) for pair in patches.pairs()])
    return _with_interval("accuracy gained over the logistic regression", data, gains, np.mean)


def _with_interval(name: str, data: str, values: Array, statistic: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    drawn = [statistic(values[rng.integers(len(values), size=len(values))]) for _ in range(_RESAMPLINGS)]
    interval = [round(float(limit), 4) for limit in np.percentile(drawn, [2.5, 97.5])]
    return {
        "name": name,
        "data": data,
        "n": len(values),
        "value": round(float(statistic(values)), 4),
        "interval": interval,
    }


def _robustness(
    network: EmergenceEnsemble, files: Sequence[Path], patches: Patches, probability: Array, data: str
) -> list[dict[str, Any]]:
    called = {"random": "at random", "gaps": "in gaps of 2 to 12 hours, none at the emergence"}
    scores = []
    for name, way in called.items():
        thinned = read_chunks(files, network.config.block, name=name)
        change = np.abs(members(network, thinned.blocks).mean(axis=1) - probability)
        what = f"probability changed by at most {_CHANGE} by 30 % missing frames {way}"
        scores.append(_share(what, data, change <= _CHANGE))
    return scores


def _times(
    network: EmergenceEnsemble, patches: Patches, probability: Array, bias: float, rise_bias: float, data: str
) -> list[dict[str, Any]]:
    """Errors of the time, in days, of emergences that are found, and what the steepest rise of the flux gives."""
    errors, found = _time_errors(network, patches) - bias, probability[_truth(patches)][:_TIMED] > 0.5
    rises = _rise_errors(patches)[:_TIMED] - rise_bias
    scores = [
        _share("time within 1 day, of all emergences", data, np.abs(errors) <= _ERROR),
        _share("time within 1 day by the steepest rise of the flux, of all emergences", data, np.abs(rises) <= _ERROR),
    ]
    if not found.any():
        return scores
    scores.append(_share("time within 1 day, of the emergences found", data, np.abs(errors[found]) <= _ERROR))
    for name, percent in (("5 %", 5), ("median", 50), ("95 %", 95)):
        what = f"error of the time of the emergences found (days), {name}"
        scores.append(_with_interval(what, data, errors[found], lambda values, at=percent: np.percentile(values, at)))
    return scores


def _time_errors(network: EmergenceEnsemble, patches: Patches) -> Array:
    """Days by which the first emergences are found too late, without any correction."""
    chosen = np.flatnonzero(_truth(patches))[:_TIMED]
    frames = [steepest_rise(curves(network, patches.blocks[index])).frame for index in chosen]
    return np.array(frames) * (CADENCE / 86400) - patches.facts["tenth"][chosen]


def _rise_errors(patches: Patches) -> Array:
    chosen = _truth(patches)
    pairs = zip(patches.facts["curve"][chosen], patches.facts["cosines"][chosen], strict=True)
    return np.array([steepest_day(curve, cosines)[0] for curve, cosines in pairs]) - patches.facts["tenth"][chosen]
