"""The outcome of a training: weights with their card, scores, and figures."""

import json
from dataclasses import replace
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.table import QTable
from matplotlib.figure import Figure
from torch import nn

from sunpy_ml.training.evaluation import Evaluation
from sunpy_ml.weights import Domain, save_weights

__all__ = ["observed_domain", "save_figure", "write_outcome"]


def observed_domain(observed: QTable) -> Domain:
    """The domain that images span: what a header leaves out is not limited.

    Parameters
    ----------
    observed : astropy.table.QTable
        From `sunpy_ml.training.LabelledObservations.describe`.

    Returns
    -------
    sunpy_ml.weights.Domain
        A band of 1 nm about each wavelength, and the ranges of plate scale and field of view.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import QTable
    >>> from sunpy_ml.training import observed_domain
    >>> observed = QTable(
    ...     {
    ...         "wavelength": [656.28] * u.nm,
    ...         "plate_scale": [[1, 1]] * u.arcsec / u.pix,
    ...         "field_of_view": [[200, 300]] * u.arcsec,
    ...     }
    ... )
    >>> observed_domain(observed).field_of_view
    (200.0, 300.0)
    """
    wavelengths = np.unique(observed["wavelength"].to_value(u.nm).round(1))
    scale = observed["plate_scale"].to_value(u.arcsec / u.pix)
    field = observed["field_of_view"].to_value(u.arcsec)
    return Domain(
        wavelength=tuple((float(value) - 0.5, float(value) + 0.5) for value in wavelengths if np.isfinite(value)),
        plate_scale=(float(scale.min()), float(scale.max())),
        field_of_view=(float(field.min()), float(field.max())),
    )


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure and let go of it."""
    figure.savefig(path, dpi=100)
    plt.close(figure)


def write_outcome(network: nn.Module, result: Evaluation, out: Path) -> Path:
    """Write a network with its card and scores, and the figures of its evaluation.

    Parameters
    ----------
    network : torch.nn.Module
        The network that was evaluated.
    result : Evaluation
        Its ``card`` gets the scores, in place of any that it has.
    out : pathlib.Path
        Folder for ``<name>.safetensors``, ``<name>.metrics.json``, ``<name>.confusion.png`` and
        ``<name>.reliability.png``.

    Returns
    -------
    pathlib.Path
        The weights file.

    Raises
    ------
    sunpy_ml.exceptions.WeightsError
        If the network is not the one that the card names.
    """
    name = result.card.name
    save_figure(result.plot_confusion(), out / f"{name}.confusion.png")
    save_figure(result.plot_reliability(), out / f"{name}.reliability.png")
    scores = {"metrics": result.scores(), "confusion": result.confusion.tolist(), "classes": list(result.classes)}
    (out / f"{name}.metrics.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    path = out / f"{name}.safetensors"
    save_weights(network, path, replace(result.card, metrics=result.metrics(), confusion=(result.card_confusion(),)))
    return path
