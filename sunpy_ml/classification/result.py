"""The result of a classification: what the observation shows, and how far that can be trusted."""

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from astropy.table import QTable
from scipy.special import entr
from sunpy.map import GenericMap

from sunpy_ml.classification.table import Row, as_table, describe
from sunpy_ml.weights import Card, DomainReport
from sunpy_ml.weights.answers import judge, read_answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["UNDECIDED", "Classification", "check_confidence"]

#: The label where no class is probable enough.
UNDECIDED = "undecided"


def check_confidence(abstain_below: float) -> None:
    """Raise unless it can be a probability."""
    if not 0 <= abstain_below <= 1:
        raise ValueError(f"abstain_below: expected a probability between 0 and 1, got {abstain_below}.")


@dataclass(frozen=True)
class Classification:
    """What a network sees in one observation.

    Attributes
    ----------
    label : str
        The most probable class, or ``"undecided"`` where its probability is below what the caller asked for.
    probabilities : dict of str to float
        Probability of each class; they exclude each other, so they add up to one.
    features : dict of str to float
        Probability that each feature is present, whatever else is; empty where the weights do not tell.
    unfamiliarity : float or None
        How unlike the images of the training this one is, from 0 to 1; None where the weights do not tell.
    entropy : float
        Of the class probabilities, in bits: 0 when the network is sure, ``log2`` of the number of classes when
        it knows nothing.
    in_domain : DomainReport
        Whether the observation is like those that the network was trained on, by its header and by its looks, with
        reasons. True only if it is known to be.
    card : Card
        Of the weights.
    map : sunpy.map.GenericMap
        The observation.

    Examples
    --------
    >>> from sunpy_ml import classify_map
    >>> from sunpy_ml.simulation import halpha_scene
    >>> result = classify_map(halpha_scene("sunspots", seed=1))
    >>> result.label
    'sunspots'
    >>> round(sum(result.probabilities.values()), 6)
    1.0
    """

    label: str
    probabilities: dict[str, float]
    features: dict[str, float]
    unfamiliarity: float | None
    entropy: float
    in_domain: DomainReport
    card: Card = field(repr=False)
    map: GenericMap = field(repr=False)
    source: str = ""

    @classmethod
    def from_logits(
        cls,
        logits: npt.NDArray[Any],
        report: DomainReport,
        card: Card,
        observation: GenericMap,
        source: str,
        abstain_below: float = 0.0,
    ) -> "Classification":
        """Build a result from a network's answer to one image and what the header tells of the domain."""
        answers = read_answers(logits, card)
        probabilities = answers.probabilities
        unfamiliarity = None if answers.unfamiliarity is None else float(answers.unfamiliarity)
        classes, best = card.output.classes, int(probabilities.argmax())
        return cls(
            label=classes[best] if probabilities[best] >= abstain_below else UNDECIDED,
            probabilities=dict(zip(classes, probabilities.tolist(), strict=True)),
            features=dict(zip(card.output.features, answers.features.tolist(), strict=True)),
            unfamiliarity=unfamiliarity,
            entropy=float(entr(probabilities).sum() / np.log(2)),
            in_domain=judge(report, unfamiliarity, card),
            card=card,
            map=observation,
            source=source,
        )

    def row(self) -> Row:
        """The result as plain values by column name, without the pixels."""
        return Row(
            source=self.source,
            **describe(self.map),
            label=self.label,
            probabilities=self.probabilities,
            features=self.features,
            unfamiliarity=np.nan if self.unfamiliarity is None else self.unfamiliarity,
            entropy=self.entropy,
            in_domain=self.in_domain.status,
            reasons="; ".join(self.in_domain.reasons),
        )

    def table(self) -> QTable:
        """The result as a table of one row, with the columns of `~sunpy_ml.classify_maps`."""
        return as_table([self.row()], self.card)

    def plot(self, figure: "Figure | None" = None) -> "Figure":
        """Draw the observation beside the probabilities of its classes and features.

        Parameters
        ----------
        figure : matplotlib.figure.Figure, optional
            An empty one to draw on; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from sunpy_ml.classification.plot import plot_classification

        return plot_classification(self, figure)

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{name}</td><td>{probability:.3f}</td></tr>" for name, probability in self.probabilities.items()
        )
        present = ", ".join(f"{name} {probability:.2f}" for name, probability in self.features.items())
        return (
            f"<p><b>{self.label}</b> ({escape(self.card.name)}, entropy {self.entropy:.2f} bits)</p>"
            f"<table><tr><th>class</th><th>probability</th></tr>{cells}</table>"
            f"<p>features present: {present}</p><p>domain: {escape(str(self.in_domain))}</p>"
        )
