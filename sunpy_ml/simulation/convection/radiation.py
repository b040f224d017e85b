"""Grey radiation along the vertical: opacity, the two streams, their flux, and surfaces of equal optical depth."""

import math

import torch
from torch import Tensor

from sunpy_ml.simulation.convection.card import ConvectionCard
from sunpy_ml.simulation.convection.gas import DENSITY, PRESSURE

STEFAN_BOLTZMANN = 5.670374e-8


def opacity(density: Tensor, temperature: Tensor, card: ConvectionCard) -> Tensor:
    """Return the absorption per mass in m2/kg: that of H-minus, as rho^0.5 T^9, between its floor and its cap."""
    # In thousands of K, since T^9 exceeds the range of float32.
    cube = (temperature * 1e-3) ** 3
    value = (card.opacity * 1e27) * torch.sqrt(density) * (cube * cube * cube)
    return value.clamp(min=card.opacity_floor, max=card.opacity_cap)


def matter(primitive: Tensor, step: float, card: ConvectionCard) -> tuple[Tensor, Tensor, Tensor]:
    """Return temperature, source function (W/m2/sr) and vertical optical thickness of the cells of height ``step``."""
    density = primitive[DENSITY]
    temperature = primitive[PRESSURE] / (density * card.gas_constant)
    square = temperature * temperature
    source = (STEFAN_BOLTZMANN / math.pi) * square * square
    return temperature, source, opacity(density, temperature, card) * density * step


def step_weights(thickness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """
    Return what a ray keeps across a slab, and what the sources at its entry and exit add.

    The source function is linear in optical depth inside (Olson & Kunasz 1987, doi:10.1016/0022-4073(87)90027-6).

    Parameters
    ----------
    thickness : `torch.Tensor`
        Optical thickness along the ray.

    Returns
    -------
    transmission, entry, exit : `torch.Tensor`
        They add up to one.
    """
    transmission = torch.exp(-thickness)
    # The exact weights cancel in thin slabs, where a series does not.
    thin = thickness < 0.03
    safe = torch.where(thin, torch.ones_like(thickness), thickness)
    escaped = torch.where(thin, 1 - thickness * (0.5 - thickness * (1 / 6 - thickness / 24)), (1 - transmission) / safe)
    return transmission, escaped - transmission, 1 - escaped


def ray_coefficients(source: Tensor, thickness: Tensor, cosine: float) -> tuple[Tensor, Tensor, Tensor]:
    """
    Return what rays keep across each cell, and what each cell adds to the ray upward and to the one downward.

    The source function is linear in optical depth from centre to centre of the cells: at great optical depth this
    gives the diffusion of radiation between neighbours, so that no pattern of alternating cells escapes it.
    """
    half = 0.5 / cosine * thickness
    transmission, entry, leaving = step_weights(half)
    lower, upper = thickness[:-1], thickness[1:]
    face = (source[:-1] * upper + source[1:] * lower) / (upper + lower)
    # Beyond the ends, the source function stays as it is in the last cell.
    bottom = torch.cat([source[:1], face])
    top = torch.cat([face, source[-1:]])
    middle = (transmission * leaving + entry) * source
    rising = transmission * (entry * bottom) + middle + leaving * top
    falling = transmission * (entry * top) + middle + leaving * bottom
    return transmission * transmission, rising, falling


def upward(transmission: Tensor, added: Tensor, start: Tensor) -> list[Tensor]:
    """Return the intensity upward at the faces, from the bottom face, where it is ``start``."""
    rays = [start]
    for layer in range(len(transmission)):
        rays.append(torch.addcmul(added[layer], transmission[layer], rays[-1]))
    return rays


def downward(transmission: Tensor, added: Tensor) -> list[Tensor]:
    """Return the intensity downward at the faces, from the bottom face; nothing comes in at the top."""
    rays = [torch.zeros_like(added[0])]
    for layer in range(len(transmission) - 1, -1, -1):
        rays.append(torch.addcmul(added[layer], transmission[layer], rays[-1]))
    return rays[::-1]


def net_flux(rising: Tensor, falling: Tensor, cosine: float) -> Tensor:
    """
    Return the flux of radiation of two streams, in W/m2.

    With the cosine 1/sqrt(3), as in Eddington's approximation.
    """
    return (2 * math.pi * cosine) * (rising - falling)


def two_stream_flux(source: Tensor, thickness: Tensor, cosine: float) -> Tensor:
    """
    Return the net flux of radiation through the horizontal faces of the cells.

    Parameters
    ----------
    source : `torch.Tensor`
        Source function at the centres of the cells, in W/m2/sr, of shape (z, y, x), upward.
    thickness : `torch.Tensor`
        Vertical optical thickness of the cells.
    cosine : float
        Of the angle between the streams and the vertical.

    Returns
    -------
    `torch.Tensor`
        Upward flux in W/m2, of shape (z + 1, y, x). At the bottom the diffusion limit holds: the rays come with the
        source function of the lowest cell, so that no net flux passes there; the gas carries it.
    """
    transmission, rising, falling = ray_coefficients(source, thickness, cosine)
    down = downward(transmission, falling)
    up = upward(transmission, rising, down[0])
    return net_flux(torch.stack(up), torch.stack(down), cosine)


def emergent_intensity(source: Tensor, thickness: Tensor, cosine: float = 1.0) -> Tensor:
    """Return the intensity that leaves the top along rays of this cosine, W/m2/sr; 1 is the centre of the disk."""
    transmission, rising, _ = ray_coefficients(source, thickness, cosine)
    return upward(transmission, rising, source[0])[-1]


def depth_at_centres(thickness: Tensor) -> Tensor:
    """Return the vertical optical depth at the centres of the cells."""
    through = torch.flip(torch.cumsum(torch.flip(thickness, [0]), 0), [0])
    return through - 0.5 * thickness


def at_depth(fields: Tensor, depth: Tensor, level: float) -> Tensor:
    """
    Return fields on a surface of equal optical depth.

    Parameters
    ----------
    fields : `torch.Tensor`
        Of shape (n, z, y, x).
    depth : `torch.Tensor`
        Optical depth at the centres, of shape (z, y, x), falling upward.
    level : float
        Optical depth of the surface.

    Returns
    -------
    `torch.Tensor`
        Of shape (n, y, x), interpolated linearly in the logarithm of the optical depth.
    """
    logarithm = torch.log(depth)
    target = math.log(level)
    above = (logarithm < target).to(torch.int8).argmax(0).clamp(1, len(depth) - 1)[None]
    upper = logarithm.gather(0, above)
    lower = logarithm.gather(0, above - 1)
    share = ((lower - target) / (lower - upper)).clamp(0, 1)
    index = above[None].expand(len(fields), -1, -1, -1)
    return (fields.gather(1, index) * share + fields.gather(1, index - 1) * (1 - share))[:, 0]
