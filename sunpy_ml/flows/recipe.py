"""How the embedded weights of this domain are made: data, network, loss, optimiser, and the scores of the card.

Run it by::

    sunpy-ml train flow --data DIR --out DIR

The data folder holds ``high_resolution`` (an MHD snapshot, SUNRISE/IMaX, DKIST), ``hinode_sot`` and ``hmi_sharp``. It
makes ``granulation-flow-1.safetensors``, all scores in ``granulation-flow-1.metrics.json``, and the completed card.
"""

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sunpy import log

from sunpy_ml.flows.batches import Batches
from sunpy_ml.flows.loss import flow_loss
from sunpy_ml.flows.material import Pair, convection, convection_pairs, read_pairs, training_pairs, write_pairs
from sunpy_ml.flows.networks import ShiftNetwork
from sunpy_ml.flows.scores import score
from sunpy_ml.training import NetworkTraining, complete_card, fit, one_thread

__all__ = ["RECIPES", "make", "train"]

NAME = "granulation-flow-1"
#: Passes of the training, batches of a pass, pieces of a batch, and their side.
EPOCHS, STEPS, BATCH, CROP = 50, 100, 6, 96
#: Pairs of a file, and files: each is of a seed of its own.
PAIRS, FILES = 456, 20
#: How often a pair is of convection.
CONVECTION = 0.08


def train(
    pairs: Sequence[Pair],
    chances: np.ndarray,
    out: Path,
    *,
    epochs: int = EPOCHS,
    steps: int = STEPS,
    seed: int = 0,
    resume: bool = False,
) -> ShiftNetwork:
    """Train a `ShiftNetwork`."""
    torch.manual_seed(seed)
    network = ShiftNetwork().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = NetworkTraining(network, flow_loss, steps=epochs * steps, learning_rate=1.5e-3, weight_decay=0.01)
    batches = Batches(pairs, chances, steps, BATCH, CROP, seed)
    trained = fit(module, batches, epochs=epochs, out=out, resume=resume, gradient_clip_val=1.0)
    found = ShiftNetwork()
    found.load_state_dict(trained.state_dict())
    return found.eval()


def _drawn(data: Path, out: Path, seed: int) -> list[Pair]:
    """Pairs of a seed, from their file if it is there."""
    path = out / f"pairs-{seed}.safetensors"
    if not path.is_file():
        write_pairs(list(training_pairs(data, PAIRS, seed)), path)
    return read_pairs(path)


@one_thread()
def make(data: Path, out: Path, *, epochs: int = EPOCHS, seed: int = 0, resume: bool = False) -> Path:
    """Make the pairs, train, compare with what is simpler, and write weights, scores and card.

    Parameters
    ----------
    data, out : pathlib.Path
        Folder of the images, and folder of the outcome, where the pairs and the run of convection are kept.
    epochs, seed : int, optional
        Fixed beforehand; the defaults made the embedded weights.
    resume : bool, optional
        Go on from the last checkpoint in ``out``.

    Returns
    -------
    pathlib.Path
        The weights file.
    """
    drawn, run = [pair for number in range(FILES) for pair in _drawn(data, out, FILES * seed + number)], convection(out)
    computed = list(convection_pairs(run, "train"))
    chances = np.concatenate(
        [np.full(len(part), share / len(part)) for part, share in ((drawn, 1 - CONVECTION), (computed, CONVECTION))]
    )
    log.info(f"{NAME}: {len(drawn)} pairs, and {len(computed)} of convection")
    network = train([*drawn, *computed], chances, out / NAME, epochs=epochs, seed=seed, resume=resume)
    weights = out / f"{NAME}.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, weights)
    scores = {"metrics": score(network, data, run)}
    (out / f"{NAME}.metrics.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    card = Path(str(resources.files("sunpy_ml.weights") / "cards" / f"{NAME}.toml"))
    complete_card(card, weights, scores, out / card.name)
    return weights


#: The recipes by the names that the command line takes.
RECIPES = {"flow": make}
