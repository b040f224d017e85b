"""Running a network for flows over pairs of images: from its numbers to displacements on its grid."""

from itertools import product
from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
import numpy.typing as npt
from torch import nn

from sunpy_ml.exceptions import CardError
from sunpy_ml.flows.channels import OutputChannels, output_channels
from sunpy_ml.flows.pairs import KM_PER_ARCSEC, Pairs
from sunpy_ml.flows.result import UNIT
from sunpy_ml.inference import run_tiled
from sunpy_ml.observations import Turn
from sunpy_ml.weights import Card, output_constants

__all__ = ["UNCERTAINTIES", "Displacement", "FlowRunner"]

Array = npt.NDArray[Any]

UNCERTAINTIES = ("variance", "ensemble", "none")
#: Rows and columns of the tiles.
TILE = 512


class Displacement(NamedTuple):
    """What moved between two images.

    Parameters
    ----------
    mean : numpy.ndarray
        (levels, 2, y, x), along columns, then rows, in pixels of the grid.
    variance : numpy.ndarray or None
        Of the same shape, where it is known.
    """

    mean: Array
    variance: Array | None


class FlowRunner:
    """A network with what makes displacements of its numbers.

    Parameters
    ----------
    network : torch.nn.Module
        That of the card.
    card : Card
        What it reads and gives.
    average_turns : bool
        Whether to average over the eight turns and reflections of the images.
    uncertainty : {"variance", "ensemble", "none"}
        The network's own, the spread over the turns, or none.
    **options
        For `~sunpy_ml.inference.run_tiled`.
    """

    def __init__(
        self, network: nn.Module, card: Card, *, average_turns: bool, uncertainty: str, tile: int | None, **options: Any
    ) -> None:
        self.network, self.uncertainty = network, uncertainty
        self.multiple = card.input.multiple
        self.options = {"halo": card.input.halo, "multiple": self.multiple, "tile": tile or TILE, **options}
        self.outputs = output_channels(card)
        self.offset, self.scale = _in_pixels(card, self.outputs)
        turned = average_turns or uncertainty == "ensemble"
        self.turns = [Turn(*choice) for choice in product((False, True), repeat=3)] if turned else [Turn()]

    def __call__(self, pairs: Pairs, number: int) -> Displacement:
        """The displacements of a pair, on its grid and in its orientation."""
        image = pairs.input(number)
        mean: Any = 0.0
        squares: Any = 0.0
        variance: Any = 0.0
        for count, turn in enumerate(self.turns, start=1):
            found = self._turned(image, turn)
            deviation = found.mean - mean
            mean = mean + deviation / count
            # The sum of squares about the mean so far (Welford), of which small deviations survive the rounding.
            squares = squares + deviation * deviation * ((count - 1) / count)
            if found.variance is not None:
                variance = variance + (found.variance - variance) / count
        if self.uncertainty == "ensemble":
            return Displacement(mean, squares / len(self.turns))
        known = self.uncertainty == "variance" and self.outputs.deviations
        return Displacement(mean, variance if known else None)

    def _turned(self, image: Array, turn: Turn) -> Displacement:
        """The answer to a turned image, turned back."""
        numbers = self._answer(np.ascontiguousarray(turn.apply(image)))
        mean = turn.undo(numbers[np.array(self.outputs.components)])
        mean = np.einsum("ij,ljyx->liyx", turn.matrix.astype(np.float32), mean)
        if not self.outputs.deviations:
            return Displacement(mean, None)
        variance = turn.undo(np.square(numbers[np.array(self.outputs.deviations)]))
        return Displacement(mean, np.einsum("ij,ljyx->liyx", abs(turn.matrix).astype(np.float32), variance))

    def _answer(self, image: Array) -> Array:
        """Displacements in pixels, in the channels of the network."""
        rows, columns = image.shape[1:]
        # Rather than to crop, which would lose the edge.
        padding = [(0, 0), (0, -rows % self.multiple), (0, -columns % self.multiple)]
        numbers = run_tiled(self.network, np.pad(image, padding, mode="edge"), **self.options)[:, :rows, :columns]
        return self.offset + self.scale * numbers


def _in_pixels(card: Card, outputs: OutputChannels) -> tuple[Array, Array]:
    """What makes displacements in pixels of the numbers of each channel, which is multiplied before it is added to."""
    offset, scale = output_constants(card)
    if not outputs.displacements:
        # A velocity is what moved by so many pixels of the card's size in the card's time, whatever these are now.
        seconds, pixel = card.input.cadence, card.input.plate_scale
        if seconds is None or pixel is None:
            raise CardError("input: a network that gives velocities needs the cadence and plate_scale built into it.")
        per_speed = seconds / (pixel * KM_PER_ARCSEC)
        # What is no velocity is passed over later.
        factors = [u.Unit(unit).to(UNIT) if u.Unit(unit).is_equivalent(UNIT) else 1.0 for unit in card.output.units]
        offset, scale = offset * factors * per_speed, scale * factors * per_speed
    return offset.astype(np.float32)[:, np.newaxis, np.newaxis], scale.astype(np.float32)[:, np.newaxis, np.newaxis]
