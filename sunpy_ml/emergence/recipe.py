"""How the embedded weights of this domain are made: data, network, loss, optimiser, and the scores of the card.

Run it by::

    sunpy-ml train emergence --out DIR

It needs no data: it simulates its patches, below ``DIR/patches``, where those of an earlier run stay as they are. It
makes ``bipole-emergence-1.safetensors``, all scores in ``bipole-emergence-1.metrics.json``, and the completed card
``bipole-emergence-1.toml``.
"""

import json
import multiprocessing
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import save_file
from sunpy import log
from torch import nn

from sunpy_ml.emergence.batches import Batches, WholePairs, pair_loss
from sunpy_ml.emergence.material import SEED, make_chunk
from sunpy_ml.emergence.networks import EmergenceEnsemble
from sunpy_ml.emergence.patch_files import Patches, read_chunks
from sunpy_ml.emergence.scores import calibrate, centre, score, time_bias
from sunpy_ml.training import NetworkTraining, complete_card, fit, one_thread

__all__ = ["NAME", "RECIPES", "make", "simulate", "train_member"]

NAME = "bipole-emergence-1"
#: Passes of the two stages of the training, in the second of which pairs are varied in all ways there are, and the
#: largest learning rate of each; pairs of a batch.
EPOCHS, VARIED_EPOCHS, RATES, PAIRS = 10, 5, (5e-3, 2.5e-3), 12
#: Files of patches of each part.
FILES = {"training": 72, "validation": 6, "test": 10, "elsewhere": 12}
#: Months that validate, in turn; as published, but that November and December are trained on.
BLOCKS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10))


def simulate(folder: Path, *, seed: int = SEED) -> dict[str, list[Path]]:
    """Make the files of patches that are not there, with as many processes as there are processors."""
    folder.mkdir(parents=True, exist_ok=True)
    # Forked processes would inherit the threads of torch.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return {
            part: list(pool.map(partial(make_chunk, part, folder=folder, seed=seed), range(count)))
            for part, count in FILES.items()
        }


def train_member(
    patches: Patches, held_out: Sequence[int], out: Path, *, epochs: int = EPOCHS, seed: int = 0, resume: bool = False
) -> nn.Module:
    """Train one member of the ensemble, in each stage up to its best epoch, and centre its logits.

    Parameters
    ----------
    patches : Patches
        The material.
    held_out : sequence of int
        Months that are not trained on, on which the epochs are compared.
    out : pathlib.Path
        Folder of logs and checkpoints.
    epochs, seed : int
        Passes of the first stage, and the seed of all chance.
    resume : bool
        Go on from the last checkpoint, if there is one.
    """
    torch.manual_seed(seed)
    months = patches.facts["month"]
    pairs = patches.pairs()
    parts = [[pair for pair in pairs if (months[pair[0]] in held_out) == validates] for validates in (False, True)]
    config = EmergenceEnsemble.Config()
    sizes = (config.bin, config.block, PAIRS)
    member: nn.Module = EmergenceEnsemble(config).members[0]
    whole = WholePairs(patches, parts[1], *sizes)
    for number, passes in enumerate((epochs, VARIED_EPOCHS)):
        folder = out / f"stage-{number}"
        batches = Batches(patches, parts[0], *sizes, seed, varied=number > 0)
        # What a stage gives is there to be used, and not to be trained on.
        learner = member.train().requires_grad_(requires_grad=True)
        member = fit(
            NetworkTraining(learner, pair_loss, steps=passes * len(batches), learning_rate=RATES[number]),
            batches,
            epochs=passes,
            out=folder,
            validation=whole,
            resume=resume and (folder / "checkpoints" / "last.ckpt").is_file(),
            gradient_clip_val=1.0,
        )
    centre(member, whole)
    return member


@one_thread()
def make(out: Path, *, epochs: int = EPOCHS, seed: int = SEED, resume: bool = False) -> Path:
    """Simulate patches, train the members, fix temperature and bias, compare with what is simpler, and write all.

    Parameters
    ----------
    out : pathlib.Path
        Folder of the outcome.
    epochs, seed : int, optional
        Passes of the first stage, and the seed of all chance, fixed beforehand; the defaults made the embedded weights.
    resume : bool, optional
        Go on from the last checkpoints in ``out``.

    Returns
    -------
    pathlib.Path
        The weights file.
    """
    files = simulate(out / "patches", seed=seed)
    network = EmergenceEnsemble()
    read = partial(read_chunks, block=network.config.block)
    patches = read_chunks(files["training"])
    log.info(f"{NAME}: {len(patches.blocks)} patches")
    for number in range(network.config.members):
        folder, own = out / f"member-{number}", 1000 * seed + number
        block = BLOCKS[number % len(BLOCKS)]
        network.members[number] = train_member(patches, block, folder, epochs=epochs, seed=own, resume=resume)
    network.eval()
    calibrate(network, read(files["validation"]))
    bias = time_bias(network, read(files["validation"]))
    scores = {"metrics": score(network, bias, patches, files)}
    weights = out / f"{NAME}.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, weights)
    (out / f"{NAME}.metrics.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    _write_card(weights, scores, bias)
    return weights


def _write_card(weights: Path, scores: dict[str, list[dict[str, object]]], bias: float) -> None:
    card = weights.with_suffix(".toml")
    complete_card(Path(str(resources.files("sunpy_ml.weights") / "cards" / card.name)), weights, scores, card)
    text = card.read_text(encoding="utf-8")
    card.write_text(re.sub(r"(?m)^time_bias = .*$", f"time_bias = {bias}", text), encoding="utf-8")


#: The recipes of this module by the names that ``sunpy-ml train`` takes.
RECIPES = {"emergence": make}
