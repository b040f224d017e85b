"""The physical check of a deconvolution: seen by the telescope again, it must give the observation back."""

import numpy as np
import torch
from sunpy.map import GenericMap

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.inference import plan_tiles
from sunpy_ml.observations import beyond_limb, celestial_wcs, fill_invalid, new_map, plate_scale, self_contained
from sunpy_ml.optics import HMI, IDEAL_28CM, Camera, Telescope

__all__ = ["consistency_map"]

# Pixels of the observation: what is seen again at a time, and how far the light around it is followed.
_TILE, _MARGIN = 1024, 100
# How much finer than the telescope's its pixels may be: the light about a tile fills memory where they are finer.
_FINEST = 30


def consistency_map(
    enhanced: GenericMap, observed: GenericMap, *, telescope: Telescope = HMI, aim: Telescope = IDEAL_28CM
) -> GenericMap:
    """What the telescope would see of an enhanced image, less what it has seen.

    An image that was deconvolved is as seen by a larger telescope. So that nothing is blurred twice, the smaller
    one's transfer function is divided by the larger one's, and its pixels gather light over their area.

    Parameters
    ----------
    enhanced : sunpy.map.GenericMap
        With twice the pixels of ``observed`` along each axis, over the same field.
    observed : sunpy.map.GenericMap
        Continuum image or magnetogram.
    telescope : sunpy_ml.optics.Telescope
        That took ``observed``.
    aim : sunpy_ml.optics.Telescope
        Whose view ``enhanced`` is meant to be.

    Returns
    -------
    sunpy.map.GenericMap
        On the pixels of ``observed``, in its unit and with its mask. Its rms is that of the noise where the
        deconvolution is right; beyond the edges of the field, where nothing is known, light is taken as mirrored.

    Raises
    ------
    ObservationError
        If the shapes do not fit, or the pixels of ``observed`` are over 30 times finer than those of the telescope.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_ml.enhancement import consistency_map
    >>> from sunpy_ml.observations import new_map
    >>> from sunpy_ml.simulation.photosphere import photosphere_scene
    >>> seen = photosphere_scene("quiet", shape=(64, 64), scale=0.5 * u.arcsec / u.pix).continuum
    >>> doubled = new_map(seen, np.kron(seen.data, np.ones((2, 2), np.float32)))
    >>> bool(consistency_map(doubled, seen).data.std() > 0.01)
    True
    """
    rows, columns = observed.data.shape
    if enhanced.data.shape != (2 * rows, 2 * columns):
        raise ObservationError(
            f"enhanced: expected {2 * rows} x {2 * columns} pixels, twice those of the observation, got "
            f"{enhanced.data.shape[0]} x {enhanced.data.shape[1]}."
        )
    complete = self_contained(observed)
    pixel = plate_scale(celestial_wcs(complete), complete)[::-1]
    if (pixel * _FINEST < telescope.pixel).any():
        raise ObservationError(
            f"observed: its pixels are {pixel[1].value:.3g} x {pixel[0].value:.3g} arcsec by its header, those of "
            f"{telescope.name} {telescope.pixel.value:.3g}; mend its plate scale, or rebin it."
        )
    fine = torch.from_numpy(_filled(enhanced))
    seen = np.empty((rows, columns), np.float32)
    for tile in plan_tiles((rows, columns), _TILE, _MARGIN):
        window = fine[tuple(slice(2 * cut.start, 2 * cut.stop) for cut in tile.read)]
        camera = Camera(telescope, (window.shape[0], window.shape[1]), scale=pixel / 2, pixel=pixel, source=aim)
        seen[tile.keep] = camera(window).numpy()[tile.inner]
    difference = seen - np.asarray(observed.data, dtype=np.float32)
    history = f"sunpy_ml: as {telescope.name} would see the enhanced image, less what it saw"
    result = new_map(observed, difference, history=[history])
    # The pixels are those of the observation, and the values are others.
    result.uncertainty = None
    return result


def _filled(m: GenericMap) -> np.ndarray:
    """Values without gaps: a network's answers to masked pixels count, and where there is none, its neighbours."""
    values = np.asarray(m.data).astype(np.float32)
    valid = np.isfinite(values)
    if valid.all():
        return values
    complete = self_contained(m)
    wcs = celestial_wcs(complete)
    wcs.array_shape = values.shape
    return fill_invalid(values, valid, beyond_limb(wcs, complete))
