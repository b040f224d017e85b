"""How Slic is trained, as its paper says: from a folder of images to weights with their card.

As published (Armstrong & Fletcher 2019, sections 3 and 4): He initialisation, cross-entropy, stochastic gradient
descent with Nesterov's momentum of 0.9, learning rates of 1e-3, 5e-4 and 1e-4 for 100 epochs each, batches of 32, nine
tenths of the images for training and one for validation, and the weights of the best epoch. What the authors' code at
github.com/rhero12/Slic does departs from that:

* **Initialisation.** torch's own, not He's: the guard before He's initialisation is always false, so it never ran
  (``initialisation="default"``).
* **Validation images.** Not drawn at random: every tenth file of each sorted class (``split="every-tenth"``). They are
  neighbours, in time, of images that were trained on, so 99.92 % is the score of a leak. ``split="date"``, the default,
  validates on the last dates, days after the last that was trained on.
* **Defaults** of the script: learning rate 1e-4 and batches of 2. The published file is of the learning rate 5e-4 and
  the fifth epoch, ``sol_class_4.pth`` counted from 0.
* **Which epoch is best** was picked by hand from the curves; here it is that of the least validation loss.
* **Input.** Each image is stretched to grey levels 0 to 255 by its own extremes and squashed to 256 by 256 pixels, and
  goes into the network so. Images with a pixel that is exactly 0 were thrown away; here they are kept, since the card
  says what to fill. The script that *used* the weights fed raw data numbers instead.
* **No augmentation and no weight decay**, here as there.
* **Network.** The ninth and tenth convolutions share the weights and the batch normalisation of the eighth, so it has
  155.7 million parameters and not those of a VGG-13; see `~sunpy_ml.classification.networks.SlicNetwork`.

References
----------
Armstrong & Fletcher 2019, Solar Physics 294, 80, https://doi.org/10.1007/s11207-019-1473-z
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from astropy.table import QTable
from sunpy import log
from torch import nn
from torch.utils.data import Subset

from sunpy_ml.classification.slic_training import MOMENTUM, Setting, train_at
from sunpy_ml.training import (
    FolderDataset,
    evaluate,
    every_tenth,
    last_dates,
    learning_curves,
    observed_domain,
    plot_learning_curves,
    save_figure,
    write_outcome,
)
from sunpy_ml.weights import Card, Output, Training, build_network, get_card

__all__ = ["RECIPES", "make"]

LEARNING_RATES, EPOCHS, BATCH = (1e-3, 5e-4, 1e-4), 100, 32


def make(
    data: Path,
    out: Path,
    *,
    name: str = "slic-own-1",
    network: str = "slic",
    network_arguments: Mapping[str, Any] | None = None,
    initialisation: Literal["he", "default"] = "he",
    split: Literal["date", "every-tenth"] = "date",
    learning_rates: Sequence[float] = LEARNING_RATES,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    workers: int = 0,
    seed: int = 0,
    resume: bool = False,
    validated_on: Literal["real", "simulation"] = "real",
    **options: Any,
) -> Path:
    """Train at each learning rate and write the best weights with their card, their scores and the learning curves.

    Parameters
    ----------
    data : pathlib.Path
        A folder of FITS files for each class.
    out : pathlib.Path
        Folder of the outcome: ``<name>.safetensors``, ``<name>.metrics.json``, the learning curves of each rate and the
        confusion matrix and reliability of the best, as PNG, and a folder for each rate with its log and checkpoints.
    name : str
        Of the card, ending in a version.
    network, network_arguments
        A name in the registry of networks, and the arguments of its ``Config`` (``n_classes`` aside); any that gives a
        logit for each class.
    initialisation : {"he", "default"}
        As the paper says, or as the authors' code did.
    split : {"date", "every-tenth"}
        Validate on the last dates, or on every tenth file of each class as the authors did, which leaks.
    learning_rates : sequence of float
        Each is trained with anew.
    epochs, batch : int
        Passes at each learning rate, and images at a time.
    workers : int
        Processes that read images.
    seed : int
        Of weights and order.
    resume : bool
        Go on from the checkpoints in ``out``.
    validated_on : {"real", "simulation"}
        What the images are, for the card.
    **options
        Further arguments of `lightning.Trainer`.

    Returns
    -------
    pathlib.Path
        The weights file.

    Raises
    ------
    ValueError
        If there are less than two classes, the split cannot be made, the network has another number of outputs than
        there are classes, or the loss never was a number.
    """
    if initialisation not in ("he", "default"):
        raise ValueError(f"initialisation: got {initialisation!r}, choose 'he' or 'default'.")
    published = get_card("slic-1.1.1")
    dataset = FolderDataset(data, published)
    if len(dataset.classes) < 2:
        raise ValueError(f"data: {str(data)!r} holds the class {dataset.classes[0]!r} alone; add another folder.")
    observed = dataset.describe()
    training, validation = _split(split, dataset.labels, observed)
    arguments = {**(network_arguments or {}), "n_classes": len(dataset.classes)}
    _check_outputs(network, arguments, len(dataset.classes), published.input.shape)
    setting = Setting(
        network,
        arguments,
        dataset.classes,
        initialisation,
        Subset(dataset, training.tolist()),
        Subset(dataset, validation.tolist()),
        batch,
        epochs,
        workers,
        seed,
    )
    rate, trained = _best(setting, learning_rates, out, name, resume, options)
    card = _card(published, name, setting, rate, observed[training], split, validated_on)
    result = evaluate(
        trained,
        setting.validation,
        card=card,
        data=f"the {len(validation)} validation images of this training ({split})",
        batch_size=batch,
    )
    return write_outcome(trained, result, out)


def _best(
    setting: Setting, learning_rates: Sequence[float], out: Path, name: str, resume: bool, options: Mapping[str, Any]
) -> tuple[float, nn.Module]:
    """Train at each learning rate, draw the learning curves, and return the best rate and network."""
    best: tuple[float, float, nn.Module] = (math.inf, math.nan, nn.Identity())
    for rate in learning_rates:
        folder = out / f"{name}-lr-{rate:g}"
        trained = train_at(rate, setting, folder, resume=resume, options=options)
        curves = learning_curves(folder)
        save_figure(plot_learning_curves(curves), out / f"{name}.lr-{rate:g}.curves.png")
        loss = min((float(value) for value in curves["validation_loss"] if math.isfinite(value)), default=math.inf)
        log.info(f"learning rate {rate:g}: least validation loss {loss:.4f}")
        if loss < best[0]:
            best = loss, rate, trained
    if not math.isfinite(best[0]):
        raise ValueError(f"learning_rates: with {list(learning_rates)} validation loss is never a number; try less.")
    return best[1], best[2]


def _split(split: str, labels: npt.NDArray[Any], observed: QTable) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    if split == "date":
        return last_dates([str(date) for date in observed["date"]])
    if split != "every-tenth":
        raise ValueError(f"split: got {split!r}, choose 'date' or 'every-tenth'.")
    training, validation = every_tenth(labels)
    if not len(training):
        raise ValueError("split: every class has one image only, which leaves none to train on; add images.")
    return training, validation


def _check_outputs(network: str, arguments: Mapping[str, Any], n_classes: int, shape: tuple[int, ...]) -> None:
    with torch.device("meta"), torch.no_grad():
        found = tuple(build_network(network, arguments).eval()(torch.empty(1, 1, *shape)).shape)
    if found != (1, n_classes):
        raise ValueError(
            f"network: {network!r} gives numbers of the shape {found[1:]} for an image, and {n_classes} are needed, "
            "one for each class; choose another network or other arguments."
        )


def _card(
    published: Card, name: str, setting: Setting, rate: float, observed: QTable, split: str, validated_on: str
) -> Card:
    """The card of these weights: the published one, with what this training saw."""
    instruments = sorted({str(value) for value in observed["instrument"] if str(value)})
    days = sorted(str(date)[:10] for date in observed["date"] if str(date))
    counts = ", ".join(f"{np.sum(observed['label'] == label)} {label}" for label in setting.classes)
    leak = ("Its validation images are neighbours in time of those it was trained on: expect less elsewhere.",)
    return replace(
        published,
        name=name,
        version=name.rpartition("-")[2],
        default=False,
        title="Trained by the recipe of Slic",
        network=setting.network,
        network_arguments=dict(setting.network_arguments),
        licence="not stated",
        validated_on=validated_on,
        instruments=tuple(instruments),
        output=Output(classes=setting.classes),
        domain=observed_domain(observed),
        training=Training(
            data=(f"{len(observed)} images: {counts}",),
            period=(days[0], days[-1]) if days else (),
            recipe=f"sunpy-ml train slic; {setting.initialisation} initialisation, SGD, Nesterov momentum {MOMENTUM}, "
            f"learning rate {rate:g}, batch {setting.batch}, at most {setting.epochs} epochs, seed {setting.seed}",
        ),
        metrics=(),
        confusion=(),
        limits=(
            "One label for an image: the classes exclude each other.",
            "The epoch and the learning rate were chosen on the images that the scores are of.",
            *(leak if split == "every-tenth" else ()),
        ),
        unverified=(),
    )


#: The recipes of this module, by the names that ``sunpy-ml train`` uses.
RECIPES = {"slic": make}
