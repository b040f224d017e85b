"""The result of a classification: what the observation shows, and how far that can be trusted."""

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from astropy.table import QTable
from scipy.special import entr, expit, softmax
from sunpy.map import GenericMap

from sunpy_ml.classification.table import Row, as_table, describe
from sunpy_ml.weights import Card, DomainReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Classification"]


@dataclass(frozen=True)
class Classification:
    """What a network sees in one observation.

    Attributes
    ----------
    label : str
        The most probable class.
    probabilities : dict of str to float
        Probability of each class; they exclude each other, so they add up to one.
    features : dict of str to float
        Probability that each feature is present, whatever else is; empty where the weights do not tell.
    entropy : float
        Of the class probabilities, in bits: 0 when the network is sure, ``log2`` of the number of classes when
        it knows nothing.
    in_domain : DomainReport
        Whether the observation is like those that the network was trained on, with reasons. True only if it is
        known to be.
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
    entropy: float
    in_domain: DomainReport
    card: Card = field(repr=False)
    map: GenericMap = field(repr=False)
    source: str = ""

    @classmethod
    def from_logits(
        cls, logits: npt.NDArray[Any], report: DomainReport, card: Card, observation: GenericMap, source: str
    ) -> "Classification":
        """Build a result from a network's answer, the classes first and then the features."""
        classes, features = card.output.classes, card.output.features
        # In float64 the class probabilities add up to one to the last digits that anyone prints.
        probabilities = softmax(logits[: len(classes)].astype(np.float64))
        present = expit(logits[len(classes) :].astype(np.float64))
        return cls(
            label=classes[int(probabilities.argmax())],
            probabilities=dict(zip(classes, probabilities.tolist(), strict=True)),
            features=dict(zip(features, present.tolist(), strict=True)),
            entropy=float(entr(probabilities).sum() / np.log(2)),
            in_domain=report,
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
