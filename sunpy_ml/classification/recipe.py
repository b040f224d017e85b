"""How the embedded weights ``halpha-1`` are made: data, network, loss, optimiser, and the scores of the card.

Run it by::

    python -m sunpy_ml.classification.recipe --data DIR --out DIR [--epochs N] [--seed S]

The data folder holds GONG's H-alpha images in ``gong_halpha``, SDO's browse images in ``sdo_browse``, continuum
images in ``hmi_sharp``, ``hmi_cutouts``, ``time_series`` and ``high_resolution``, and the nine Hinode/SOT files, for
the test alone, in ``hinode_sot``. The labels of the GONG patches come with the package. The outcome is
``halpha-1.safetensors``, all scores in ``halpha-1.metrics.json``, and the completed card ``halpha-1.toml``.

Test dates are never trained on; settings were chosen on a validation block of earlier dates, 2011 April 21 to May 11.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from sunpy import log
from torch import Tensor, nn
from torch.nn import functional

from sunpy_ml.classification.augmentation import augment
from sunpy_ml.classification.continuum import read_continuum
from sunpy_ml.classification.networks import CompactClassifier
from sunpy_ml.classification.patches import CLASSES, FEATURES, Patch, read_gong, read_sdo
from sunpy_ml.classification.scores import score_everything
from sunpy_ml.classification.simulated import bare_limbs, flares_on, scenes
from sunpy_ml.observations.normalisation import NORMALISERS
from sunpy_ml.training import NetworkTraining, complete_card, fit, split_by_date

__all__ = ["NORMALISER", "RECIPES", "Batches", "make", "save", "split", "train", "two_head_loss"]

Array = npt.NDArray[Any]

CARD = Path(str(resources.files("sunpy_ml.weights") / "cards" / "halpha-1.toml"))

NORMALISER: tuple[str, dict[str, float]] = ("percentile", {"low": 5.0, "high": 95.0})

#: First days of the test blocks. Earlier dates within 3 days of them are left out.
TEST_START = {"gong": "2011-05-17", "sdo": "2011-02-01"}

EPOCHS, STEPS, BATCH = 48, 40, 32

#: A feature that is there counts twice, since each is absent from most fields.
_PRESENT_WEIGHT = 2.0

#: Share of each kind of patch in a batch. GONG's own patches are the task; the others widen it.
SHARES = {
    ("gong", "filaments"): 0.14,
    ("gong", "prominences"): 0.14,
    ("gong", "quiet"): 0.10,
    ("gong", "sunspots"): 0.19,
    ("gong-bare", "quiet"): 0.06,
    ("gong-flare", "flares"): 0.08,
    ("aia_304", "prominences"): 0.04,
    ("aia_304", "quiet"): 0.04,
    ("hmi_ic", "quiet"): 0.03,
    ("hmi_ic", "sunspots"): 0.04,
    ("continuum", "quiet"): 0.02,
    ("continuum", "sunspots"): 0.04,
    ("simulated", "filaments"): 0.02,
    ("simulated", "flares"): 0.01,
    ("simulated", "prominences"): 0.02,
    ("simulated", "quiet"): 0.02,
    ("simulated", "sunspots"): 0.02,
}


@dataclass
class Batches:
    """The batches of one epoch, drawn by `SHARES` and augmented anew at each pass."""

    patches: Sequence[Patch]
    steps: int
    seed: int
    size: int = BATCH

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._chances = _chances(self.patches)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        # One batch is prepared while the network learns from the one before.
        with ThreadPoolExecutor(max_workers=1) as pool:
            ahead = pool.submit(self._draw)
            for _ in range(self.steps - 1):
                batch, ahead = ahead.result(), pool.submit(self._draw)
                yield batch
            yield ahead.result()

    def _draw(self) -> dict[str, Tensor]:
        patches = [self.patches[index] for index in self._rng.choice(len(self.patches), self.size, p=self._chances)]
        images = np.stack([_normalised(augment(patch, self._rng)) for patch in patches])
        return {
            "image": torch.from_numpy(images[:, np.newaxis]),
            "classes": torch.from_numpy(np.stack([_class_target(patch) for patch in patches])),
            "features": torch.tensor([patch.present for patch in patches]),
            "weight": torch.tensor([0.3 if patch.confidence == 1 else 1.0 for patch in patches]),
        }


def _normalised(image: Array) -> Array:
    """As `sunpy_ml.observations.prepare` does it: measured where there are data, zero where there is no light."""
    name, constants = NORMALISER
    valid = np.isfinite(image)
    return NORMALISERS[name](image[valid], constants).apply(np.where(valid, image, 0))


def _chances(patches: Sequence[Patch]) -> Array:
    """How often each patch is drawn. Quiet limbs are few and drawn more, or a limb would mean a prominence."""
    kinds = [(patch.source.removesuffix("-mended"), patch.label) for patch in patches]
    own = np.array([2.0 if patch.label == "quiet" and patch.at_limb else 1.0 for patch in patches])
    total: Counter[tuple[str, str]] = Counter()
    for kind, weight in zip(kinds, own, strict=True):
        total[kind] += weight
    chances = np.array([SHARES.get(kind, 0.0) / total[kind] for kind in kinds]) * own
    return chances / chances.sum()


def _class_target(patch: Patch) -> Array:
    """Three quarters for the label and the rest for all features seen, so that a mixed field is not absolute."""
    target = np.zeros(len(CLASSES), np.float32)
    seen = [name for name, value in zip(FEATURES, patch.present, strict=True) if value == 1] or [patch.label]
    for name in seen:
        target[CLASSES.index(name)] += 0.25 / len(seen)
    target[CLASSES.index(patch.label)] += 0.75
    return target


def two_head_loss(output: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of the class and binary cross-entropy of the features that are known."""
    classes, features = output[:, : len(CLASSES)].float(), output[:, len(CLASSES) :].float()
    exclusive = functional.cross_entropy(classes, batch["classes"], reduction="none", label_smoothing=0.03)
    known = batch["features"].isfinite()
    independent = functional.binary_cross_entropy_with_logits(
        features, batch["features"].nan_to_num(), reduction="none", pos_weight=features.new_tensor(_PRESENT_WEIGHT)
    )
    independent = (independent * known).sum(dim=1) / known.sum(dim=1)
    return ((exclusive + independent) * batch["weight"]).mean()


def split(patches: Sequence[Patch], start: str) -> tuple[list[Patch], list[Patch]]:
    """The patches before, and those from, a day on."""
    parts = split_by_date([patch.date for patch in patches], [start])
    return tuple([patch for patch, own in zip(patches, parts, strict=True) if own == part] for part in (0, 1))


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
    network = CompactClassifier().to(memory_format=torch.channels_last)
    module = NetworkTraining(network, two_head_loss, steps=epochs * steps)
    return fit(module, Batches(patches, steps, seed, size), epochs=epochs, out=out, **options)


def save(network: nn.Module, path: Path) -> None:
    """Write the weights; safetensors wants them in plain order, whatever the memory format of the training."""
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The order of additions, and so the weights, must not depend on how many cores there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@_one_thread()
def make(data: Path, out: Path, *, epochs: int = EPOCHS, seed: int = 0) -> Path:
    """Train on the dates before the test blocks, score on the test blocks, write weights, scores and card.

    Parameters
    ----------
    data, out : pathlib.Path
        Folder of the images, and folder of the outcome.
    epochs, seed : int, optional
        Fixed beforehand; the defaults made the embedded weights.

    Returns
    -------
    pathlib.Path
        The weights file.
    """
    rng = np.random.default_rng(seed)
    gong, gong_test = split(read_gong(data), TEST_START["gong"])
    sdo, sdo_test = split(read_sdo(data, seed), TEST_START["sdo"])
    near = read_continuum(data, seed)
    made = flares_on(gong, 300, rng) + bare_limbs(gong, rng) + scenes(400, rng)
    log.info(f"training on {len(gong)} GONG, {len(sdo)} SDO, {len(near)} continuum and {len(made)} made patches")
    network = train([*gong, *sdo, *near, *made], out, epochs=epochs, seed=seed, precision="bf16-mixed")
    weights = out / "halpha-1.safetensors"
    save(network, weights)
    made_test = flares_on(gong_test, 100, rng) + scenes(250, rng)
    scores = score_everything(network, NORMALISER, gong_test, sdo_test, made_test, data / "hinode_sot")
    (out / "halpha-1.metrics.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
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
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    make(arguments.data, arguments.out, epochs=arguments.epochs, seed=arguments.seed)


if __name__ == "__main__":
    main()
