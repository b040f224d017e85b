"""Companions: the second file of the authors, with the constants that make physical values of a network's numbers."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.card import Card
from sunpy_ml.weights.fetching import fetch

__all__ = ["companion_path", "output_constants"]

Array = npt.NDArray[Any]


def companion_path(card: Card) -> Path | None:
    """Where the companion of a card's file lies on this machine, fetched if it must be; None for a card without one.

    Raises
    ------
    WeightsError
        If it cannot be fetched.

    Examples
    --------
    >>> from sunpy_ml.weights import companion_path, get_card
    >>> companion_path(get_card("deepvel-2017")) is None
    True
    """
    if card.companion is None:
        return None
    if card.companion.path:
        return Path(card.companion.path)
    # As a file of weights, whose name it has in messages.
    alone = replace(card, file=card.companion, companion=None, output=replace(card.output, keys=()))
    return fetch(alone, progress=False)


def output_constants(card: Card) -> tuple[Array, Array]:
    """What makes physical values of the numbers of each channel of a network: ``offset + scale * number``.

    Where they lie in a companion of the weights, that file is found and fetched as the weights are.

    Parameters
    ----------
    card : Card
        Of the weights.

    Returns
    -------
    offset, scale : numpy.ndarray
        float64, one for each of ``card.output.channels``: 0 and 1 where the card gives none.

    Raises
    ------
    WeightsError
        If the companion cannot be fetched or read, or lacks a constant.

    Examples
    --------
    >>> from sunpy_ml.weights import get_card, output_constants
    >>> offset, scale = output_constants(get_card("deepvel-2017"))
    >>> float(offset[0]), float(scale[0])
    (-8.4247184, 17.0494968)
    """
    output = card.output
    path = companion_path(card)
    if path is not None:
        return _extremes(card, path)
    count = len(output.channels)
    if not output.scale:
        return np.zeros(count), np.ones(count)
    return np.array(output.offset), np.array(output.scale)


def _extremes(card: Card, path: Path) -> tuple[Array, Array]:
    """From the least and the greatest values that the training data had."""
    least, most = [], []
    try:
        # Plain numbers only: an array of objects would run code.
        with np.load(path, allow_pickle=False) as constants:
            for key in card.output.keys:
                least.append(float(np.squeeze(constants[f"{key}_min"])) if key else 0.0)
                most.append(float(np.squeeze(constants[f"{key}_max"])) if key else 1.0)
    except KeyError as error:
        raise WeightsError(f"The companion of {card.name!r}, {path}, has no constant: {error.args[0]}.") from error
    except (OSError, ValueError, TypeError, BadZipFile) as error:
        raise WeightsError(f"The companion of {card.name!r}, {path}, cannot be read as npz: {error}.") from error
    offset, scale = np.array(least), np.subtract(most, least)
    if not (np.isfinite(offset).all() and np.isfinite(scale).all() and (scale > 0).all()):
        raise WeightsError(f"The companion of {card.name!r}, {path}, holds no range of values: {offset}, {scale}.")
    return offset, scale
