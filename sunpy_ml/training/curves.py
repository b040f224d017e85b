"""Learning curves: what a training logged, as a table and as a figure."""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import QTable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = ["learning_curves", "plot_learning_curves"]

# Of the palette of Okabe & Ito, which readers of every colour vision tell apart.
_TRAINING, _VALIDATION, _BEST = "#0072b2", "#d55e00", "#bbbbbb"


def learning_curves(out: str | Path) -> QTable:
    r"""What `~sunpy_ml.training.fit` logged below ``out``, over all the times that a run was resumed.

    Parameters
    ----------
    out : str or pathlib.Path
        The folder that `fit` was given.

    Returns
    -------
    astropy.table.QTable
        A row for each epoch, counted from 1, and a column for each value that was logged: ``loss`` (mean over the
        epoch's batches) and, with validation data, ``validation_loss`` and others; NaN where there is none.

    Raises
    ------
    ValueError
        If nothing was logged there.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sunpy_ml.training import learning_curves
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = pathlib.Path(folder) / "log" / "version_0"
    ...     log.mkdir(parents=True)
    ...     written = (log / "metrics.csv").write_text("epoch,loss,step\n0,2.0,9\n1,1.5,19\n")
    ...     curves = learning_curves(folder)
    >>> curves["epoch"].tolist(), curves["loss"].tolist()
    ([1, 2], [2.0, 1.5])
    """
    found = (Path(out) / "log").glob("version_*/metrics.csv")
    paths = sorted(found, key=lambda path: int(path.parent.name.removeprefix("version_")))
    epochs: dict[int, dict[str, float]] = {}
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        first = min((int(row["epoch"]) for row in rows), default=0)
        # A run that was resumed goes on after, or repeats, what is there; one that was started anew replaces it.
        epochs = {epoch: values for epoch, values in epochs.items() if epoch < first}
        for row in rows:
            values = {key: float(text) for key, text in row.items() if text and key not in ("epoch", "step")}
            epochs.setdefault(int(row["epoch"]), {}).update(values)
    if not epochs:
        raise ValueError(f"out: nothing was logged below {str(out)!r}; give the folder that fit() was given.")
    names = sorted({name for values in epochs.values() for name in values})
    table = QTable({"epoch": np.array(sorted(epochs)) + 1})
    for name in names:
        table[name] = [epochs[epoch].get(name, np.nan) for epoch in sorted(epochs)]
    return table


def plot_learning_curves(curves: QTable, figure: Figure | None = None) -> Figure:
    """Draw the losses over the epochs and, below, whatever else was logged.

    Parameters
    ----------
    curves : astropy.table.QTable
        From `learning_curves`.
    figure : matplotlib.figure.Figure, optional
        An empty one to draw on; by default a new one.

    Returns
    -------
    matplotlib.figure.Figure
        A vertical line marks the epoch of least validation loss, whose weights `~sunpy_ml.training.fit` gives.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from astropy.table import QTable
    >>> from sunpy_ml.training import plot_learning_curves
    >>> curves = QTable({"epoch": [1, 2], "loss": [2.0, 1.5], "validation_loss": [2.1, 1.9]})
    >>> figure = plot_learning_curves(curves)
    >>> figure.axes[0].get_ylabel()
    'loss'
    >>> plt.close(figure)
    """
    losses = [name for name in ("loss", "validation_loss") if name in curves.colnames]
    others = [name for name in curves.colnames if name not in ("epoch", *losses)]
    panels = [losses, *([name] for name in others)]
    figure = figure or plt.figure(figsize=(6, 2.6 * len(panels)), layout="constrained")
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, names in zip(all_axes, panels, strict=True):
        for name in names:
            colour = _VALIDATION if name.startswith("validation_") else _TRAINING
            axes.plot(curves["epoch"], curves[name], color=colour, marker=".", label=name.replace("_", " "))
        axes.set_ylabel(names[0].replace("_", " "))
        if "validation_loss" in curves.colnames and np.isfinite(curves["validation_loss"]).any():
            best = curves["epoch"][np.nanargmin(curves["validation_loss"])]
            axes.axvline(best, color=_BEST, zorder=0, label=f"best epoch, {best}")
        axes.legend()
    all_axes[-1].set_xlabel("epoch")
    all_axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
