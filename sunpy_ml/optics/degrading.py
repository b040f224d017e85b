"""Maps as another telescope would have taken them."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import torch
from sunpy.map import GenericMap

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import (
    as_map,
    beyond_limb,
    celestial_wcs,
    fill_invalid,
    new_map,
    plate_scale,
    quiet_sun_level,
    self_contained,
    told,
)
from sunpy_ml.optics.camera import Camera
from sunpy_ml.optics.convolving import Padding
from sunpy_ml.optics.detector import add_noise
from sunpy_ml.optics.telescope import HMI, Telescope
from sunpy_ml.version import version

__all__ = ["degrade"]

Array = npt.NDArray[Any]


@u.quantity_input
def degrade(
    m: GenericMap,
    telescope: Telescope = HMI,
    *,
    pixel: u.Quantity[u.arcsec / u.pix] | None = None,
    phase: tuple[float, float] = (0.0, 0.0),
    source: Telescope | None = None,
    source_integrated: bool = False,
    padding: str | Padding = "reflect",
    noise: u.Quantity | None = None,
    photons: float | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> GenericMap:
    """A Map as a smaller telescope would have taken it.

    Parameters
    ----------
    m : `~sunpy.map.GenericMap`, `~ndcube.NDCube`, str or `~pathlib.Path`
        An image with pixels no larger than those of ``telescope``, such as a simulation; not changed.
    telescope : Telescope
        To look through.
    pixel : `~astropy.units.Quantity`, optional
        Plate scale of the result, an angle per pixel; that of ``telescope`` by default.
    phase : tuple of float
        Where the first pixel begins, along y and x, in its own size from the edge of the image.
    source : Telescope, optional
        One that took the image already: its transfer is divided out, so that nothing is blurred twice.
    source_integrated : bool
        Whether the image's own pixels gathered light over their whole area: then that is divided out, too.
    padding : {"periodic", "reflect", "level"} or Padding
        What lies beyond the edges; periodic suits simulations.
    noise : `~astropy.units.Quantity`, optional
        Standard deviation of Gaussian noise: in the unit of the Map, or as a share of its quiet level.
    photons : float, optional
        Photons that the quiet level stands for in each pixel: their Poisson noise is added too.
    seed : int
        Of the noise.
    device : str or torch.device
        To compute on.

    Returns
    -------
    `~sunpy.map.GenericMap`
        Of the same class and unit, in float32, with a true WCS. Pixels that touch one which was masked, NaN or infinite
        are masked; such pixels count as their nearest neighbour (as 0 beyond the limb). HISTORY tells the telescope. An
        uncertainty is left behind.

    Raises
    ------
    ObservationError
        If the image cannot be read, has no valid pixel, or is sampled too coarsely.
    astropy.units.UnitsError
        If ``noise`` is neither a share nor in the Map's unit.
    ValueError
        If ``telescope`` resolves more than ``source``, or a value cannot be.

    Notes
    -----
    What is computed is a convolution. It is right for intensities; the field that a magnetograph reports is weighted by
    intensity as well, so that umbrae count for less than they do here.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation import halpha_scene
    >>> from sunpy_ml.optics import degrade
    >>> fine = halpha_scene("quiet", scale=0.1 * u.arcsec / u.pix, shape=(252, 504))
    >>> seen = degrade(fine, noise=0.1 * u.percent)
    >>> seen.data.shape, seen.scale.axis1
    ((50, 100), <Quantity 0.504 arcsec / pix>)
    """
    given = as_map(m)
    complete = self_contained(given)
    wcs = celestial_wcs(complete)
    wcs.array_shape = given.data.shape
    scale = plate_scale(wcs, complete)[::-1]
    side = telescope.pixel if pixel is None else pixel
    if (scale > side * (1 + 1e-6)).any():
        raise ObservationError(
            f"observation: its plate scale is {scale.max():.4g}, coarser than the {side:.4g} of {telescope.name}; "
            "give a finer image, or a larger pixel=."
        )
    values, invalid = _filled(given, beyond_limb(wcs, complete))
    camera = Camera(
        telescope,
        given.data.shape,
        scale=scale,
        pixel=side,
        phase=phase,
        source=source,
        source_integrated=source_integrated,
        padding=padding,
        device=device,
    )
    quiet = quiet_sun_level(values[~invalid])
    seen = camera(torch.as_tensor(values, device=device))
    if noise is not None or photons is not None:
        generator = torch.Generator(device).manual_seed(seed)
        per_unit = None if photons is None else photons / quiet
        seen = add_noise(seen, sigma=_sigma(noise, given, quiet), photons=per_unit, generator=generator)
    return _as_seen(given, seen.cpu().numpy(), invalid, camera.ratios, phase, _history(telescope, source))


def _filled(m: GenericMap, dark: Array | None) -> tuple[Array, Array]:
    """Values in native float32 without gaps, and where the gaps were."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and so invalid
        values = np.asarray(m.data).astype(np.float32)
    invalid = ~np.isfinite(values)
    if m.mask is not None:
        invalid |= np.asarray(m.mask, dtype=bool)
    if invalid.all():
        raise ObservationError(f"observation: none of its {values.size} pixels is valid (NaN, infinite or masked).")
    return fill_invalid(values, ~invalid, dark), invalid


def _sigma(noise: u.Quantity | None, m: GenericMap, quiet: float) -> float:
    if noise is None:
        return 0.0
    unit = told(m, "unit") or u.dimensionless_unscaled
    if noise.unit.is_equivalent(unit):
        return float(noise.to_value(unit))
    if noise.unit.is_equivalent(u.one):
        return float(noise.to_value(u.one)) * abs(quiet)
    raise u.UnitsError(f"noise: got {noise}, expected the unit {str(unit)!r} of the Map, or a share such as 0.1 %.")


def _history(telescope: Telescope, source: Telescope | None) -> str:
    again = "" if source is None else f" from an image by {source.name}"
    return f"sunpy_ml {version}: as seen by {telescope.name}{again} ({telescope.psf} point spread function)"


def _as_seen(
    m: GenericMap,
    data: Array,
    invalid: Array,
    ratios: tuple[float, ...],
    phase: tuple[float, float],
    history: str,
) -> GenericMap:
    mask = None
    if m.mask is not None or invalid.any():
        mask = invalid
        for axis in (0, 1):
            mask = _touched(mask, data.shape[axis], ratios[axis], phase[axis], axis)
    result = new_map(m, data, mask=mask, history=[history], step=ratios, origin=phase)
    # It is kept where the pixels are, and the values are others now.
    result.uncertainty = None
    return result


def _touched(flags: Array, count: int, ratio: float, phase: float, axis: int) -> Array:
    """True for the new pixels along an axis under which any flag is set."""
    edges = ratio * (phase + np.arange(count + 1))
    # What overlaps by a rounding error does not.
    first = np.floor(edges[:-1] + 1e-6).astype(int)
    last = np.minimum(np.ceil(edges[1:] - 1e-6).astype(int), flags.shape[axis])
    sums = np.insert(flags.cumsum(axis=axis), 0, 0, axis=axis)
    return sums.take(last, axis=axis) > sums.take(first, axis=axis)
