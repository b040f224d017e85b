"""Normalisers: how physical values become the numbers that a network was trained on.

Every normaliser is an affine map, x -> (x - offset) / scale, whose two constants are either fixed by the
weights card or measured on the valid pixels of the observation; ``minmax-uint8`` then also rounds to whole
grey levels. They are measured once, on the whole observation, so that a result never depends on a tile.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.stats import mad_std, sigma_clipped_stats

from sunpy_ml.exceptions import CardError, ObservationError
from sunpy_ml.weights import Input

__all__ = [
    "NORMALISERS",
    "Normalisation",
    "Normaliser",
    "channel_normaliser",
    "normaliser_of",
    "quiet_sun_level",
]

Array = npt.NDArray[Any]

#: The statistics are taken on at most about this many pixels, evenly spread, so that a 4096 x 4096 map (or a
#: dask array) costs no more than a cut-out and lazy and eager data give the same constants.
SAMPLE_SIZE = 1_000_000


@dataclass(frozen=True)
class Normalisation:
    """The constants of one observation: ``normalised = (physical - offset) / scale``."""

    offset: float
    scale: float
    grey_levels: bool = False

    def apply(self, values: Array) -> Array:
        """Physical values to network values (float32; works on numpy and dask arrays)."""
        normalised = (values - np.float32(self.offset)) / np.float32(self.scale)
        if self.grey_levels:
            # Old scipy's bytescale, which Slic was trained with: half a level is added, then truncated.
            normalised = np.floor(normalised + np.float32(0.5)).clip(0, 255)
        return normalised.astype(np.float32)

    def invert(self, values: Array) -> Array:
        """Network values back to physical values (grey levels stay rounded)."""
        return values * np.float32(self.scale) + np.float32(self.offset)


@dataclass(frozen=True)
class Normaliser:
    """How a card's normaliser finds its constants.

    Attributes
    ----------
    constants : tuple of str
        The names of the constants that a card must give.
    measure : callable
        From the valid pixels (1-D, float64) and the card's constants to a `Normalisation`.
    on_source : bool
        Measured on the pixels as observed (as the published recipe did) rather than on the network's grid.
    on_disk : bool
        Measured on the solar disk alone, where the header tells where the disk is.
    """

    constants: tuple[str, ...]
    measure: Callable[[Array, Mapping[str, float]], Normalisation]
    on_source: bool = False
    on_disk: bool = False

    def __call__(self, pixels: Array, constants: Mapping[str, float]) -> Normalisation:
        """Measure the constants on the valid pixels of an observation."""
        step = max(1, pixels.size // SAMPLE_SIZE)
        sample = np.asarray(pixels[::step], dtype=np.float64)
        normalisation = self.measure(sample, constants)
        if not np.isfinite(normalisation.scale) or normalisation.scale == 0:
            raise ObservationError(
                f"observation: its {pixels.size} valid pixels hold no contrast to divide by (the scale is "
                f"{normalisation.scale:g}), so it cannot be normalised. Check the file, its mask and its unit."
            )
        return normalisation


def quiet_sun_level(pixels: Array) -> float:
    """Robust level of the quiet Sun: the median after spots and plage are clipped away.

    Parameters
    ----------
    pixels : numpy.ndarray
        Intensities on the disk, any unit.

    Returns
    -------
    float
        The median of the pixels within 2.5 robust standard deviations, iterated.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.observations import quiet_sun_level
    >>> quiet_sun_level(np.array([0.2, 0.99, 1.0, 1.01, 1.0, 1.0, 0.98, 1.02, 5.0]))
    1.0
    """
    _, median, _ = sigma_clipped_stats(pixels, sigma=2.5, maxiters=10, cenfunc="median", stdfunc=mad_std)
    return float(median)


def _minmax(pixels: Array, constants: Mapping[str, float]) -> Normalisation:
    low, high = float(pixels.min()), float(pixels.max())
    return Normalisation(low, (high - low) / 255, grey_levels=True)


def _percentile(pixels: Array, constants: Mapping[str, float]) -> Normalisation:
    low, high = np.percentile(pixels, [constants["low"], constants["high"]])
    return Normalisation(float(low), float(high - low))


def _contrast(pixels: Array, constants: Mapping[str, float]) -> Normalisation:
    mean = float(pixels.mean())
    return Normalisation(mean, mean)


def channel_normaliser(rules: Input, channel: int) -> Normaliser:
    """The normaliser of one channel of a network that reads several.

    Where the card says ``per-channel``, the constants ``offset_<channel>`` and ``scale_<channel>`` are fixed; a channel
    without is divided by its median.

    Raises
    ------
    CardError
        As of `normaliser_of`.
    """
    if rules.normaliser != "per-channel":
        return normaliser_of(rules)
    names = f"offset_{channel}", f"scale_{channel}"
    if not set(names) & set(rules.constants):
        return NORMALISERS["median"]
    fixed = Normalisation(rules.constants.get(names[0], 0.0), rules.constants.get(names[1], 1.0))
    return Normaliser((), lambda pixels, constants: fixed)


def normaliser_of(rules: Input) -> Normaliser:
    """The normaliser that a card names, with all the constants that it needs.

    Raises
    ------
    CardError
        If there is none of that name, or the card leaves out a constant.
    """
    if rules.normaliser not in NORMALISERS:
        raise CardError(f"input.normaliser: got {rules.normaliser!r}, for an image choose from {sorted(NORMALISERS)}.")
    normaliser = NORMALISERS[rules.normaliser]
    missing = set(normaliser.constants) - set(rules.constants)
    if missing:
        raise CardError(f"input.constants: {rules.normaliser!r} needs {sorted(missing)} as well.")
    return normaliser


#: Normalisers by the name that a card gives.
NORMALISERS: dict[str, Normaliser] = {
    "raw": Normaliser((), lambda pixels, constants: Normalisation(0.0, 1.0)),
    "contrast": Normaliser((), _contrast),
    "minmax-uint8": Normaliser((), _minmax, on_source=True),
    "quiet-sun": Normaliser((), lambda pixels, constants: Normalisation(0.0, quiet_sun_level(pixels)), on_disk=True),
    "median": Normaliser((), lambda pixels, constants: Normalisation(0.0, float(np.median(pixels)))),
    "percentile": Normaliser(("low", "high"), _percentile),
    "scale": Normaliser(("scale",), lambda pixels, constants: Normalisation(0.0, constants["scale"])),
    "zscore": Normaliser(
        ("mean", "std"),
        lambda pixels, constants: Normalisation(constants["mean"], constants["std"]),
    ),
}
