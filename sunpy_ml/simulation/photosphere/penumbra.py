"""The penumbra: bright and dark filaments along the horizontal field, and what they do to the field."""

from typing import NamedTuple

import numpy as np
from scipy import fft

from sunpy_ml.simulation.drawing import Floats, blur, oriented_noise, smooth_noise, wavenumbers
from sunpy_ml.simulation.photosphere.parameters import PhotosphereParameters
from sunpy_ml.simulation.photosphere.spots import Grid, Spots

__all__ = ["Filaments", "draw_filaments", "spot_field", "spot_light"]

# Filaments push the borders of the penumbra this far, in widths of it.
_RAGGED_UMBRA, _RAGGED_EDGE = 0.16, 0.10
# Borders of umbra and penumbra are this sharp (in the same).
_SHARP = 0.05
# Width of a bundle of filaments (as a correlation length, in Mm).
_BUNDLE = 0.3
# Field of filaments where they return to the photosphere, in G.
_RETURNING = 450.0
# Outside this depth there are no filaments.
_OUTERMOST = 2.8


class Filaments(NamedTuple):
    """
    The fine structure of the penumbrae of a scene.

    Parameters
    ----------
    coarse, fine : numpy.ndarray
        Bright above 0, of variance about 1: filaments, and the threads within them.
    """

    coarse: Floats
    fine: Floats


def draw_filaments(rng: np.random.Generator, grid: Grid, spots: Spots, parameters: PhotosphereParameters) -> Filaments:
    """Draw filaments along the potential field of the spots, somewhat twisted."""
    coarse, fine = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    near = (spots.depth < _OUTERMOST) & (spots.penumbra > 0.01)
    twist = rng.normal(0, 0.2) + 0.15 * smooth_noise(rng, grid.shape, grid.pixel, 1.5)
    twist += 0.12 * smooth_noise(rng, grid.shape, grid.pixel, 0.45)
    if not near.any():
        return Filaments(coarse, fine)
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    angle = (_direction(spots.field, grid.pixel) + twist)[window]
    width, length = parameters.draw(rng, "filament_width"), parameters.draw(rng, "filament_length")
    # Correlation lengths: the filament's full width is about twice the first.
    coarse[window] = oriented_noise(rng, angle, grid.pixel, length=0.16 * length, width=0.5 * width)
    # Filaments come in bundles.
    coarse[window] += 0.6 * oriented_noise(rng, angle, grid.pixel, length=0.5 * length, width=_BUNDLE)
    fine[window] = oriented_noise(rng, angle, grid.pixel, length=0.08 * length, width=0.22 * width)
    return Filaments(_even(coarse, grid.pixel), _even(fine, grid.pixel))


def spot_light(
    rng: np.random.Generator,
    spots: Spots,
    filaments: Filaments,
    outside: Floats,
    parameters: PhotosphereParameters,
) -> Floats:
    """Return the continuum of spots with the granulation ``outside`` around them."""
    inner, outer = parameters.ends("penumbral_intensity")
    contrast = parameters.draw(rng, "penumbral_contrast")
    across = np.clip(spots.depth - 1, 0, 1)
    level = inner + (outer - inner) * across + 0.06 * np.sin(np.pi * across)
    bright = np.tanh(0.9 * filaments.coarse)
    # The inner ends of filaments are their brightest part, the penumbral grains.
    grains = np.clip(filaments.coarse - 0.8, 0, 1.5) * np.exp(-0.5 * ((across - 0.1) / 0.15) ** 2)
    penumbra = level * (1 + contrast * (1.1 * bright + 0.4 * filaments.fine)) + 0.16 * grains
    in_penumbra, in_umbra = _covers(spots, filaments, outside)
    light = outside + in_penumbra * (penumbra - outside)
    return np.maximum(light + in_umbra * (spots.umbra - light), 0.02)


def spot_field(spots: Spots, filaments: Filaments) -> Floats:
    """Return the vertical field of spots with that of the filaments: weaker, and at their outer ends reversed."""
    across = np.clip(spots.depth - 1, 0, 1)
    here = spots.penumbra * np.clip(spots.depth - 0.85, 0, 0.3) / 0.3 * np.clip(2.25 - spots.depth, 0, 0.25) / 0.25
    bright = np.tanh(0.9 * filaments.coarse + 0.3 * filaments.fine)
    field = spots.field * (1 - here * (0.25 + 0.2 * across) * bright)
    # Filaments return to the photosphere at their outer ends.
    back = np.clip(filaments.coarse - 0.5, 0, 1.5) * np.clip(across - 0.35, 0, 0.5)
    return field - here * np.sign(spots.field) * _RETURNING * back


def _covers(spots: Spots, filaments: Filaments, outside: Floats) -> tuple[Floats, Floats]:
    """Return which part of each pixel penumbra, and which umbra, covers."""
    lit = np.tanh(filaments.coarse)
    # Pores have no filaments: granules bite into them.
    bitten = 0.8 * (outside - 1) * (1 - spots.penumbra)
    umbral = spots.depth + _RAGGED_UMBRA * lit * spots.penumbra + bitten
    # At its outer edge filaments and granules take turns.
    outer = spots.depth - _RAGGED_EDGE * lit + 0.45 * (outside - 1)
    softness = _SHARP + 0.25 * (1 - spots.penumbra)
    in_umbra = 0.5 - 0.5 * np.tanh((umbral - 1 - 0.3 * (1 - spots.penumbra)) / softness)
    in_penumbra = spots.penumbra * (0.5 - 0.5 * np.tanh((outer - 2) / _SHARP))
    return in_penumbra, in_umbra


def _direction(field: Floats, pixel: float) -> Floats:
    """Return the direction of the horizontal potential field, in radians."""
    kx, ky = wavenumbers((field.shape[0], field.shape[1]), pixel)
    size = np.hypot(kx, ky)
    size[0, 0] = 1
    spectrum = fft.rfft2(field) / size
    along = fft.irfft2(-1j * kx * spectrum, field.shape)
    up = fft.irfft2(-1j * ky * spectrum, field.shape)
    return np.arctan2(up, along).astype(np.float32)


def _even(noise: Floats, pixel: float) -> Floats:
    """Take out what is wider than bundles, and set the variance to 1 where there is any."""
    noise = noise - blur(noise, 2.0 / pixel)
    there = noise != 0
    spread = float(noise[there].std()) if there.any() else 1.0
    return noise / max(spread, 1e-6)
