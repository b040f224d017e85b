"""Moving granulation as observations: frames with coordinates, and the velocity that moved them."""

import math
from typing import Any

import astropy.units as u
import numpy as np
import torch
from sunpy.map import GenericMap
from sunpy.time import parse_time
from torch import Tensor
from torch.nn.functional import pad

from sunpy_ml.simulation.motion.card import MotionCard
from sunpy_ml.simulation.motion.checking import checked_shape
from sunpy_ml.simulation.motion.filming import Conditions, film
from sunpy_ml.simulation.motion.granules import blurred, draw_granules
from sunpy_ml.simulation.motion.observing import MovingGranulation, wrapped
from sunpy_ml.simulation.motion.pairs import follow
from sunpy_ml.simulation.motion.pointing import Pointing, look, look_like
from sunpy_ml.simulation.motion.settings import Settings, settings_for
from sunpy_ml.simulation.motion.spectrum import SOLAR_SPECTRUM, Grid
from sunpy_ml.simulation.motion.streams import Streams, spawn, start
from sunpy_ml.simulation.motion.velocity import Recipe

__all__ = ["moving_granulation"]

# What the mean of a drawn image is, in DN.
_QUIET_LEVEL = 1000.0
# A drawn image is as sharp as two pixels allow.
_RESOLUTION = 2.0
# Around what is shown of a drawn image, in pixels, at least; and in units of the rms displacement.
_MARGIN, _FARTHEST = 12, 3.5
# Of granules, in Mm.
_SPACING = 1.4
_ROTATION = 0.3
_VORTICES = 0.02
_TIE = 0.8
# A flow that stretches things by more than e to this says nothing of the image that it started from.
_MOST_STRAIN = 3.0


@u.quantity_input
def moving_granulation(
    image: GenericMap | np.ndarray | None = None,
    *,
    motion: str = "diverging",
    velocity: u.Quantity[u.km / u.s] | None = None,
    rms: u.Quantity[u.km / u.s] = 1.4 * u.km / u.s,
    frames: int = 2,
    cadence: u.Quantity[u.s] = 30 * u.s,
    shape: tuple[int, int] = (256, 256),
    scale: u.Quantity[u.arcsec / u.pix] = 0.1 * u.arcsec / u.pix,
    contrast: float = 0.14,
    correlation: float | None = None,
    noise: float = 0.005,
    jitter: u.Quantity[u.arcsec] = 0 * u.arcsec,
    center: Any = None,
    time: Any = "2014-10-24T12:00:00",
    seed: int | torch.Generator = 0,
) -> MovingGranulation:
    """
    Simulate frames of granulation that move as is known.

    What a method finds in the frames can be compared with the velocity that made them.

    Parameters
    ----------
    image : `~sunpy.map.GenericMap` or numpy.ndarray, optional
        What moves, seen in the middle of the time; granulation is drawn unless it is given. A Map says where and when
        it was seen, and must have solar north up; an array (rows, columns) is seen where the other arguments say.
    motion : {"diverging", "converging", "unrelated", "uniform", "still"}
        The velocity, unless it is given: out of what is bright or into it (0.8 of the granular energy), a random one
        that has nothing to do with the image, the same everywhere, or none.
    velocity : `~astropy.units.Quantity`, optional
        (2,) for the same everywhere, or (2, rows, columns): vx towards larger columns, which is solar west, and vy
        towards larger rows, north.
    rms : `~astropy.units.Quantity`
        Root of the mean square of the speed, if it is not given.
    frames : int
        How many, at least 2. The velocity on the pixels stays the same.
    cadence : `~astropy.units.Quantity`
        Time from frame to frame.
    shape : tuple of int
        Rows and columns, if no image is given.
    scale : `~astropy.units.Quantity`
        Plate scale, if no Map is given.
    contrast : float
        Standard deviation over mean, if no image is given.
    correlation : float, optional
        Of successive frames after undoing the motion: 1 for no change. By default 0.985 for 30 s, and its
        (cadence / 30 s)-th power at another cadence.
    noise : float
        Standard deviation at the mean brightness, relative to it.
    jitter : `~astropy.units.Quantity`
        Rms displacement of a frame by pointing and seeing, half of its square being distortion.
    center : `~astropy.coordinates.SkyCoord`, optional
        The middle of the image, if no Map is given; the middle of the disk by default. Helioprojective coordinates
        count as the simulated observer's own.
    time : str, `~astropy.time.Time` or `~datetime.datetime`
        Of the first frame, if no Map is given: anything that `sunpy.time.parse_time` reads.
    seed : int or torch.Generator
        The same seed gives the same frames.

    Returns
    -------
    MovingGranulation
        Frames in the unit of the Map, in DN if drawn (mean 1000), or without a unit; the true velocity; the card.

    Raises
    ------
    ValueError
        If a number or a shape cannot be, if the Map is turned, or if the flow would tear the image in this time.
    TypeError
        If ``image`` is neither a Map nor an array, or if ``center`` or ``seed`` is of another type.
    astropy.units.UnitsError
        If a unit is wrong.

    Notes
    -----
    The flow is steady. A frame at the time t from the middle is the image carried by t times the flow, so two frames
    are symmetric about the image, and turning the velocity round exchanges them. `carry` says how accurate that is,
    and `evolve` what changes besides. Velocities are those across the line of sight, at the distance of the Sun's
    centre; nothing is foreshortened.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.motion import moving_granulation
    >>> frames, velocity, card = moving_granulation(shape=(64, 96), cadence=20 * u.s, seed=1)
    >>> frames.shape, velocity["vx"].unit
    ((2, 64, 96), Unit("km / s"))
    >>> card.pixel
    <Quantity 72.52709438 km>
    """
    pointing, given, unit = _image(image, shape, scale, center, time)
    settings = settings_for(pointing, motion, rms, frames, cadence, correlation, noise, jitter)
    drawing, flows, films = spawn(start(seed, 1), 3)
    if velocity is None:
        margin = 0 if given is not None else _margin(_FARTHEST * settings.speed * settings.span)
        still = _drawn(drawing, shape, margin, pointing, contrast) if given is None else given
        truth = _random(flows, still, margin, pointing, settings)
    else:
        fixed = _fixed(velocity, shape if given is None else given.shape[1:])
        margin = 0 if given is not None else _margin(float(fixed.square().sum(dim=1).max().sqrt()) * settings.span)
        still = _drawn(drawing, shape, margin, pointing, contrast) if given is None else given
        truth = pad(fixed, (margin,) * 4, mode="replicate")
    shown, outside = _filmed(films, still, truth, pointing, settings)
    inner = _inner(still, margin)
    still, truth = still[..., *inner], truth[..., *inner]
    card = MotionCard(
        motion=motion if velocity is None else "given",
        rms=float(truth.square().sum(dim=1).mean().sqrt()) * u.km / u.s,
        pixel=pointing.pixel,
        scale=pointing.scale,
        cadence=cadence.to(u.s),
        correlation=settings.correlation,
        noise=settings.noise,
        jitter=jitter.to(u.arcsec),
        image="drawn" if image is None else "given",
        contrast=float(still.std(correction=0) / still.mean()),
        seed=None if isinstance(seed, torch.Generator) else int(seed),
        parts=SOLAR_SPECTRUM,
        rotation=_ROTATION,
        vortices=_VORTICES / u.Mm**2,
    )
    mask = outside[0, *inner].numpy()
    if isinstance(image, GenericMap) and image.mask is not None:
        mask = mask | image.mask
    shown = shown[0, :, *inner] * (_QUIET_LEVEL if image is None else 1.0)
    return wrapped(shown.numpy(), truth[0].numpy(), mask, unit, pointing, card)


def _image(
    image: GenericMap | np.ndarray | None, shape: tuple[int, int], scale: u.Quantity, center: Any, time: Any
) -> tuple[Pointing, Tensor | None, u.UnitBase]:
    """Return where the image looks, the image if it is given, (1, H, W), and its unit."""
    if image is None:
        return look(checked_shape(shape), scale, center, parse_time(time)), None, u.DN
    if not isinstance(image, GenericMap | np.ndarray):
        raise TypeError(f"image is {type(image).__name__}: give a Map, an array or None")
    data = np.asarray(image.data if isinstance(image, GenericMap) else image)
    if data.ndim != 2 or not np.isfinite(data).all() or not data.mean() > 0:
        raise ValueError(
            f"image has the shape {data.shape} and the mean {data.mean()}: give rows and columns of finite numbers "
            "with a positive mean"
        )
    checked_shape(data.shape)
    # A copy, in the byte order of this machine.
    given = torch.from_numpy(np.array(data, dtype=np.float32))[None]
    if isinstance(image, GenericMap):
        return look_like(image), given, image.unit or u.dimensionless_unscaled
    return look(data.shape, scale, center, parse_time(time)), given, u.dimensionless_unscaled


def _margin(displacement: float) -> int:
    """Return how much more is drawn on each side, so that what comes into view has been there before."""
    return _MARGIN + math.ceil(displacement)


def _drawn(streams: Streams, shape: tuple[int, int], margin: int, pointing: Pointing, contrast: float) -> Tensor:
    if not 0 <= contrast < 1:
        raise ValueError(f"contrast is {contrast}: give a number from 0 to 1, such as 0.14")
    larger = shape[0] + 2 * margin, shape[1] + 2 * margin
    sharp = draw_granules(streams, _grid(torch.zeros(1, *larger), pointing), _SPACING)
    image = blurred(sharp, _RESOLUTION, periodic=False)
    shown = image[:, margin : margin + shape[0], margin : margin + shape[1]]
    return torch.clamp(1 + contrast * (image - shown.mean()) / shown.std(correction=0), min=0)


def _grid(image: Tensor, pointing: Pointing) -> Grid:
    return Grid((image.shape[1], image.shape[2]), image.new_tensor([pointing.pixel.to_value(u.Mm)]), periodic=False)


def _inner(image: Tensor, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of what is shown."""
    return slice(margin, image.shape[1] - margin), slice(margin, image.shape[2] - margin)


def _random(streams: Streams, still: Tensor, margin: int, pointing: Pointing, settings: Settings) -> Tensor:
    """Draw a velocity, (1, 2, H, W) in km/s, of the rms that was asked for where it is shown."""
    follows = {"diverging": 1.0, "converging": -1.0}.get(settings.motion, 0.0)
    recipe = Recipe(
        SOLAR_SPECTRUM,
        *(still.new_tensor([value]) for value in (settings.speed, _ROTATION, _VORTICES, _TIE * follows)),
    )
    drawn = follow(streams, still, _grid(still, pointing), recipe, [settings.motion])
    if settings.motion == "still" or settings.speed == 0:
        return drawn
    rms = drawn[..., *_inner(still, margin)].square().sum(dim=1).mean().sqrt()
    if rms == 0:
        raise ValueError(f"scale is {pointing.scale}, on which nothing is left of a solar spectrum: give a smaller one")
    return drawn * (settings.speed / rms)


def _fixed(velocity: u.Quantity, shape: tuple[int, ...]) -> Tensor:
    """Return a given velocity, (1, 2, H, W) in km/s."""
    values = torch.from_numpy(np.array(velocity.to_value(u.km / u.s), dtype=np.float32))
    if values.shape not in ((2,), (2, *shape)) or not values.isfinite().all():
        raise ValueError(
            f"velocity has the shape {tuple(values.shape)}: give (2,) or {(2, *shape)}, vx first, all finite"
        )
    return (values[:, None, None] if values.ndim == 1 else values).expand(2, *shape)[None]


def _filmed(
    streams: Streams, still: Tensor, truth: Tensor, pointing: Pointing, settings: Settings
) -> tuple[Tensor, Tensor]:
    strain = _strain(truth * settings.span)
    if strain > _MOST_STRAIN:
        raise ValueError(
            f"cadence is too long for {settings.frames} frames: this flow would stretch the image by "
            f"exp({strain:.1f}); give a shorter one, fewer frames or a slower flow"
        )
    conditions = (settings.correlation, settings.jitter, settings.noise)
    return film(
        streams,
        still,
        truth * settings.step,
        _grid(still, pointing),
        Conditions(*(still.new_tensor([value]) for value in conditions)),
        count=settings.frames,
        steps=1 + math.ceil(2 * strain),
        uniform=(truth == truth[:, :, :1, :1]).all(dim=(1, 2, 3)),
    )


def _strain(flow: Tensor) -> float:
    """Return the largest change of a displacement from one pixel to the next."""
    return max(float(flow.diff(dim=dim).abs().max()) for dim in (-1, -2))
