"""What is asked of a simulated sequence."""

from typing import NamedTuple

import astropy.units as u
import numpy as np
import torch

from sunpy_ml.simulation.motion.evolution import correlation_after
from sunpy_ml.simulation.motion.pairs import MOTIONS
from sunpy_ml.simulation.motion.pointing import Pointing

__all__ = ["Settings", "settings_for"]

# The usual correlation of frames 30 s apart: in the middle of what is trained with.
_CORRELATION = 0.985


class Settings(NamedTuple):
    """
    What was asked for, checked, in plain numbers.

    Parameters
    ----------
    motion : str
        Its kind.
    speed : float
        In km/s.
    frames : int
        How many.
    step, span : float
        Pixels that 1 km/s moves from one frame to the next, and from the middle to the last.
    correlation, noise : float
        As the card has them.
    jitter : float
        In pixels.
    """

    motion: str
    speed: float
    frames: int
    step: float
    span: float
    correlation: float
    noise: float
    jitter: float


def settings_for(
    pointing: Pointing,
    motion: str,
    rms: u.Quantity,
    frames: int,
    cadence: u.Quantity,
    correlation: float | None,
    noise: float,
    jitter: u.Quantity,
) -> Settings:
    """Check what was asked for, and return it in the pixels that are looked with."""
    if motion not in MOTIONS:
        raise ValueError(f"motion is {motion!r}: choose one of {', '.join(MOTIONS)}")
    if frames < 2:
        raise ValueError(f"frames is {frames}: give at least 2")
    for name, value, positive in (("cadence", cadence, True), ("rms", rms, False), ("jitter", jitter, False)):
        if not value.isscalar or not 0 <= value.value < np.inf or (positive and value.value == 0):
            raise ValueError(f"{name} is {value}: give one finite number {'above' if positive else 'from'} 0")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise is {noise}: give a part of the mean, such as 0.005")
    seconds = cadence.to_value(u.s)
    if correlation is None:
        correlation = float(correlation_after(torch.tensor(_CORRELATION, dtype=torch.float64), torch.tensor(seconds)))
    if not 0 <= correlation <= 1:
        raise ValueError(f"correlation is {correlation}: give a number from 0 to 1, or None")
    step = seconds / pointing.pixel.to_value(u.km)
    return Settings(
        motion,
        rms.to_value(u.km / u.s),
        frames,
        step,
        0.5 * (frames - 1) * step,
        float(correlation),
        float(noise),
        float((jitter / (pointing.scale * u.pix)).to_value(u.dimensionless_unscaled)),
    )
