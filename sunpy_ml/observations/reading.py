"""Reading: whatever a user calls an observation becomes a Map."""

import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time
from astropy.wcs.utils import wcs_to_celestial_frame
from ndcube import NDCube
from sunpy.map import GenericMap, Map

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations.headers import TIME_KEYS, observation_time, quiet_headers, told
from sunpy_ml.observations.unwrapping import fits_wcs

__all__ = ["as_map", "iterate_observations", "source_name"]

_WCS_KEY = re.compile(r"crota\d|(cd|pc|pv)\d_\d|(cdelt|crpix|crval|ctype|cunit)\d|lonpole|latpole")
# The year 1900, as a modified Julian date.
_FIRST_DAY = 15020


def as_map(observation: Any) -> GenericMap:
    """The observation as a Map.

    Parameters
    ----------
    observation : sunpy.map.GenericMap, ndcube.NDCube, str or pathlib.Path
        A Map (returned as it is), a two-dimensional celestial NDCube, or the path of a FITS file with one image.

    Raises
    ------
    ObservationError
        If it is none of these, cannot be read, is not two-dimensional or holds no pixels.

    Examples
    --------
    >>> from sunpy_ml.observations import as_map
    >>> as_map("nowhere.fits")
    Traceback (most recent call last):
    ...
    sunpy_ml.exceptions.ObservationError: observation: there is no file 'nowhere.fits'.
    """
    if isinstance(observation, (str, Path)):
        observation = _read_file(Path(observation))
    elif isinstance(observation, NDCube):
        observation = _cube_as_map(observation)
    if not isinstance(observation, GenericMap):
        raise ObservationError(
            f"observation: expected a sunpy Map, an NDCube or the path of a FITS file, got {type(observation)}."
        )
    if observation.data.ndim != 2 or 0 in observation.data.shape:
        raise ObservationError(f"observation: expected an image (y, x), got the shape {observation.data.shape}.")
    if observation.data.dtype.kind not in "iuf":
        raise ObservationError(f"observation: expected real numbers, got the dtype {observation.data.dtype}.")
    return observation


def iterate_observations(observations: Any) -> Iterator[Any]:
    """One observation after another, from one, from an iterable of them, or from a folder of FITS files.

    Raises
    ------
    ObservationError
        If there is none.
    """
    if isinstance(observations, (str, Path)) and Path(observations).is_dir():
        found = sorted(path for path in Path(observations).rglob("*") if _is_fits_name(path))
        if not found:
            raise ObservationError(f"observations: there is no FITS file in the folder {str(observations)!r}.")
        observations = found
    elif isinstance(observations, (str, Path, GenericMap, NDCube)):
        observations = [observations]
    if not isinstance(observations, Iterable):
        raise ObservationError(
            f"observations: expected Maps, NDCubes or paths, or an iterable of them, got {type(observations)}."
        )
    empty = True
    for observation in observations:
        empty = False
        yield observation
    if empty:
        raise ObservationError("observations: expected at least one, got none.")


def source_name(observation: Any) -> str:
    """Where an observation comes from: its path, or what a Map's header tells of file, instrument and date."""
    if isinstance(observation, GenericMap):
        # Not the Map's own name, which cannot be had where the wavelength is not a number.
        date = observation_time(observation)
        words = told(observation, "instrument"), "" if date is None else date.isot
        return str(observation.meta.get("filename") or " ".join(filter(None, words)) or "Map")
    return str(observation) if isinstance(observation, (str, Path)) else type(observation).__name__


def _is_fits_name(path: Path) -> bool:
    """Whether a file's name says that it is FITS, compressed or not."""
    return path.name.lower().removesuffix(".gz").removesuffix(".bz2").endswith((".fits", ".fit", ".fts", ".fits.fz"))


def _read_file(path: Path) -> GenericMap:
    if not path.exists():
        raise ObservationError(f"observation: there is no file {str(path)!r}.")
    try:
        with quiet_headers():
            # sunpy keeps the first plane of a cube and warns; which plane is wanted is not ours to guess.
            warnings.filterwarnings("error", message=".*more than 2 dimensions")
            found = Map(path)
            if isinstance(found, GenericMap):
                # A truncated file fails only when its data are touched.
                np.asarray(found.data[:1]), np.asarray(found.data[-1:])
    except Exception as error:  # sunpy, astropy and the file system each have their own
        raise ObservationError(f"observation: {str(path)!r} cannot be read as a Map: {error}") from error
    if not isinstance(found, GenericMap):
        raise ObservationError(
            f"observation: {str(path)!r} holds {len(found)} images; read it with sunpy.map.Map and pass one of them."
        )
    return found


def _cube_as_map(cube: NDCube) -> GenericMap:
    wcs = fits_wcs(cube.wcs.low_level_wcs)
    if cube.data.ndim != 2 or wcs is None or not wcs.has_celestial:
        raise ObservationError(
            "observation: expected an NDCube with two celestial axes of FITS, got "
            f"{cube.data.ndim} axes of the types {list(cube.wcs.world_axis_physical_types)}; slice it first."
        )
    # A rotation that is left from another header would count beside the cube's own.
    header = {key: value for key, value in dict(cube.meta or {}).items() if not _WCS_KEY.fullmatch(str(key).lower())}
    header.update(wcs.to_header())
    time = _time_of_slice(cube)
    if time is not None:
        header = {key: value for key, value in header.items() if key.lower() not in TIME_KEYS}
        header["date-obs"] = time.utc.isot
    observer = getattr(wcs_to_celestial_frame(wcs), "observer", None)
    if observer is not None and not isinstance(observer, str):
        header |= {
            "hgln_obs": observer.lon.to_value(u.deg),
            "hglt_obs": observer.lat.to_value(u.deg),
            "dsun_obs": observer.radius.to_value(u.m),
        }
    if cube.unit is not None:
        header["bunit"] = cube.unit.to_string()
    try:
        return Map(cube.data, header, mask=cube.mask, uncertainty=cube.uncertainty)
    except Exception as error:  # each of sunpy's sources has its own
        raise ObservationError(f"observation: no Map can be made of the WCS and meta of the NDCube: {error}") from error


def _time_of_slice(cube: NDCube) -> Time | None:
    """When an image was taken that was sliced out of a sequence, whose header has the date of the first."""
    with quiet_headers():
        # Where a time axis does not say when it begins, astropy takes 1858.
        times = [value for value in cube.global_coords.values() if isinstance(value, Time) and value.isscalar]
    return next((time for time in times if time.mjd > _FIRST_DAY), None)
