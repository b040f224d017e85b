"""How the embedded weights of this domain are made: data, network, loss, optimiser, and the scores of the cards.

Run it by::

    sunpy-ml train enhance-continuum --data DIR --out DIR
    sunpy-ml train enhance-magnetogram --data DIR --out DIR

The data folder holds ``high_resolution`` (an MHD snapshot, SUNRISE/IMaX, GST/NIRIS), ``hinode_sot`` and ``hmi_sharp``.
Each makes ``<name>.safetensors``, all scores in ``<name>.metrics.json``, and the completed card ``<name>.toml``.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from sunpy import log

from sunpy_ml.enhancement.baselines import best_iterations, interpolated, lucy, wiener_answer
from sunpy_ml.enhancement.batches import Batches
from sunpy_ml.enhancement.loss import DeconvolutionLoss
from sunpy_ml.enhancement.material import CONTINUUM, MAGNETOGRAM, Problem
from sunpy_ml.enhancement.networks import DeconvolutionNetwork
from sunpy_ml.enhancement.pairs import Pair
from sunpy_ml.enhancement.scores import calibrate, network_answer, score_pairs
from sunpy_ml.enhancement.wiener import RadialWiener, fit_wiener
from sunpy_ml.training import NetworkTraining, complete_card, fit, one_thread

__all__ = ["RECIPES", "make", "train"]

EPOCHS, STEPS, BATCH, CROP = 60, 100, 4, 96


def train(
    problem: Problem,
    pairs: Sequence[Pair],
    wiener: RadialWiener,
    out: Path,
    *,
    epochs: int = EPOCHS,
    steps: int = STEPS,
    seed: int = 0,
    resume: bool = False,
) -> DeconvolutionNetwork:
    """Train a `DeconvolutionNetwork` whose linear stage is a Wiener filter, which stays as it is."""
    torch.manual_seed(seed)
    # Images and their negatives are shown alike, so that oddness is enforced once the training is over.
    config = DeconvolutionNetwork.Config(level=problem.level, contrast=problem.contrast)
    network = DeconvolutionNetwork(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.linear.kernels.data = torch.from_numpy(wiener.kernels(config.radius))
    network.linear.requires_grad_(requires_grad=False)
    batches = Batches(pairs, problem.chances(list(pairs)), problem.noise, problem.odd, steps, BATCH, CROP, seed)
    module = NetworkTraining(
        network,
        DeconvolutionLoss(CROP, scale=problem.error),
        steps=epochs * steps,
        learning_rate=2e-3,
        weight_decay=0.01,
    )
    trained = fit(module, batches, epochs=epochs, out=out, resume=resume, precision="bf16-mixed", gradient_clip_val=1.0)
    odd = DeconvolutionNetwork(replace(config, odd=problem.odd))
    odd.load_state_dict(trained.state_dict())
    return odd.eval()


@one_thread()
def make(problem: Problem, data: Path, out: Path, *, epochs: int = EPOCHS, seed: int = 0, resume: bool = False) -> Path:
    """Make the pairs, train, compare with what is simpler, and write weights, scores and card.

    Parameters
    ----------
    problem : Problem
        Continuum images or magnetograms.
    data, out : pathlib.Path
        Folder of the images, and folder of the outcome.
    epochs, seed : int, optional
        Fixed beforehand; the defaults made the embedded weights.
    resume : bool, optional
        Go on from the last checkpoint in ``out``.

    Returns
    -------
    pathlib.Path
        The weights file.
    """
    pairs = problem.training_pairs(data, seed)
    log.info(f"{problem.name}: {len(pairs)} pairs")
    wiener = fit_wiener(pairs, chances=problem.chances(pairs), noise=problem.noise, level=problem.level, seed=seed)
    network = train(problem, pairs, wiener, out / problem.name, epochs=epochs, seed=seed, resume=resume)
    calibrate(network, pairs, problem.chances(pairs), noise=problem.noise, seed=seed)
    scores = {"metrics": score(problem, network, pairs, data, seed)}
    weights = out / f"{problem.name}.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, weights)
    (out / f"{problem.name}.metrics.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    card = Path(str(resources.files("sunpy_ml.weights") / "cards" / f"{problem.name}.toml"))
    complete_card(card, weights, scores, out / card.name)
    return weights


def score(
    problem: Problem, network: DeconvolutionNetwork, pairs: Sequence[Pair], data: Path, seed: int
) -> list[dict[str, Any]]:
    """The scores of each group of test pairs at each noise; what has constants is fitted to the training pairs."""
    test = problem.test_pairs(data, seed)
    chances = problem.chances(list(pairs))
    some = np.random.default_rng(seed).choice(len(pairs), min(12, len(pairs)), replace=False, p=chances)
    scores = []
    for noise, called in problem.tests.items():
        wiener = fit_wiener(pairs, chances=chances, noise=noise, level=problem.level, seed=seed)
        methods = {
            "network": network_answer(network),
            "bicubic": partial(interpolated, method="bicubic"),
            "Lanczos": partial(interpolated, method="lanczos"),
            "Wiener": partial(wiener_answer, wiener, level=problem.level),
        }
        if not problem.odd:
            number = best_iterations([pairs[index] for index in some], noise)
            methods[f"Richardson-Lucy ({number} iterations)"] = partial(lucy, iterations=number)
        for group in dict.fromkeys(pair.group for pair in test):
            own = [pair for pair in test if pair.group == group]
            scores += score_pairs(own, methods, f"{group}, not trained on, noise {called}", noise=noise)
    return scores


#: The recipes of this module by the names that ``sunpy-ml train`` takes.
RECIPES = {"enhance-continuum": partial(make, CONTINUUM), "enhance-magnetogram": partial(make, MAGNETOGRAM)}
