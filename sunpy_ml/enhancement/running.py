"""Running a deconvolution over a prepared image, with what is known of its uncertainty."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from sunpy_ml.inference import run_lazy, run_tiled
from sunpy_ml.observations import Turn
from sunpy_ml.weights import Card, network_for

__all__ = ["UNCERTAINTIES", "deconvolve"]

UNCERTAINTIES = ("none", "variance", "ensemble")

#: Rows and columns of the tiles: large enough for the halo to cost little, small enough for a processor's cache.
TILE = 320


def deconvolve(
    image: Any,
    card: Card,
    weights: Any = None,
    *,
    uncertainty: str = "variance",
    tile: int | None = None,
    device: Any = None,
    precision: str = "float32",
    progress: bool = True,
) -> tuple[Any, Any]:
    """The answer of an image-to-image network, and its standard deviation where there is one.

    Parameters
    ----------
    image : numpy.ndarray or dask.array.Array
        float32, (H, W), as the network reads it.
    card, weights
        As `sunpy_ml.weights.network_for` takes them.
    uncertainty : {"none", "variance", "ensemble"}
        The network's own, where the card has a second channel; or the spread over turns and reflections of the image,
        of which the mean is then the answer.
    tile, device, precision, progress
        As in `sunpy_ml.inference.run_tiled`; blocks are the tiles of a dask array.

    Returns
    -------
    answer, deviation : numpy.ndarray or dask.array.Array
        float32, (kH, kW); the deviation is None where nothing tells it.
    """
    options = {"device": device, "precision": precision, "halo": card.input.halo, "multiple": card.input.multiple}

    def answer(view: Any) -> Any:
        if isinstance(view, np.ndarray):
            return run_tiled(network_for(card, weights), view, tile=tile or TILE, progress=progress, **options)
        # The graph holds the card, and where a block is computed the weights are loaded.
        load = partial(network_for, card, weights)
        return run_lazy(load, view, factor=card.output.factor, channels=len(card.output.channels), **options)

    if uncertainty == "ensemble":
        return _over_turns(answer, image)
    channels = answer(image)
    return channels[0], channels[1] if uncertainty == "variance" and len(channels) > 1 else None


def _over_turns(answer: Callable[[Any], Any], image: Any) -> tuple[Any, Any]:
    """Mean and standard deviation of the answers to the eight turns and reflections of an image."""
    mean: Any = 0.0
    squares: Any = 0.0
    for count, choice in enumerate(product((False, True), repeat=3), start=1):
        turn = Turn(*choice)
        deviation = turn.undo(answer(turn.apply(image))[0]) - mean
        mean = mean + deviation / count
        # The sum of squares about the mean so far (Welford), of which small deviations survive the rounding.
        squares = squares + deviation * deviation * ((count - 1) / count)
    return mean, np.sqrt(squares / 8)
