"""Pairs of images as a network for flows reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from sunpy.map import GenericMap

from sunpy_ml.exceptions import CardError, ObservationError
from sunpy_ml.flows.channels import Plane, input_planes
from sunpy_ml.observations import ImageSequence, Normalisation, Turn, image_sequence, observed_wavelength, quiet_headers
from sunpy_ml.observations.normalisation import channel_normaliser
from sunpy_ml.observations.resampling import resample
from sunpy_ml.observations.sequences import POINTING, pixels_apart
from sunpy_ml.weights import Card, Facts

__all__ = ["KM_PER_ARCSEC", "Pairs", "image_pairs", "read_sequences", "sequence_facts"]

Array = npt.NDArray[Any]

#: At the Sun's centre from 1 au, from where plate scales of cards are meant.
KM_PER_ARCSEC = float((u.arcsec.to(u.rad) * u.au).to_value(u.km))
# Pixels are as large as a network wants them if they differ by less than this part: velocities are corrected for it.
_SAME_SCALE = 0.03
_ANY_WCS = {"ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec"}
# Pixels that one may become along an axis: more are a wrong plate scale, and more than memory holds.
_MOST_PIXELS = 100
# By which part the sides of a pixel may differ where a network knows only one size.
_SQUARE = 0.01


@dataclass(frozen=True)
class Pairs:
    """Successive images on the grid of a network, north up where its card asks for that.

    Attributes
    ----------
    frames : dict of str to numpy.ndarray
        Of each quantity, float32, (time, y, x), in the unit that the network reads.
    planes : tuple of Plane
        What the channels of the network's input are.
    normalisations : tuple of Normalisation
        Of each channel that is an image.
    turn : Turn
        From the given images to these.
    pixel : tuple of float
        Size of a pixel of these images along columns and rows, in km.
    cadence : float
        Seconds from image to image.
    """

    frames: dict[str, Array]
    planes: tuple[Plane, ...]
    normalisations: tuple[Normalisation | None, ...]
    turn: Turn
    pixel: tuple[float, float]
    cadence: float

    def __len__(self) -> int:
        return len(next(iter(self.frames.values()))) - 1

    def input(self, number: int) -> Array:
        """What the network reads for a pair, (channels, y, x)."""
        shape = next(iter(self.frames.values())).shape[1:]
        numbers = {"pixel": float(np.sqrt(np.prod(self.pixel))), "cadence": self.cadence}
        channels = [
            np.full(shape, numbers[plane.kind], np.float32)
            if normalisation is None
            else normalisation.apply(self.frames[plane.quantity][number + plane.frame])
            for plane, normalisation in zip(self.planes, self.normalisations, strict=True)
        ]
        return np.stack(channels)


def read_sequences(observations: Any, card: Card, **options: Any) -> dict[str, ImageSequence]:
    """The sequence of each quantity that a network reads.

    Parameters
    ----------
    observations : object
        As `~sunpy_ml.observations.image_sequence` takes it, or a mapping of such to the names of quantities.
    card : Card
        Of the network.
    **options
        For `~sunpy_ml.observations.image_sequence`.

    Raises
    ------
    ObservationError
        If a quantity is missing, or if the sequences are not of one grid and time.
    """
    wanted = list(dict.fromkeys(plane.quantity for plane in input_planes(card) if plane.kind == "image"))
    if not isinstance(observations, Mapping):
        if len(wanted) != 1:
            raise ObservationError(f"observations: {card.name!r} reads several quantities; give a dict of {wanted}.")
        return {wanted[0]: image_sequence(observations, **options)}
    if set(observations) != set(wanted):
        raise ObservationError(f"observations: {card.name!r} reads {wanted}, got {list(observations)}.")
    found = {name: image_sequence(observations[name], **options) for name in wanted}
    first = found[wanted[0]]
    for name, other in found.items():
        if (reason := _differ(first, other, coaligned=options.get("coaligned", False))) is not None:
            raise ObservationError(f"observations: {wanted[0]!r} and {name!r} do not belong together: {reason}.")
    return found


def _differ(first: ImageSequence, other: ImageSequence, *, coaligned: bool) -> str | None:
    """Why the images of two sequences are not of the same pixels and times, or None if they are."""
    shape = first.frames.shape
    if other.frames.shape != shape or not np.allclose(other.step, first.step, rtol=1e-3):
        return (
            f"{shape} pixels of {first.pixel} and {other.frames.shape} of {other.pixel}; bring them to one grid, by "
            "Map.reproject_to"
        )
    if not coaligned and first.wcs is not None and other.wcs is not None:
        apart = pixels_apart(first.wcs, other.wcs, shape[1:])
        if apart > POINTING:
            return f"their headers place the same pixel up to {apart:.3g} pixels apart; align them, by Map.reproject_to"
    cadence = first.cadence.to_value(u.s)
    if not np.isclose(other.cadence.to_value(u.s), cadence, rtol=1e-2):
        return f"their cadences are {first.cadence:.4g} and {other.cadence:.4g}"
    if first.start is not None and other.start is not None:
        later = (other.start - first.start).to_value(u.s)
        if abs(later) > 0.5 * cadence:
            return f"the times of one are {later:.4g} s later than those of the other"
    return None


def image_pairs(sequences: Mapping[str, ImageSequence], card: Card) -> Pairs:
    """Turn, resample and normalise sequences as a card says.

    The constants of the normalisation are measured once, on all frames, so that they depend on neither pair nor tile.

    Raises
    ------
    ObservationError
        If the images have another unit than is needed, or no contrast.
    CardError
        If the card asks for what images of a sequence cannot have.
    """
    first = next(iter(sequences.values()))
    turn = first.turn if card.input.orientation == "north-up" else Turn()
    rows, columns = turn.apply(first.frames).shape[1:]
    size = first.pixel.to_value(u.km)[:: -1 if turn.transpose else 1]
    shape = _grid((rows, columns), size, first.cadence.to_value(u.s), card)
    planes = tuple(input_planes(card))
    frames, valid = {}, {}
    for name, sequence in sequences.items():
        factor = np.float32(_unit_factor(sequence, card, planes, name))
        turned = turn.apply(sequence.frames)
        frames[name] = factor * (turned if shape == (rows, columns) else np.stack([resample(f, shape) for f in turned]))
        seen = None if sequence.mask is None or shape != (rows, columns) else ~turn.apply(sequence.mask)
        valid[name] = frames[name].ravel() if seen is None else frames[name][seen]
    normalisations = [
        channel_normaliser(card.input, number)(valid[plane.quantity], card.input.constants)
        if plane.kind == "image"
        else None
        for number, plane in enumerate(planes)
    ]
    pixel = float(size[0]) * columns / shape[1], float(size[1]) * rows / shape[0]
    return Pairs(frames, planes, tuple(normalisations), turn, pixel, first.cadence.to_value(u.s))


def sequence_facts(sequence: ImageSequence, pairs: Pairs) -> Facts:
    """The facts of a sequence; its plate scale is that of the grid of the network where that is coarser."""
    given = sequence.pixel.to_value(u.km) / KM_PER_ARCSEC if sequence.scale is None else sequence.scale.value
    coarser = np.array(pairs.pixel[:: -1 if pairs.turn.transpose else 1]) / sequence.pixel.to_value(u.km)
    kept = {key: value for key, value in sequence.meta.items() if str(key).lower().startswith(("wave", "filter"))}
    with quiet_headers():
        # Only the words of the header count, and those of an NDCube need not be those of a Map.
        wavelength = observed_wavelength(GenericMap(np.zeros((1, 1)), {**_ANY_WCS, **kept}))
    return Facts(
        wavelength=wavelength,
        plate_scale=given * np.maximum(coarser, 1) * u.arcsec / u.pix,
        field_of_view=given * sequence.frames.shape[:0:-1] * u.arcsec,
        cadence=sequence.cadence,
        unit=sequence.unit,
        missing=0.0 if sequence.mask is None else float(sequence.mask.mean()),
    )


def _grid(shape: tuple[int, int], size: Array, cadence: float, card: Card) -> tuple[int, int]:
    """Rows and columns of the network's grid over the same field; ``size`` is km along columns, then rows."""
    rules = card.input
    if rules.geometry == "fixed-shape":
        raise CardError("input.geometry: images of a sequence keep their field; give 'plate-scale' or 'native'.")
    if rules.geometry == "plate-scale" and rules.plate_scale is not None:
        target = rules.plate_scale * KM_PER_ARCSEC
        if np.abs(size / target - 1).max() <= _SAME_SCALE:
            return shape
        if size.max() > _MOST_PIXELS * target:
            raise ObservationError(
                f"observations: their pixels are {size.max():.4g} km, and {card.name!r} reads such of {target:.4g} km; "
                "mend their plate scale or distance, or give images nearer to that."
            )
        rows, columns = (max(1, round(n * float(km) / target)) for n, km in zip(shape, size[::-1], strict=True))
        return rows, columns
    finest = card.domain.plate_scale[0] * KM_PER_ARCSEC if card.domain.plate_scale else 0.0
    # In a finer image what moves would go farther, in pixels, than the network looks.
    finest = max(finest, cadence / rules.constants.get("fastest_step", np.inf))
    square = size.max() <= size.min() * (1 + _SQUARE)
    if square and size.min() >= finest * (1 - 1e-6):
        return shape
    target = max(finest, float(size.max()))
    # Rounded down: no pixel becomes finer than it may be.
    rows, columns = (max(1, int(n * float(km) / target + 1e-6)) for n, km in zip(shape, size[::-1], strict=True))
    return rows, columns


def _unit_factor(sequence: ImageSequence, card: Card, planes: tuple[Plane, ...], quantity: str) -> float:
    rules = card.input
    units = rules.units or (rules.unit,) * len(planes)
    wanted = next(unit for unit, plane in zip(units, planes, strict=True) if plane == Plane("image", quantity))
    if not wanted:
        return 1.0
    if sequence.unit is None:
        raise ObservationError(f"observations: nothing tells their unit, and {wanted!r} is needed; set it.")
    if not sequence.unit.is_equivalent(wanted):
        raise ObservationError(f"observations: their unit is {str(sequence.unit)!r}, which cannot become {wanted!r}.")
    return float(sequence.unit.to(wanted))
