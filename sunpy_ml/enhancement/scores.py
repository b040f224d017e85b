"""How good a deconvolution is, on pairs that it was not trained on, beside what is simpler."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import torch
from scipy.fft import fft2, fftfreq
from scipy.signal.windows import hann
from skimage.metrics import structural_similarity
from torch import nn

from sunpy_ml.enhancement.networks import DeconvolutionNetwork
from sunpy_ml.enhancement.pairs import Pair
from sunpy_ml.optics import IDEAL_28CM

__all__ = ["EDGE", "calibrate", "network_answer", "score_pairs"]

Array = npt.NDArray[Any]

#: Pixels of HMI at the edges of a pair that are not scored, since their surroundings are not in it.
EDGE = 12
_RESAMPLINGS = 2000
# Where coherence is told, and half the width of the rings that it is taken over, per arcsec. HMI's limit is at 1.1.
_FREQUENCIES, _BAND = (0.5, 0.8, 1.1, 1.4), 0.05
_PIXEL = float(IDEAL_28CM.pixel.to_value(u.arcsec / u.pix))


def score_pairs(
    pairs: Sequence[Pair], methods: Mapping[str, Callable[[Array], Array]], data: str, *, noise: float, seed: int = 0
) -> list[dict[str, Any]]:
    """Scores of a card: of each method on the same noisy images.

    Parameters
    ----------
    pairs : sequence of Pair
        Of one size.
    methods : mapping of str to callable
        From an image (H, W) to the answer (2H, 2W); ``"network"`` and ``"bicubic"`` among them. What the network gives
        may have a second channel, its standard deviation.
    data : str
        What the pairs are.
    noise : float
        Standard deviation that is added.
    seed : int
        Of the noise.

    Returns
    -------
    list of dict
        ``name``, ``data``, ``n``, ``value`` and, where pairs can be drawn again, ``interval`` (95 %, bootstrap).
    """
    rng = np.random.default_rng(seed)
    images = [pair.seen + rng.normal(0, noise, pair.seen.shape).astype(np.float32) for pair in pairs]
    targets = np.stack([_inner(pair.target) for pair in pairs])
    answers, deviation = {}, None
    for name, method in methods.items():
        found = np.stack([method(image) for image in images])
        if found.ndim == 4:
            found, deviation = found[:, 0], _inner(found[:, 1])
        answers[name] = _inner(found)
    scores = _distances(answers, targets, data) + _contrasts(answers["network"], targets, data)
    scores += _coherences(answers["network"], targets, data)
    if deviation is not None:
        scores += _calibration(answers["network"] - targets, deviation, data)
    return scores


def _inner(image: Array) -> Array:
    return image[..., 2 * EDGE : -2 * EDGE, 2 * EDGE : -2 * EDGE]


def _distances(answers: Mapping[str, Array], targets: Array, data: str) -> list[dict[str, Any]]:
    spread = float(targets.max() - targets.min())
    errors = {name: np.mean((answer - targets) ** 2, axis=(1, 2)) for name, answer in answers.items()}
    scores = []
    for name, error in errors.items():
        similar = [
            structural_similarity(answer, target, data_range=spread)
            for answer, target in zip(answers[name], targets, strict=True)
        ]
        scores.append(_mean(f"PSNR of {name} (dB)", data, 10 * np.log10(spread**2 / error)))
        scores.append(_mean(f"SSIM of {name}", data, np.array(similar)))
        if name != "bicubic":
            scores.append(_mean(f"gain of {name} over bicubic (dB)", data, 10 * np.log10(errors["bicubic"] / error)))
    return scores


def _contrasts(answer: Array, targets: Array, data: str) -> list[dict[str, Any]]:
    shares = [found.std() / target.std() for found, target in zip(answer, targets, strict=True)]
    return [_mean("contrast over that of the target", data, np.array(shares))]


def _coherences(answer: Array, targets: Array, data: str) -> list[dict[str, Any]]:
    """How much of the answer's structure is the target's, about some spatial frequencies."""
    side = targets.shape[-1]
    window = np.outer(hann(side), hann(side))
    first, second = (
        fft2((images - images.mean(axis=(1, 2), keepdims=True)) * window, axes=(1, 2)) for images in (answer, targets)
    )
    along = fftfreq(side, _PIXEL)
    frequency = np.hypot(along[:, np.newaxis], along)
    scores = []
    for middle in _FREQUENCIES:
        near = np.abs(frequency - middle) < _BAND
        cross = (first * second.conj()).real[:, near].sum(axis=1)
        power = (np.abs(first) ** 2)[:, near].sum(axis=1) * (np.abs(second) ** 2)[:, near].sum(axis=1)
        scores.append(_mean(f"coherence with the target at {middle} per arcsec", data, cross / np.sqrt(power)))
    return scores


def _calibration(error: Array, deviation: Array, data: str) -> list[dict[str, Any]]:
    relative = error / deviation
    within = np.mean(np.abs(relative) < 1, axis=(1, 2))
    return [
        _mean("error over its standard deviation (rms)", data, np.sqrt(np.mean(relative**2, axis=(1, 2)))),
        _mean("errors within one standard deviation", data, within),
        _mean("errors within two standard deviations", data, np.mean(np.abs(relative) < 2, axis=(1, 2))),
    ]


def _mean(name: str, data: str, values: Array) -> dict[str, Any]:
    """A mean with its bootstrap interval."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (_RESAMPLINGS, len(values))).mean(axis=1)
    interval = [round(float(limit), 4) for limit in np.percentile(means, [2.5, 97.5])]
    return {"name": name, "data": data, "n": len(values), "value": round(float(values.mean()), 4), "interval": interval}


def network_answer(network: nn.Module) -> Callable[[Array], Array]:
    """A network as a function of images (H, W), to (channels, 2H, 2W)."""

    def answer(image: Array) -> Array:
        with torch.inference_mode():
            return network(torch.from_numpy(image)[None, None])[0].numpy()

    return answer


def calibrate(
    network: DeconvolutionNetwork, pairs: Sequence[Pair], chances: Array, *, noise: float, seed: int, number: int = 60
) -> None:
    """Multiply the deviations of a network so that the errors are as large as they say, over some pairs."""
    rng = np.random.default_rng(seed)
    answer, squares = network_answer(network), []
    for index in rng.choice(len(pairs), number, p=chances):
        pair = pairs[index]
        found, deviation = _inner(answer(pair.seen + rng.normal(0, noise, pair.seen.shape).astype(np.float32)))
        squares.append(np.mean(((found - _inner(pair.target)) / deviation) ** 2))
    network.spread_factor.mul_(float(np.sqrt(np.mean(squares))))
