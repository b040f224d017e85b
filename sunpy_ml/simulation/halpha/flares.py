"""Two-ribbon flares: bright ribbons on both sides of a polarity inversion line, with loops between them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import astropy.units as u
import numpy as np
import numpy.typing as npt

from sunpy_ml.simulation.drawing import Floats, blur, sampled, splat, wander
from sunpy_ml.simulation.plate_scale import pixel_angle

__all__ = ["Ribbons", "TwoRibbonFlare", "draw_ribbons", "two_ribbon_flare"]

# From coordinates about the flare, in Mm, to columns and rows.
_ToPixel: TypeAlias = Callable[[Floats, Floats], tuple[Floats, Floats]]
_Curve: TypeAlias = tuple[Floats, Floats, Floats]

_STRANDS = 12
# Modelling choices, in Mm (sigma): a loop, and the scattered light around the ribbons.
_LOOP_WIDTH = 0.5
_HALO = 6.0
# The length of a radian at the Sun, seen from 1 au.
_MM_PER_RADIAN = float(u.au.to("Mm"))


class TwoRibbonFlare(NamedTuple):
    """
    An image with a two-ribbon flare in it.

    Parameters
    ----------
    image : numpy.ndarray
        The image with the flare.
    ribbons : numpy.ndarray
        True in the ribbons: where the flare is at least half as bright as at its brightest.
    """

    image: npt.NDArray[np.floating[Any]]
    ribbons: npt.NDArray[np.bool_]


class Ribbons(NamedTuple):
    """
    A two-ribbon flare in units of the quiet Sun.

    Parameters
    ----------
    brightening : numpy.ndarray
        What it adds, in units of the quiet level.
    transmission : numpy.ndarray
        What dark loops let through of the light from below.
    ribbons : numpy.ndarray
        True in the ribbons.
    """

    brightening: Floats
    transmission: Floats
    ribbons: npt.NDArray[np.bool_]


class _Plan:
    """Where the ribbons run; positions along each from -1 to 1, lengths in Mm (modelling choices)."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.length = float(np.exp(rng.uniform(np.log(20), np.log(110))))
        self.separation = float(rng.uniform(7, 12 + 0.35 * self.length))
        self.width = float(rng.uniform(1.5, 3.0 + 0.03 * self.length))
        self.heading = float(rng.uniform(0, 2 * np.pi))
        self.shear = float(rng.normal(0, 0.15)) * self.length
        self.hook = float(rng.uniform(-0.1, 0.35)) * self.length
        self.line = wander(rng, modes=3)
        self.gap = {side: wander(rng, modes=6) for side in (-1.0, 1.0)}
        self.extent = {side: float(rng.uniform(0.7, 1.0)) for side in (-1.0, 1.0)}

    def at(self, side: float, position: Floats, offset: Floats | float = 0.0) -> tuple[Floats, Floats]:
        """Return coordinates along the ribbon on one ``side``, -1 or 1, ``offset`` outside its middle."""
        extent = self.extent[side]
        along = 0.5 * (self.length * extent * position + side * self.shear)
        apart = 0.5 * self.separation * (1 + 0.2 * self.gap[side](position))
        # The ribbons end in hooks, of opposite sense: together they look like a pair of J's.
        curl = self.hook * np.clip(side * position - 0.45, 0, None) ** 2
        across = 0.06 * self.length * self.line(extent * position) + side * (apart + curl + offset)
        cosine, sine = np.cos(self.heading), np.sin(self.heading)
        return along * cosine - across * sine, along * sine + across * cosine


def draw_ribbons(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    pixel: float,
    to_pixel: _ToPixel,
) -> Ribbons:
    """
    Draw two ribbons, knots in them, loops between them and scattered light around.

    The peak is 1.7 to 5 times the quiet level (modelling choice).

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all that is random.
    shape : tuple of int
        Rows and columns.
    pixel : float
        Length of a pixel, in Mm.
    to_pixel : callable
        Turns coordinates about the flare, in Mm, into columns and rows.

    Returns
    -------
    Ribbons
        The flare in units of the quiet level.
    """
    plan = _Plan(rng)
    peak = float(np.exp(rng.uniform(np.log(0.8), np.log(4.0))))
    curves = [curve for side in (-1.0, 1.0) for curve in _ribbon(rng, plan, side, pixel)]
    emission = blur(_drawn(curves, shape, pixel, to_pixel), rng.uniform(0.5, 1.2) / pixel)
    # Strands of one ribbon share its width; where several meet, the line is optically thick.
    filled = 1 - np.exp(-emission * plan.width / (0.9 * _STRANDS))
    arches = list(_loops(rng, plan, pixel))
    loops = blur(_drawn(arches, shape, pixel, to_pixel), _LOOP_WIDTH / pixel)
    bright_loops, dark_loops = rng.uniform(0, [0.6, 0.5])
    glow = rng.uniform(0.05, 0.2) * blur(filled, _HALO / pixel)
    return Ribbons(
        brightening=peak * (filled + glow) + bright_loops * np.tanh(loops),
        transmission=np.exp(-dark_loops * np.tanh(loops) * (1 - filled)),
        ribbons=filled > 0.5,
    )


@u.quantity_input
def two_ribbon_flare(
    image: npt.ArrayLike,
    *,
    scale: u.Quantity[u.arcsec / u.pix],
    rng: np.random.Generator,
    center: tuple[float, float] | None = None,
    saturation: float | None = None,
) -> TwoRibbonFlare:
    """
    Put a simulated two-ribbon flare on an H-alpha image of the disk, real or simulated.

    The ribbons brighten the image by 0.8 to 4 times its local quiet level, which is the median within 60 Mm
    of the flare. Nothing is foreshortened: the image should lie well inside the limb.

    Parameters
    ----------
    image : array-like
        Two-dimensional intensities in any unit that is 0 in the dark. It is not changed. NaN stays NaN.
    scale : `~astropy.units.Quantity`
        Plate scale, in units of angle per pixel.
    rng : `numpy.random.Generator`
        Source of all that is random: the shape, size, direction and brightness of the flare.
    center : tuple of float, optional
        Column and row of the middle of the flare, counted from 0. Drawn close to the middle of the image
        unless given.
    saturation : float, optional
        Level, in units of the quiet level, at which the detector saturates.

    Returns
    -------
    TwoRibbonFlare
        The new image, in the floating type of ``image``, and the mask of the ribbons.

    Raises
    ------
    ValueError
        If ``image`` is not two-dimensional, if its quiet level is not positive, if ``scale`` is not one
        positive number, or if ``saturation`` is not above the quiet level.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_ml.simulation import two_ribbon_flare
    >>> quiet = np.full((256, 256), 100.0)
    >>> image, ribbons = two_ribbon_flare(quiet, scale=1 * u.arcsec / u.pix, rng=np.random.default_rng(1))
    >>> bool(image[ribbons].min() > 140)
    True
    """
    before = np.asarray(image)
    before = before.astype(np.result_type(before.dtype, np.float32), copy=False)
    if before.ndim != 2:
        raise ValueError(f"image has shape {before.shape}: give a two-dimensional array")
    if saturation is not None and not saturation > 1:
        raise ValueError(f"saturation is {saturation}: give more than 1, the quiet level, or None")
    pixel = pixel_angle(scale).to_value("rad") * _MM_PER_RADIAN
    rows, columns = before.shape
    drawn = (rng.uniform(0.4, 0.6) * (columns - 1), rng.uniform(0.4, 0.6) * (rows - 1))
    column, row = drawn if center is None else center
    level = _quiet_level(before, column, row, reach=60 / pixel)

    def to_pixel(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        return column + x / pixel, row + y / pixel

    flare = draw_ribbons(rng, (rows, columns), pixel=pixel, to_pixel=to_pixel)
    after = before * flare.transmission + level * flare.brightening
    if saturation is not None:
        after = np.minimum(after, saturation * level)
    return TwoRibbonFlare(after.astype(before.dtype), flare.ribbons)


def _quiet_level(image: Floats, column: float, row: float, *, reach: float) -> float:
    """Return the median of the finite values in the square around the flare."""
    rows, columns = (slice(max(int(at - reach), 0), max(int(at + reach) + 1, 0)) for at in (row, column))
    around = image[rows, columns]
    around = around[np.isfinite(around)]
    if not around.size:
        raise ValueError(f"center is ({column:.1f}, {row:.1f}), with nothing finite around: move it")
    level = float(np.median(around))
    if not level > 0:
        raise ValueError(f"image has a median of {level:.3g} around the flare: give positive intensities")
    return level


def _ribbon(rng: np.random.Generator, plan: _Plan, side: float, pixel: float) -> Iterator[_Curve]:
    """Draw the strands and the knots of one ribbon."""
    bright, ragged = wander(rng, modes=8), wander(rng, modes=12)
    for _ in range(_STRANDS):
        start = rng.uniform(-1, -0.3)
        stop = rng.uniform(0.3, 1)
        way, step = sampled(0.5 * (stop - start) * plan.length, pixel)
        position = start + (stop - start) * way
        own_path, own_light = wander(rng, modes=16), wander(rng, modes=9)
        offset = plan.width * (rng.uniform(-0.5, 0.5) + 0.3 * ragged(position) + 0.3 * own_path(position))
        weight = np.exp(0.7 * bright(position)) * np.clip(0.8 + 0.7 * own_light(position), 0, None)
        yield *plan.at(side, position, offset), step * weight
    for _ in range(int(rng.integers(2, 8))):
        grains = 60
        along, across = rng.uniform(0.8, 3.0), rng.uniform(0.5, 1.2)
        position = rng.uniform(-0.9, 0.9) + 2 * along / plan.length * rng.standard_normal(grains)
        offset = plan.width * rng.normal(0, 0.4) + across * rng.standard_normal(grains)
        # At most thrice as dense as the strands.
        dense = rng.uniform(0.5, 3) * _STRANDS / plan.width
        weight = np.full(grains, dense * 2 * np.pi * along * across / grains)
        yield *plan.at(side, position, offset), weight


def _loops(rng: np.random.Generator, plan: _Plan, pixel: float) -> Iterator[_Curve]:
    """Draw arches from ribbon to ribbon, seen from above and a little from the side."""
    side_view = rng.normal(0, 0.3) * plan.separation
    for _ in range(int(rng.integers(0, 25))):
        foot = rng.uniform(-0.8, 0.8)
        far = foot + rng.normal(0, 0.1)
        (x0, y0), (x1, y1) = (plan.at(side, np.array(at)) for side, at in ((-1.0, foot), (1.0, far)))
        way, step = sampled(float(np.hypot(x1 - x0, y1 - y0)), pixel)
        bulge = side_view * np.sin(np.pi * way)
        x = x0 + (x1 - x0) * way + bulge * np.cos(plan.heading)
        y = y0 + (y1 - y0) * way + bulge * np.sin(plan.heading)
        yield x, y, step


def _drawn(curves: list[_Curve], shape: tuple[int, int], pixel: float, to_pixel: _ToPixel) -> Floats:
    if not curves:
        return np.zeros(shape, np.float32)
    x, y, weight = (np.concatenate(part) for part in zip(*curves, strict=True))
    return splat(shape, *to_pixel(x, y), weight / pixel**2)
