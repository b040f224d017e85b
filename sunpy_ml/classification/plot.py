"""The quick-look figure of a classification: the map beside its class probabilities."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sunpy_ml.observations import quiet_headers, self_contained

if TYPE_CHECKING:
    from sunpy_ml.classification.result import Classification

__all__ = ["plot_classification"]

# Of the palette of Okabe & Ito, which readers of every colour vision tell apart.
_WINNER, _OTHER, _FEATURE = "#d55e00", "#bbbbbb", "#0072b2"


def plot_classification(result: "Classification", figure: Figure | None = None) -> Figure:
    """Draw a result; see `sunpy_ml.Classification.plot`."""
    figure = figure or plt.figure(figsize=(10, 4.5), layout="constrained")
    grid = figure.add_gridspec(1, 2, width_ratios=(1.25, 1))
    complete = self_contained(result.map)
    with quiet_headers():
        axes = figure.add_subplot(grid[0], projection=complete)
        complete.plot(axes=axes, autoalign=False, title=False)
    axes.set_title(f"{result.source}\n{result.label} ({max(result.probabilities.values()):.0%})")
    _draw_bars(figure.add_subplot(grid[1]), result)
    return figure


def _draw_bars(axes: Axes, result: "Classification") -> None:
    classes, features = result.probabilities, result.features
    names = [*classes, *(f"has {name}" for name in features)]
    values = [*classes.values(), *features.values()]
    colours = [_WINNER if name == result.label else _OTHER for name in classes] + [_FEATURE] * len(features)
    # A gap sets the features, which are told one by one, apart from the classes, which share one whole.
    places = [index + 0.7 * (index >= len(classes)) for index in range(len(names))]
    axes.barh(places, values, color=colours)
    for place, value in zip(places, values, strict=True):
        axes.text(value + 0.02, place, f"{value:.2f}", va="center")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15)
    axes.set_xticks((0, 0.25, 0.5, 0.75, 1))
    axes.set_xlabel("probability")
    axes.set_title(f"{result.card.name}; domain: {result.in_domain.status}")
