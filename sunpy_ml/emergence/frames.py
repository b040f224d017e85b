"""One frame of a patch: a full-disk magnetogram on the grid of the patch."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import BaseCoordinateFrame
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame
from reproject import reproject_adaptive, reproject_interp
from sunpy.coordinates import HeliographicCarrington
from sunpy.map import GenericMap

from sunpy_ml.emergence.grid import PatchGrid
from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import as_map, celestial_wcs, quiet_headers, self_contained

__all__ = ["METHODS", "carrington_frame", "patch_frame", "viewing_cosine"]

Array = npt.NDArray[Any]

METHODS = {"interp": reproject_interp, "adaptive": reproject_adaptive}


def carrington_frame(m: GenericMap) -> HeliographicCarrington:
    """Carrington coordinates for the observer and the time of a Map, on its own solar radius."""
    seen = wcs_to_celestial_frame(celestial_wcs(self_contained(m)))
    if getattr(seen, "observer", None) is None:
        raise ObservationError(f"maps: expected images with solar coordinates, got {type(seen).__name__}.")
    return HeliographicCarrington(observer=seen.observer, obstime=seen.obstime, rsun=seen.rsun)


def patch_frame(
    observation: Any, grid: PatchGrid, longitude: float, *, method: str, radial: bool, least_mu: float, factor: float
) -> Array:
    """A patch of a full-disk magnetogram.

    Parameters
    ----------
    observation : sunpy.map.GenericMap, str or pathlib.Path
        The magnetogram.
    grid : PatchGrid
        The pixels.
    longitude : float
        Carrington longitude of the middle at the time of the magnetogram, in degrees.
    method : {"interp", "adaptive"}
        Of `reproject`.
    radial : bool
        Divide by the cosine of the angle between the line of sight and the vertical.
    least_mu : float
        Pixels where that cosine is not above this are NaN.
    factor : float
        Gauss in the unit of the magnetogram.

    Returns
    -------
    numpy.ndarray
        float32, in gauss, NaN where nothing is known.
    """
    m = as_map(observation)
    frame = carrington_frame(m)
    wcs = grid.wcs(longitude, frame)
    cosine = viewing_cosine(wcs, frame)
    # Beyond the limb a pixel would be given the field of the near side in front of it.
    known = cosine > least_mu
    if not known.any():
        return np.full(grid.shape, np.nan, np.float32)
    data = np.array(m.data, dtype=np.float64)
    if m.mask is not None:
        data[np.asarray(m.mask, dtype=bool)] = np.nan
    with quiet_headers():
        patch = METHODS[method](
            (data, celestial_wcs(self_contained(m))), wcs, shape_out=grid.shape, return_footprint=False
        )
    patch = np.where(known, patch * factor, np.nan)
    if radial:
        patch /= np.where(known, cosine, 1.0)
    return patch.astype(np.float32)


def viewing_cosine(wcs: WCS, frame: BaseCoordinateFrame) -> Array:
    """The cosine of the angle between the line of sight and the vertical, negative on the far side."""
    rows, columns = wcs.array_shape
    longitude, latitude = np.deg2rad(wcs.pixel_to_world_values(np.arange(columns), np.arange(rows)[:, np.newaxis]))
    observer = frame.observer.transform_to(frame)
    distance = (observer.radius / frame.rsun).to_value(u.one)
    along = distance * (
        np.sin(latitude) * np.sin(observer.lat.rad)
        + np.cos(latitude) * np.cos(observer.lat.rad) * np.cos(longitude - observer.lon.rad)
    )
    return (along - 1) / np.sqrt(distance**2 + 1 - 2 * along)
