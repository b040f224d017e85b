"""Figures of an evaluation: confusion matrix and reliability diagram."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from astropy.table import QTable
from matplotlib.figure import Figure

__all__ = ["plot_confusion", "plot_reliability"]

# Of the palette of Okabe & Ito, which readers of every colour vision tell apart.
_MEASURED, _PERFECT = "#0072b2", "#999999"


def plot_confusion(
    counts: npt.NDArray[Any], classes: Sequence[str], title: str = "", figure: Figure | None = None
) -> Figure:
    """Draw a confusion matrix: counts, shaded by the share of each true class."""
    figure = figure or plt.figure(figsize=(5.6, 5), layout="constrained")
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=30, ha="right")
    axes.set_yticks(places, classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.suptitle(title, fontsize="medium", wrap=True)
    figure.colorbar(drawn, ax=axes, label="share of the true class")
    return figure


def plot_reliability(bins: QTable, title: str = "", figure: Figure | None = None) -> Figure:
    """Draw accuracy over confidence, with intervals, above how often each confidence occurs."""
    figure = figure or plt.figure(figsize=(5, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    confidence, accuracy = np.asarray(bins["confidence"]), np.asarray(bins["accuracy"])
    # Rounding may leave a limit a hair on the wrong side of the value.
    reach = np.maximum(0, [accuracy - bins["low"], bins["high"] - accuracy])
    above.plot([0, 1], [0, 1], color=_PERFECT, linestyle="--", label="perfect")
    above.errorbar(confidence, accuracy, reach, fmt="o", color=_MEASURED, capsize=2, label="measured, 95 %")
    above.set_ylabel("accuracy")
    above.set_ylim(0, 1.02)
    figure.suptitle(title, fontsize="medium", wrap=True)
    above.legend(loc="upper left")
    below.bar(confidence, bins["n"], width=0.03, color=_MEASURED)
    below.set_xlabel("confidence")
    below.set_ylabel("cases")
    below.set_xlim(0, 1.02)
    return figure
