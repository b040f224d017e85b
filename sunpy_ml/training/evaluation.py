"""Evaluation: how good weights are on a data set, as a table and as figures."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from astropy.table import QTable
from scipy.special import softmax
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset

from sunpy_ml.inference import run
from sunpy_ml.training.calibration import calibration_score, reliability
from sunpy_ml.training.datasets import Sample
from sunpy_ml.training.metrics import class_scores, confusion_matrix, f1_scores, proportion_score
from sunpy_ml.weights import Card, Confusion, Metric, get_card, network_for, read_weights_card

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Evaluation", "evaluate"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Evaluation:
    """What weights said of a data set.

    Attributes
    ----------
    card : sunpy_ml.weights.Card
        Of the weights.
    data : str
        What the data are, in words.
    truth : numpy.ndarray
        (N,) int64, index of each true class.
    probabilities : numpy.ndarray
        (N, classes) float64.
    dates, wavebands : numpy.ndarray
        (N,) str: ISO day, or empty; wavelength, or ``"unknown"``.
    """

    card: Card
    data: str
    truth: npt.NDArray[np.int64]
    probabilities: Array = field(repr=False)
    dates: Array = field(repr=False)
    wavebands: Array = field(repr=False)

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.card.output.classes

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """(N,) index of the most probable class."""
        return self.probabilities.argmax(axis=1)

    @property
    def confusion(self) -> Array:
        """Counts (classes, classes): a row for each true class, a column for each predicted one."""
        truth, predicted = torch.from_numpy(self.truth), torch.from_numpy(self.predicted)
        return confusion_matrix(truth, predicted, len(self.classes)).numpy()

    def scores(self) -> list[dict[str, Any]]:
        """Accuracy, precision, recall and F1 of each class that occurs, and calibration, each with its interval."""
        right = int((self.predicted == self.truth).sum())
        return [
            proportion_score("accuracy", self.data, right, len(self)),
            *class_scores(torch.from_numpy(self.confusion), self.classes, self.data),
            *f1_scores(torch.from_numpy(self.confusion), self.classes, self.data),
            calibration_score(self.probabilities, self.truth, self.data),
        ]

    def table(self, by: Literal["waveband", "date"] | None = None) -> QTable:
        """The scores, of all the data or of each part of them.

        Parameters
        ----------
        by : {"waveband", "date"}, optional
            What to part the data by. Parts of few cases have wide intervals: read them.

        Returns
        -------
        astropy.table.QTable
            Columns ``part``, ``name``, ``n`` (cases that the score is a share or mean of), ``value``, and the limits
            ``low`` and ``high`` of its 95 % interval.

        Raises
        ------
        ValueError
            If ``by`` is something else.
        """
        rows = [
            {
                "part": part,
                "name": score["name"],
                "n": score["n"],
                "value": score["value"],
                "low": score["interval"][0],
                "high": score["interval"][1],
            }
            for part, own in self._parts(by)
            for score in own.scores()
        ]
        return QTable(rows)

    def metrics(self) -> tuple[Metric, ...]:
        """The scores as a card lists them."""
        scores = ({**score, "interval": tuple(score["interval"])} for score in self.scores())
        return tuple(Metric(**score) for score in scores)

    def card_confusion(self) -> Confusion:
        """The confusion matrix as a card holds it."""
        return Confusion(self.data, self.classes, tuple(tuple(row) for row in self.confusion.tolist()))

    def reliability(self) -> QTable:
        """Confidence and accuracy in bins of confidence; see `sunpy_ml.training.reliability`."""
        return reliability(self.probabilities, self.truth)

    def plot_confusion(self, figure: "Figure | None" = None) -> "Figure":
        """Draw the confusion matrix: counts, shaded by the share of each true class."""
        from sunpy_ml.training.figures import plot_confusion

        return plot_confusion(self.confusion, self.classes, self.data, figure)

    def plot_reliability(self, figure: "Figure | None" = None) -> "Figure":
        """Draw accuracy over confidence, with intervals, above how often each confidence occurs."""
        from sunpy_ml.training.figures import plot_reliability

        return plot_reliability(self.reliability(), self.data, figure)

    def _parts(self, by: str | None) -> Iterator[tuple[str, "Evaluation"]]:
        if by not in (None, "waveband", "date"):
            raise ValueError(f"by: got {by!r}, choose 'waveband' or 'date', or leave it out.")
        if by is None:
            yield "all", self
            return
        keys = self.wavebands if by == "waveband" else self.dates
        for key in np.unique(keys):
            own = keys == key
            part = str(key) or "unknown"
            values = (array[own] for array in (self.truth, self.probabilities, self.dates, self.wavebands))
            yield part, Evaluation(self.card, self.data, *values)


def evaluate(
    weights: Any,
    dataset: Dataset[Sample],
    *,
    card: Card | None = None,
    data: str = "",
    device: Any = None,
    batch_size: int = 32,
    workers: int = 0,
) -> Evaluation:
    """Run a classifier over a labelled data set, and score the answers that `~sunpy_ml.classify_map` would give.

    Where the card says so, the answer is the mean of those to the eight turns and reflections of each image.

    Parameters
    ----------
    weights : str, pathlib.Path or torch.nn.Module
        A name from `sunpy_ml.weights.list_weights`, the path of a ``.safetensors`` file with its card, or a network,
        with its ``card``.
    dataset : torch.utils.data.Dataset
        Such as `~sunpy_ml.training.FolderDataset`, with the ``classes`` of the card, in its order, or a
        `torch.utils.data.Subset` of one.
    card : sunpy_ml.weights.Card, optional
        Of a network that is given as a module.
    data : str, optional
        What the data are, in words, for the table and the card.
    device : str or torch.device, optional
        By default the first there is of cuda, mps and cpu.
    batch_size, workers : int, optional
        Images at a time, and processes that read them.

    Returns
    -------
    Evaluation
        With ``table()``, ``plot_confusion()`` and ``plot_reliability()``.

    Raises
    ------
    ValueError
        If the weights do not classify, or the data set has other classes, or was prepared for weights that expect
        another input.
    sunpy_ml.exceptions.WeightsError
        If there are no such weights.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sunpy_ml.simulation import halpha_scene
    >>> from sunpy_ml.training import FolderDataset, evaluate
    >>> from sunpy_ml.weights import get_card
    >>> card = get_card("halpha-2")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for kind in ("quiet", "sunspots"):
    ...         (pathlib.Path(folder) / kind).mkdir()
    ...         halpha_scene(kind, seed=1).save(pathlib.Path(folder) / kind / "first.fits")
    ...     result = evaluate("halpha-2", FolderDataset(folder, card, card.output.classes), data="two simulated scenes")
    >>> len(result), int(result.confusion.sum())
    (2, 2)
    """
    card = _card_of(weights, card)
    network = network_for(card, weights)
    _check(card, dataset)
    n_classes = len(card.output.classes)
    truth, logits, dates, wavebands = [], [], [], []
    # A generator of its own: the loader draws from torch's even where nothing is left to chance.
    own = torch.Generator()
    for batch in DataLoader(dataset, batch_size=batch_size, num_workers=workers, generator=own):
        answers = run(
            network, batch["image"].numpy(), device=device, average_turns=card.input.average_turns, progress=False
        )
        logits.append(answers[:, :n_classes])
        truth.append(batch["label"].numpy())
        dates += [date[:10] for date in batch["date"]]
        wavebands += batch["waveband"]
    probabilities = softmax(np.concatenate(logits).astype(np.float64), axis=1)
    return Evaluation(
        card, data, np.concatenate(truth), probabilities, np.array(dates, dtype=str), np.array(wavebands, dtype=str)
    )


def _card_of(weights: Any, card: Card | None) -> Card:
    if isinstance(weights, nn.Module):
        if card is None:
            raise ValueError("card: a network that is given as a module needs its card.")
        return card
    if card is not None:
        raise ValueError("card: it belongs to a network that is given as a module; named weights have their own.")
    if isinstance(weights, Path) or str(weights).endswith(".safetensors"):
        return read_weights_card(weights)
    return get_card(weights)


def _check(card: Card, dataset: Dataset[Sample]) -> None:
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    if not card.output.classes:
        raise ValueError(f"weights: {card.name!r} do not classify; choose weights whose card names classes.")
    classes = tuple(getattr(dataset, "classes", card.output.classes))
    if classes != card.output.classes:
        raise ValueError(
            f"dataset: its classes are {list(classes)}, those of {card.name!r} are {list(card.output.classes)}; "
            "give the data set the card's classes."
        )
    prepared_for = getattr(dataset, "card", card)
    # How answers are averaged is no part of how an image is prepared.
    if replace(prepared_for.input, average_turns=card.input.average_turns) != card.input:
        raise ValueError(
            f"dataset: it prepares observations as {prepared_for.name!r} expects them, which is not how {card.name!r} "
            "does; make it with the card of these weights."
        )
