"""Elements of flux, and how the surface carries them."""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from sunpy_ml.simulation.drawing import Floats
from sunpy_ml.simulation.emergence.parameters import value

__all__ = ["MM_PER_DEGREE", "Elements", "carried", "since", "smooth_step", "together", "walk"]

Booleans: TypeAlias = npt.NDArray[np.bool_]

# On the solar surface, of radius 695.7 Mm.
MM_PER_DEGREE = 695.7 * np.pi / 180
_DAY = 86400.0


class Elements(NamedTuple):
    """
    Elements of flux.

    Parameters
    ----------
    x, y : numpy.ndarray
        (element, frame), in Mm from the middle of the patch, to the west and to the north.
    flux : numpy.ndarray
        (element, frame), signed, in Mx; 0 where there is none.
    """

    x: Floats
    y: Floats
    flux: Floats


def together(*parts: Elements) -> Elements:
    """Return several sets of elements as one."""
    return Elements(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def walk(rng: np.random.Generator, count: int, days: Floats, diffusion: float) -> tuple[Floats, Floats]:
    """Return random walks from 0, (count, frame) in Mm, of a diffusion in km2/s."""
    step = np.sqrt(2 * diffusion * 1e-6 * _DAY * np.diff(days, prepend=days[0]))
    x, y = np.cumsum(rng.standard_normal((2, count, len(days)), dtype=np.float32) * step.astype(np.float32), axis=2)
    return x, y


def carried(elements: Elements, days: Floats, latitude: float) -> Elements:
    """Carry elements with differential rotation and meridional flow, as seen from a patch at a latitude in degrees."""
    place = np.deg2rad(latitude + elements.y / MM_PER_DEGREE)
    middle = np.deg2rad(latitude)
    square, central = np.sin(place) ** 2, np.sin(middle) ** 2
    rate = value("rotation_b") * (square - central) + value("rotation_c") * (square**2 - central**2)
    flow = value("meridional_2") * np.sin(2 * place) + value("meridional_4") * np.sin(4 * place)
    steps = np.diff(days, prepend=days[0])
    # 1 m/s is 0.0864 Mm a day. Only from when it is there is an element carried.
    x = since(np.cumsum(rate * steps, axis=1), elements.flux != 0) * (MM_PER_DEGREE * np.cos(middle))
    y = since(np.cumsum(flow * steps, axis=1), elements.flux != 0) * 0.0864
    return Elements(elements.x + x, elements.y + y, elements.flux)


def since(path: Floats, there: Booleans) -> Floats:
    """Return paths that are 0 in the first frame in which their elements are there."""
    first = there.argmax(axis=1)[:, None]
    return path - np.take_along_axis(path, first, axis=1)


def smooth_step(position: Floats) -> Floats:
    """Rise from 0 at 0 to 1 at 1."""
    inside = np.clip(position, 0, 1)
    return inside * inside * (3 - 2 * inside)
