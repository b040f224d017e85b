"""Velocity fields: random ones, and those that an image suggests."""

from collections.abc import Sequence
from typing import NamedTuple

import astropy.units as u
import torch
from torch import Tensor

from sunpy_ml.simulation.motion.checking import checked_images, checked_shape, per_sample
from sunpy_ml.simulation.motion.sampling import extend, frequencies
from sunpy_ml.simulation.motion.spectrum import SOLAR_SPECTRUM, FlowPart, Grid, draw_parts
from sunpy_ml.simulation.motion.streams import Streams, spawn, start
from sunpy_ml.simulation.motion.vortices import draw_vortices

__all__ = ["Recipe", "diverging", "diverging_velocity", "draw_velocity", "random_velocity"]

# In Mm (modelling choices): what is smaller than a lane says nothing of a granule, and brightness that differs over
# mesogranules is no granulation.
_SMOOTH, _WIDE = 0.15, 4.0
# At most this part of the kinetic energy is in vortices.
_MOST_IN_VORTICES = 0.5


class Recipe(NamedTuple):
    """
    What velocity fields are drawn from; tensors have one value for each sample.

    Parameters
    ----------
    parts : sequence of FlowPart
        The spectrum. Its first part is the one that can follow the image.
    rms : torch.Tensor
        Root of the mean square of the speed, in km/s.
    rotation : torch.Tensor
        The part of the kinetic energy of random flows that is in rotation.
    vortices : torch.Tensor
        Vortices per square Mm.
    tie : torch.Tensor
        How much of the energy of the first part follows the image: from -1 (all of it, converging where the image is
        bright) over 0 (none) to 1 (all of it, diverging there).
    stretch, weight : torch.Tensor or float
        (N, P), factors to the scales and the shares of the parts.
    """

    parts: Sequence[FlowPart]
    rms: Tensor
    rotation: Tensor
    vortices: Tensor
    tie: Tensor
    stretch: Tensor | float = 1.0
    weight: Tensor | float = 1.0


@u.quantity_input
def random_velocity(
    shape: tuple[int, int],
    *,
    pixel: u.Quantity[u.Mm],
    rms: u.Quantity[u.km / u.s] = 1.4 * u.km / u.s,
    parts: Sequence[FlowPart] = SOLAR_SPECTRUM,
    rotation: float = 0.3,
    vortices: u.Quantity[u.Mm**-2] = 0.02 / u.Mm**2,
    periodic: bool = False,
    count: int = 1,
    seed: int | torch.Generator = 0,
    device: str | torch.device | None = None,
) -> Tensor:
    """
    Draw horizontal velocity fields with a solar spectrum.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    pixel : `~astropy.units.Quantity`
        Size of a pixel at the Sun: one, or one for each sample.
    rms : `~astropy.units.Quantity`
        Root of the mean square of the speed, over each field; one, or one for each sample.
    parts : sequence of FlowPart
        The spectrum. Waves of less than three pixels are left out.
    rotation : float
        The part of the kinetic energy of the spectrum that is in rotation, the rest being in divergence.
    vortices : `~astropy.units.Quantity`
        Number of vortices of Lamb and Oseen per area; their radii are 0.2 to 0.5 Mm, their speeds 0.5 to 1.5 km/s.
        Those of less than 1.5 pixels are left out.
    periodic : bool
        Whether the fields go on at the other edge; if so, waves that are longer than the field are left out.
    count : int
        Number of fields.
    seed : int or torch.Generator
        The same seed gives the same fields; a field does not depend on how many follow it, nor on the device.
    device : str or torch.device, optional
        Where to; the CPU by default.

    Returns
    -------
    torch.Tensor
        (count, 2, rows, columns) in km/s, float32: vx towards larger columns, vy towards larger rows.

    Raises
    ------
    ValueError
        If a number cannot be, or if nothing of the spectrum is left on such pixels.
    astropy.units.UnitsError
        If a unit is wrong.

    Notes
    -----
    Scales and speeds: Rieutord & Rincon 2010 (doi:10.12942/lrsp-2010-2), slopes: Rieutord et al. 2010
    (doi:10.1051/0004-6361/200913303), vortices: Liu et al. (arXiv:1804.02931). The shares of the parts, the part of
    rotation and the number of vortices are modelling choices.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.motion import random_velocity
    >>> velocity = random_velocity((64, 96), pixel=70 * u.km, rms=2 * u.km / u.s, count=3)
    >>> velocity.shape
    torch.Size([3, 2, 64, 96])
    >>> velocity.square().sum(dim=1).mean(dim=(1, 2)).sqrt()
    tensor([2.0000, 2.0000, 2.0000])
    """
    checked_shape(shape)
    if count < 1:
        raise ValueError(f"count is {count}: give at least 1")
    if not 0 <= rotation <= 1:
        raise ValueError(f"rotation is {rotation}: give a part of the energy, from 0 to 1")
    if not parts:
        raise ValueError("parts is empty: give at least one FlowPart")
    place = torch.zeros(count, device=device)
    grid = Grid(shape, per_sample("pixel", pixel.to_value(u.Mm), place, positive=True), periodic)
    recipe = Recipe(
        parts,
        rms=per_sample("rms", rms.to_value(u.km / u.s), place),
        rotation=place + rotation,
        vortices=per_sample("vortices", vortices.to_value(u.Mm**-2), place),
        tie=place,
    )
    velocity = draw_velocity(start(seed, count), grid, recipe)
    if not velocity.square().sum(dim=(1, 2, 3)).gt(0).eq(recipe.rms > 0).all():
        raise ValueError(f"pixel is {pixel}, on which nothing is left of the parts {tuple(parts)}: give smaller ones")
    return velocity


@u.quantity_input
def diverging_velocity(
    images: Tensor, *, pixel: u.Quantity[u.Mm], rms: u.Quantity[u.km / u.s], periodic: bool = False
) -> Tensor:
    """
    Make the velocity that granulation suggests: out of what is bright, into what is dark.

    It has no rotation, and its divergence is proportional to the brightness, smoothed over 0.15 Mm, without structures
    that are larger than mesogranules.

    Parameters
    ----------
    images : torch.Tensor
        (N, H, W), of any positive unit.
    pixel : `~astropy.units.Quantity`
        Size of a pixel at the Sun: one, or one for each image.
    rms : `~astropy.units.Quantity`
        Root of the mean square of the speed: one, or one for each image.
    periodic : bool
        Whether the images go on at the other edge. Otherwise nothing flows through their edges.

    Returns
    -------
    torch.Tensor
        (N, 2, H, W) in km/s: vx towards larger columns, vy towards larger rows.

    Raises
    ------
    ValueError
        If ``images`` is no batch of images.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.motion import diverging_velocity, granulation
    >>> images = granulation((64, 64), pixel=100 * u.km)
    >>> diverging_velocity(images, pixel=100 * u.km, rms=1 * u.km / u.s).shape
    torch.Size([1, 2, 64, 64])
    """
    checked_images(images)
    place = images.new_zeros(images.shape[0])
    size = per_sample("pixel", pixel.to_value(u.Mm), place, positive=True)
    speed = per_sample("rms", rms.to_value(u.km / u.s), place)
    return speed[:, None, None, None] * diverging(images, Grid((images.shape[1], images.shape[2]), size, periodic))


def diverging(images: Tensor, grid: Grid) -> Tensor:
    """Return the velocity that images suggest, (N, 2, H, W), of rms speed 1; 0 where an image is flat."""
    rows, columns = grid.shape
    period = extend(images / images.mean(dim=(1, 2), keepdim=True), periodic=grid.periodic)
    along, up = (number / grid.pixel[:, None, None] for number in frequencies(period))
    square = along**2 + up**2
    band = torch.exp(-0.5 * square * _SMOOTH**2) * -torch.expm1(-0.5 * square * (_WIDE / (2 * torch.pi)) ** 2)
    # The mean has no gradient. PyTorch 2.6 makes NaN of a complex number over infinity.
    potential = torch.fft.rfft2(period) * (band / torch.where(square > 0, square, torch.inf))
    velocity = torch.fft.irfft2(
        torch.stack([-1j * along * potential, -1j * up * potential], dim=1), s=period.shape[-2:]
    )
    velocity = velocity[..., :rows, :columns]
    rms = _mean_product(velocity, velocity).sqrt()
    # What is left of a flat image is rounding.
    return torch.where(rms > 1e-6, velocity / rms, 0.0)


def draw_velocity(streams: Streams, grid: Grid, recipe: Recipe, suggested: Tensor | None = None) -> Tensor:
    """
    Draw velocity fields.

    Parameters
    ----------
    streams : list of torch.Generator
        One for each sample.
    grid : Grid
        Where.
    recipe : Recipe
        What.
    suggested : torch.Tensor, optional
        What `diverging` gives for the images; only what is tied to the image needs it.

    Returns
    -------
    torch.Tensor
        (N, 2, H, W), vx and vy in km/s, of the rms that was asked for.
    """
    first, others, swirls = spawn(streams, 3)
    weight = torch.as_tensor(recipe.weight).expand(len(streams), len(recipe.parts))
    stretch = torch.as_tensor(recipe.stretch).expand(len(streams), len(recipe.parts))
    drawn = draw_parts(
        first, grid, recipe.parts[:1], rotation=recipe.rotation, stretch=stretch[:, :1], weight=weight[:, :1]
    )
    if suggested is not None:
        share = (recipe.parts[0].share * weight[:, 0]).to(grid.pixel)
        tie = recipe.tie[:, None, None, None]
        tied = share.sqrt()[:, None, None, None] * suggested
        drawn = torch.sqrt(1 - tie.abs()) * drawn + torch.sign(tie) * torch.sqrt(tie.abs()) * tied
    if len(recipe.parts) > 1:
        drawn = drawn + draw_parts(
            others, grid, recipe.parts[1:], rotation=recipe.rotation, stretch=stretch[:, 1:], weight=weight[:, 1:]
        )
    return _joined(drawn, draw_vortices(swirls, grid, recipe.vortices), recipe.rms)


def _joined(drawn: Tensor, swirls: Tensor, rms: Tensor) -> Tensor:
    """Add vortices, at their own speed, to a random flow, at the speed that makes the rms of both the one asked for."""
    energy = rms[:, None, None, None] ** 2
    in_swirls = _mean_product(swirls, swirls)
    most = _MOST_IN_VORTICES * energy
    slowed = torch.sqrt(most / torch.where(in_swirls > most, in_swirls, 1.0))
    swirls = torch.where(in_swirls > most, slowed * swirls, swirls)
    in_swirls, both = torch.minimum(in_swirls, most), _mean_product(drawn, swirls)
    in_drawn = _mean_product(drawn, drawn)
    # The positive root of |f drawn + swirls|^2 = rms^2.
    root = torch.sqrt(both**2 + in_drawn * (energy - in_swirls)) - both
    return torch.where(in_drawn > 0, root / torch.where(in_drawn > 0, in_drawn, 1.0), 0.0) * drawn + swirls


def _mean_product(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(dim=1, keepdim=True).mean(dim=(2, 3), keepdim=True)
