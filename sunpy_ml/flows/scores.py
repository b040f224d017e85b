"""How well motion is found where it is known, on images and flows that were not trained on, beside what is simpler."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sunpy_ml.flows.heldout import CORRELATIONS, moved_pairs, same_flow_pairs, shifted_pair
from sunpy_ml.flows.material import Pair, convection_pairs
from sunpy_ml.flows.methods import Method, correlation_tracking, network_answer, optical_flow, probable_displacement
from sunpy_ml.flows.networks import ShiftNetwork
from sunpy_ml.simulation.convection import ConvectionRun

__all__ = ["EDGE", "score"]

Array = npt.NDArray[Any]
Scores = list[dict[str, Any]]

#: Pixels at the edges of a pair that are not scored.
EDGE = 24
#: Windows in Mm and radii in pixels, of which the best on the very data stands for its method.
WINDOWS, RADII = (0.2, 0.3, 0.45, 0.6, 0.9, 1.5), (5, 9)
_RESAMPLINGS = 2000
_TEXTURES = {"MHD": "MHD granulation, other rows", "SUN": "SUNRISE/IMaX, left half", "DKI": "DKIST granulation"}
# Averages of 30 minutes.
_AVERAGED = 60
_SPEEDS, _DIRECTIONS = (0.5, 1.0, 2.0, 3.0), 8


def score(network: ShiftNetwork, data: Path, run: ConvectionRun) -> Scores:
    """All scores of the card.

    Parameters
    ----------
    network : ShiftNetwork
        Trained.
    data : pathlib.Path
        As `sunpy_ml.flows.sources.sources` takes it.
    run : ConvectionRun
        Of which the last ten minutes were not trained on.

    Returns
    -------
    list of dict
        ``name``, ``data``, ``n``, ``value`` and, where pairs can be drawn again, ``interval`` (95 %, bootstrap).
    """
    answer = partial(network_answer, network)
    scores: Scores = []
    for texture in ("MHD", "SUN"):
        for band in ("0.8-4 Mm", "0.8-24 Mm"):
            for correlation in CORRELATIONS:
                label = f"{_TEXTURES[texture]}, flows of {band}, 1 km/s rms, 30 s, residual correlation {correlation}"
                scores += _compared(list(moved_pairs(data, texture, band, correlation)), answer, label)
    scores += _slopes(list(same_flow_pairs(data, "4-24 Mm", 0.985, _AVERAGED)), answer)
    for texture in ("SUN", "DKI"):
        scores += _uniform(data, texture, answer) + _still(data, texture, answer)
    scores += _turned(next(iter(moved_pairs(data, "MHD", "0.8-24 Mm", 0.985))), answer)
    return scores + _compared(
        list(convection_pairs(run, "test", strides=(2,))),
        answer,
        "convection, last 10 minutes, plasma at tau = 1, 30 s",
    )


def _inner(pair: Pair) -> Tensor:
    known = pair.known.clone()
    known[:EDGE] = known[-EDGE:] = known[:, :EDGE] = known[:, -EDGE:] = False
    return known


def _errors(found: Sequence[Tensor], pairs: Sequence[Pair]) -> Array:
    """Rms error of each pair in km/s."""
    differences = [(answer[:2] - pair.velocity)[:, _inner(pair)] for answer, pair in zip(found, pairs, strict=True)]
    return np.array([float(part.square().sum(dim=0).mean().sqrt()) for part in differences])


def _correlations(found: Sequence[Tensor], pairs: Sequence[Pair]) -> Array:
    return np.array(
        [
            np.corrcoef(answer[:2][:, _inner(pair)].flatten(), pair.velocity[:, _inner(pair)].flatten())[0, 1]
            for answer, pair in zip(found, pairs, strict=True)
        ]
    )


def _compared(pairs: Sequence[Pair], network: Method, label: str) -> Scores:
    """The network beside correlation tracking and optical flow, each at its best window."""
    methods: Mapping[str, Mapping[str, Method]] = {
        "lct_flow": {f"window of {window} Mm": correlation_tracking(window) for window in WINDOWS},
        "the most probable displacement": {"nothing learned": probable_displacement},
        "optical flow (ILK)": {f"radius of {radius} px": optical_flow(radius) for radius in RADII},
    }
    own = [network(pair) for pair in pairs]
    error = _errors(own, pairs)
    scores = [_mean("rms error (km/s)", label, error), _mean("correlation", label, _correlations(own, pairs))]
    for name, choices in methods.items():
        found = {window: [method(pair) for pair in pairs] for window, method in choices.items()}
        best = min(found, key=lambda window: float(np.square(_errors(found[window], pairs)).mean()))
        others = _errors(found[best], pairs)
        told = f"{name}, {best}"
        scores += [
            _mean(f"rms error of {told} (km/s)", label, others),
            _mean(f"correlation of {told}", label, _correlations(found[best], pairs)),
            _ratio(f"rms error over that of {name}", label, error, others),
        ]
    return scores + _calibration(own, pairs, label)


def _calibration(found: Sequence[Tensor], pairs: Sequence[Pair], label: str) -> Scores:
    relative = [
        ((answer[:2] - pair.velocity) / answer[2:])[:, _inner(pair)] for answer, pair in zip(found, pairs, strict=True)
    ]
    return [
        _mean(
            "error over its standard deviation (rms)",
            label,
            np.array([float(r.square().mean().sqrt()) for r in relative]),
        ),
        _mean(
            "errors within one standard deviation",
            label,
            np.array([float((r.abs() < 1).float().mean()) for r in relative]),
        ),
    ]


def _slopes(pairs: Sequence[Pair], network: Method) -> Scores:
    """Of the mean over pairs that one flow moves."""
    label = f"MHD granulation, other rows, a flow of 4-24 Mm, mean of {len(pairs)} independent pairs (30 minutes)"
    known = torch.stack([_inner(pair) for pair in pairs]).all(dim=0)
    truth = pairs[0].velocity[:, known]
    methods = {"": network} | {
        f" of lct_flow, window of {width} Mm": correlation_tracking(width) for width in (1.0, 1.5)
    }
    scores: Scores = []
    for name, method in methods.items():
        mean = torch.stack([method(pair)[:2] for pair in pairs]).mean(dim=0)[:, known]
        slope = float((mean * truth).sum() / truth.square().sum())
        error = float((mean - truth).square().sum(dim=0).mean().sqrt())
        scores += [
            _single(f"slope{name}", label, slope, len(pairs)),
            _single(f"rms error{name} (km/s)", label, error, len(pairs)),
        ]
    return scores


def _uniform(data: Path, texture: str, network: Method) -> Scores:
    """Shifts of a whole image in all directions: how far the mean is off, and the spread about it."""
    label = f"{_TEXTURES[texture]}, uniform shifts of 0.5 to 3 km/s in {_DIRECTIONS} directions, 30 s, noise 0.5 %"
    off, about = [], []
    for speed in _SPEEDS:
        for direction in range(_DIRECTIONS):
            angle = 2 * math.pi * direction / _DIRECTIONS
            pair = shifted_pair(data, texture, (speed * math.cos(angle), speed * math.sin(angle)), 0.005, direction)
            found, truth = (image[:2][:, _middle(pair)] for image in (network(pair), pair.velocity))
            mean = found.mean(dim=1)
            off.append(float(torch.linalg.vector_norm(mean - truth[:, 0])) / speed)
            about.append(float((found - mean[:, None]).square().sum(dim=0).mean().sqrt()))
    return [
        _single("largest error of the mean over the speed", label, max(off), len(off)),
        _mean("rms about the mean (km/s)", label, np.array(about)),
    ]


def _still(data: Path, texture: str, network: Method) -> Scores:
    label = f"{_TEXTURES[texture]}, the same scene with independent noise of 1 %, 30 s"
    pairs = [shifted_pair(data, texture, (0.0, 0.0), 0.01, seed) for seed in range(4)]
    found = [network(pair)[:2][:, _middle(pair)] for pair in pairs]
    return [
        _single(
            "largest mean (m/s)", label, 1e3 * max(float(part.mean(dim=1).abs().max()) for part in found), len(found)
        ),
        _mean("rms (m/s)", label, np.array([1e3 * float(part.square().sum(dim=0).mean().sqrt()) for part in found])),
    ]


def _middle(pair: Pair) -> Tensor:
    # The DKIST image is 60 pixels wide.
    edge = min(EDGE, min(pair.known.shape) // 6)
    known = pair.known.clone()
    known[:edge] = known[-edge:] = known[:, :edge] = known[:, -edge:] = False
    return known


def _turned(pair: Pair, network: Method) -> Scores:
    """How much the answer depends on the orientation."""
    label = "one pair of MHD granulation, other rows, in its eight orientations"
    straight = network(pair)[:2]
    differences = []
    for swapped in (False, True):
        for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):

            def turn(image: Tensor, swapped: bool = swapped, signs: tuple[int, int] = signs) -> Tensor:
                image = image.transpose(-1, -2) if swapped else image
                return image.flip([dim for dim, sign in zip((-1, -2), signs, strict=True) if sign < 0])

            turned = Pair(turn(pair.frames), pair.velocity, turn(pair.known), pair.pixel, pair.cadence)
            expected = turn(straight.flip(0) if swapped else straight) * torch.tensor(signs)[:, None, None]
            differences.append((network(turned)[:2] - expected)[:, _inner(turned)].square().sum(dim=0).mean())
    speed = straight[:, _inner(pair)].square().sum(dim=0).mean()
    return [
        _single(
            "rms difference between orientations over the rms speed", label, float((max(differences) / speed).sqrt()), 8
        )
    ]


def _single(name: str, data: str, value: float, n: int) -> dict[str, Any]:
    return {"name": name, "data": data, "value": round(value, 4), "n": n}


def _mean(name: str, data: str, values: Array) -> dict[str, Any]:
    return _with_interval(name, data, float(values.mean()), len(values), lambda drawn: values[drawn].mean(axis=1))


def _ratio(name: str, data: str, errors: Array, others: Array) -> dict[str, Any]:
    value = float(errors.mean() / others.mean())
    return _with_interval(
        name, data, value, len(errors), lambda drawn: errors[drawn].mean(axis=1) / others[drawn].mean(axis=1)
    )


def _with_interval(name: str, data: str, value: float, n: int, again: Any) -> dict[str, Any]:
    drawn = np.random.default_rng(0).integers(0, n, (_RESAMPLINGS, n))
    low, high = np.percentile(again(drawn), [2.5, 97.5])
    return {**_single(name, data, value, n), "interval": [round(float(low), 4), round(float(high), 4)]}
