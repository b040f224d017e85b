"""What a simulated sequence was made with, and where the numbers are from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import astropy.units as u

from sunpy_ml.simulation.motion.spectrum import FlowPart

__all__ = ["SOURCES", "MotionCard"]

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "granules": "mean spacing 1.4 Mm: textbook value; widths of lanes and brightnesses: modelling choice",
        "contrast": "10 to 20 % for what is resolved, textbook value; modelling choice",
        "scales": "Rieutord & Rincon 2010, https://doi.org/10.12942/lrsp-2010-2",
        "slopes": "Rieutord et al. 2010, https://doi.org/10.1051/0004-6361/200913303 (of the vertical velocity)",
        "rms": "1.4 km/s for each component in degraded simulations (Asensio Ramos et al. 2017, "
        "https://doi.org/10.1051/0004-6361/201730783); 0.3 km/s in supergranules (Rieutord & Rincon 2010)",
        "vortices": "radius 0.2 to 0.5 Mm, about 1 km/s: after Liu et al. 2019, https://arxiv.org/abs/1804.02931; "
        "number: modelling choice",
        "correlation": "modelling choice, without memory: c(t) = c(30 s)^(t / 30 s)",
        "noise": "modelling choice",
        "jitter": "modelling choice",
        "carrying": "splines: Thévenaz et al. 2000, https://doi.org/10.1109/42.875199",
    }
)


@dataclass(frozen=True)
class MotionCard:
    """
    The parameters of a simulated sequence.

    Parameters
    ----------
    motion : str
        "diverging", "converging", "unrelated", "uniform", "still" or "given".
    rms : `~astropy.units.Quantity`
        Root of the mean square of the true speed.
    pixel : `~astropy.units.Quantity`
        Size of a pixel at the Sun.
    scale : `~astropy.units.Quantity`
        Plate scale.
    cadence : `~astropy.units.Quantity`
        Time from frame to frame.
    correlation : float
        Of successive frames after undoing the motion.
    noise : float
        Standard deviation at the mean brightness, relative to it.
    jitter : `~astropy.units.Quantity`
        Rms displacement of a frame by pointing and seeing.
    image : str
        "drawn" or "given".
    contrast : float
        Standard deviation over mean of the image.
    seed : int or None
        None where a generator was given.
    parts : tuple of FlowPart
        The spectrum of a random velocity.
    rotation : float
        The part of the energy of the spectrum that is in rotation.
    vortices : `~astropy.units.Quantity`
        Number of vortices per area.
    sources : mapping of str to str
        Where the numbers are from.
    """

    motion: str
    rms: u.Quantity
    pixel: u.Quantity
    scale: u.Quantity
    cadence: u.Quantity
    correlation: float
    noise: float
    jitter: u.Quantity
    image: str
    contrast: float
    seed: int | None
    parts: tuple[FlowPart, ...]
    rotation: float
    vortices: u.Quantity
    sources: Mapping[str, str] = field(default_factory=lambda: SOURCES, repr=False)
