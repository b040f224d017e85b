"""How the embedded weights ``halpha-2`` are made: data, network, loss, optimiser, and the scores of the card.

Run it by::

    python -m sunpy_ml.classification.recipe --data DIR --out DIR [--epochs N] [--seed S] [--resume] [--block A]

The data folder holds GONG's H-alpha images in ``gong_halpha``, SDO's browse images in ``sdo_browse``, continuum images
and magnetograms in ``hmi_sharp``, continuum images in ``hmi_cutouts``, ``time_series`` and ``high_resolution``, and,
for the test alone, magnetograms in ``high_resolution`` and the nine Hinode/SOT files in ``hinode_sot``. The labels of
the GONG patches come with the package.

Five networks are trained: one for each of the four blocks of dates, which is then scored on the block that it has not
seen, and one on everything, which is kept. The outcome is ``halpha-2.safetensors``, all scores in
``halpha-2.metrics.json``, and the completed card ``halpha-2.toml``. What ``--resume`` finds done is not done again, so
that the networks of the blocks can be trained side by side, by ``--block``.

An epoch takes about 40 s on one core, all networks three and a half hours of one. A process needs 11 GB of memory.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sunpy import log
from torch import Tensor, nn
from torch.nn import functional

from sunpy_ml.classification.batches import Batches
from sunpy_ml.classification.blocks import BLOCKS
from sunpy_ml.classification.crossvalidation import Pool, ask_block
from sunpy_ml.classification.finishing import finish
from sunpy_ml.classification.material import Material
from sunpy_ml.classification.networks import CompactClassifier
from sunpy_ml.classification.patches import CLASSES, FEATURES, Patch
from sunpy_ml.training import NetworkTraining, complete_card, fit, one_thread

__all__ = ["CONFIG", "RECIPES", "make", "three_head_loss", "train", "train_block"]

NAME = "halpha-2"
CARD = Path(str(resources.files("sunpy_ml.weights") / "cards" / f"{NAME}.toml"))
CONFIG = CompactClassifier.Config(unfamiliarity=True)

EPOCHS, STEPS, BATCH = 64, 40, 40

#: A feature that is there counts twice, since each is absent from most fields.
_PRESENT_WEIGHT = 2.0


def three_head_loss(output: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of the class, and binary ones of the features that are known and of being of another kind."""
    classes, features, unfamiliar = output.float().split([len(CLASSES), len(FEATURES), 1], dim=1)
    exclusive = functional.cross_entropy(classes, batch["classes"], reduction="none", label_smoothing=0.03)
    known = batch["features"].isfinite()
    independent = functional.binary_cross_entropy_with_logits(
        features, batch["features"].nan_to_num(), reduction="none", pos_weight=features.new_tensor(_PRESENT_WEIGHT)
    )
    independent = (independent * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)
    strange = functional.binary_cross_entropy_with_logits(unfamiliar[:, 0], batch["unfamiliar"], reduction="none")
    return ((exclusive + independent) * batch["weight"] + 0.5 * strange).mean()


def train(
    patches: Sequence[Patch],
    out: Path,
    *,
    epochs: int = EPOCHS,
    steps: int = STEPS,
    size: int = BATCH,
    seed: int = 0,
    **options: Any,
) -> nn.Module:
    """Train a `CompactClassifier` on patches; ``options`` go to `sunpy_ml.training.fit`."""
    torch.manual_seed(seed)
    network = CompactClassifier(CONFIG).to(memory_format=torch.channels_last)
    module = NetworkTraining(network, three_head_loss, steps=epochs * steps)
    return fit(module, Batches(patches, steps, seed, size), epochs=epochs, out=out, **options)


def _save(network: nn.Module, path: Path) -> None:
    """Write the weights; safetensors wants them in plain order, whatever the memory format of the training."""
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)


def _load(path: Path) -> nn.Module:
    network = CompactClassifier(CONFIG)
    network.load_state_dict(load_file(path))
    return network.eval()


def train_block(material: Material, block: str | None, out: Path, *, epochs: int, resume: bool) -> nn.Module:
    """The network trained on all but a block, or on everything; read from ``out`` where ``resume`` finds it there."""
    name = f"without-{block}" if block else "all"
    path = out / f"{name}.safetensors"
    if resume and path.is_file():
        return _load(path)
    patches = material.training(block)
    log.info(f"training {name} on {len(patches)} patches")
    network = train(patches, out / name, epochs=epochs, seed=material.seed)
    _save(network, path)
    return network


@one_thread()
def make(data: Path, out: Path, *, epochs: int = EPOCHS, seed: int = 0, resume: bool = False) -> Path:
    """Cross-validate over blocks of dates, train on all of them, write weights, scores and card.

    Parameters
    ----------
    data, out : pathlib.Path
        Folder of the images, and folder of the outcome.
    epochs, seed : int, optional
        Fixed beforehand; the defaults made the embedded weights.
    resume : bool, optional
        Keep the networks that an interrupted run left in ``out``.

    Returns
    -------
    pathlib.Path
        The weights file.
    """
    material = Material.read(data, seed)
    networks = {block: train_block(material, block, out, epochs=epochs, resume=resume) for block in (*BLOCKS, None)}
    pool = Pool.of(ask_block(networks[block], material, block) for block in BLOCKS)
    network, scores = finish(networks[None], pool, data, seed)
    weights = out / f"{NAME}.safetensors"
    _save(network, weights)
    (out / f"{NAME}.metrics.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    complete_card(CARD, weights, scores, out / CARD.name)
    return weights


#: The recipes of this module by the names that ``sunpy-ml train`` takes.
RECIPES = {"halpha": make}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sunpy_ml.classification.recipe", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the images")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and scores")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="keep the networks that are in the folder already")
    parser.add_argument("--block", choices=(*BLOCKS, "none"), help="only train the network of one block, or of none")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.block is None:
        make(given.data, given.out, epochs=given.epochs, seed=given.seed, resume=given.resume)
        return
    with one_thread():
        block = None if given.block == "none" else given.block
        train_block(Material.read(given.data, given.seed), block, given.out, epochs=given.epochs, resume=given.resume)


if __name__ == "__main__":
    main()
