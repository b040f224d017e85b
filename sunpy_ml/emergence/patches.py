"""From full-disk magnetograms to a cube that follows a place on the Sun: the function `patch_cube`."""

import warnings
from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from ndcube import NDCube
from sunpy.coordinates import HeliographicCarrington
from sunpy.map import GenericMap, MapSequence
from sunpy.util.exceptions import SunpyUserWarning
from tqdm.auto import tqdm

from sunpy_ml.emergence.frames import METHODS, carrington_frame, patch_frame
from sunpy_ml.emergence.grid import PROJECTIONS, PatchGrid, carrington_place, grid_shape
from sunpy_ml.emergence.rotation import drift_rate
from sunpy_ml.exceptions import HeaderWarning, ObservationError
from sunpy_ml.observations import as_map, iterate_observations, observation_time, source_name, told

__all__ = ["patch_cube"]

# Frames that are less than this apart, in seconds, are the same.
_SAME = 1.0
# A step this much longer than the median has frames missing in it.
_GAP = 1.5


class _Frame(NamedTuple):
    """A patch, when it was seen, the coordinates of that time, where its middle then is, and who looked."""

    time: Time
    image: Any
    frame: HeliographicCarrington
    longitude: float
    instrument: str


def patch_cube(
    maps: Any,
    centre: SkyCoord,
    *,
    size: u.Quantity = 90 * u.pix,
    scale: u.Quantity = 0.12 * u.deg / u.pix,
    projection: str = "CEA",
    rotation: Any = "snodgrass",
    method: str = "interp",
    radial: bool = False,
    least_mu: float = 0.0,
    lazy: bool = False,
    progress: bool = True,
) -> NDCube:
    """Follow a place on the Sun through full-disk magnetograms.

    Parameters
    ----------
    maps : list of sunpy.map.GenericMap, sunpy.map.MapSequence, str or pathlib.Path
        Line-of-sight magnetograms, or paths of their FITS files (or of the folder that holds them), in any order and of
        any instruments and orientations. They are not changed.
    centre : astropy.coordinates.SkyCoord
        The middle of the patch, in any solar frame, with the time (``obstime``) at which it is there.
    size : astropy.units.Quantity
        Of the patch, in degrees or pixels: one length, or two (latitude, longitude).
    scale : astropy.units.Quantity
        Degrees per pixel. The default is about a pixel of MDI at the centre of the disk.
    projection : {"CEA", "CAR"}
        Cylindrical equal-area around the middle of the patch, as of SHARPs, or plate-carrée, with latitudes along
        rows.
    rotation : str or astropy.units.Quantity
        The law by which the middle of the patch is followed, see `~sunpy_ml.emergence.rotation_rate`. The patch moves
        as a whole.
    method : {"interp", "adaptive"}
        Of `reproject`: bilinear interpolation, or averages over the pixels where those of the magnetograms are finer.
    radial : bool
        Divide the field by the cosine mu of the angle between the line of sight and the vertical: the vertical field,
        if all of it is vertical.
    least_mu : float
        Pixels where mu is not above this are masked; 0 is the limb.
    lazy : bool
        Give a dask-backed cube, of which a frame is reprojected, and its file read again, when it is asked for.
    progress : bool
        Show a bar when the work lasts longer than two seconds.

    Returns
    -------
    ndcube.NDCube
        (time, latitude, longitude), float32 in gauss, with NaN and mask where nothing is known: beyond the limb, and
        where a magnetogram is NaN or masked. Longitudes are those at the time of ``centre``. The axis of times
        is linear, right for the first and the last frame; the extra coordinate ``time`` has the true times. The meta
        hold ``centre`` and ``longitudes`` (of the middle, in each frame), ``cadence`` (the median), ``missing`` (times
        at which frames are missing against it), ``duplicates`` (the number that was left out), ``instruments``,
        ``rotation``, ``method`` and ``radial``.

    Raises
    ------
    ObservationError
        If the maps cannot be read, have no time, are of a unit that is none of a magnetic field, or are of fewer than
        two times; or if ``centre`` has no time or is not on the Sun, or ``size`` or ``scale`` cannot be.
    ValueError
        If ``projection``, ``rotation``, ``method`` or ``least_mu`` cannot be used.

    Warns
    -----
    sunpy_ml.exceptions.HeaderWarning
        If headers have no unit, so that it is taken as gauss.
    sunpy.util.exceptions.SunpyUserWarning
        If no frame shows any of the patch.

    Notes
    -----
    Since the patch moves as a whole, what lies nearer to the equator than its middle runs ahead: 5 degrees from the
    latitude of 20 by about 1.7 degrees, or 14 pixels, in 15 days. Bilinear interpolation takes single pixels of
    finer magnetograms, with all their noise; choose ``"adaptive"`` for averages.

    References
    ----------
    Snodgrass 1983, ApJ 270, 288, https://doi.org/10.1086/161121; the grid of SHARPs: Bobra et al. 2014, Sol. Phys. 289,
    3549, https://doi.org/10.1007/s11207-014-0529-3; FITS projections: Calabretta & Greisen 2002, A&A 395, 1077,
    https://doi.org/10.1051/0004-6361:20021327

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from astropy.coordinates import SkyCoord
    >>> from sunpy.coordinates import HeliographicStonyhurst
    >>> from sunpy.map import Map, make_fitswcs_header
    >>> from sunpy_ml.emergence import patch_cube
    >>> days = ["2014-10-24", "2014-10-25", "2014-10-26"]
    >>> def full_disk(day):
    ...     center = SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame="helioprojective", observer="earth", obstime=day)
    ...     header = make_fitswcs_header((100, 100), center, scale=[20, 20] * u.arcsec / u.pix, unit=u.G)
    ...     return Map(np.ones((100, 100)), header)
    >>> centre = SkyCoord(10 * u.deg, 15 * u.deg, frame=HeliographicStonyhurst, obstime="2014-10-25")
    >>> cube = patch_cube([full_disk(day) for day in days], centre, size=10 * u.deg, scale=1 * u.deg / u.pix)
    >>> cube.shape, cube.unit, cube.meta["cadence"]
    ((3, 10, 10), Unit("G"), <Quantity 24. h>)
    """
    _check(projection, method, least_mu)
    shape = grid_shape(size, scale)
    given = list(iterate_observations(maps.maps if isinstance(maps, MapSequence) else maps))
    longitude, latitude, when = carrington_place(centre, _frame_of(as_map(given[0])).observer)
    grid = PatchGrid(shape, float(scale.to_value(u.deg / u.pix)), projection, latitude)
    rate = drift_rate(rotation, latitude * u.deg)
    frames, unitless = [], 0
    for source in tqdm(given, disable=not progress, delay=2.0, unit="map", leave=False):
        m = as_map(source)
        frame, factor = _frame_of(m), _gauss(m)
        unitless += factor is None
        middle = float((longitude + (rate * (frame.obstime - when)).to_value(u.deg)) % 360)
        options: dict[str, Any] = {"method": method, "radial": radial, "least_mu": least_mu, "factor": factor or 1.0}
        image = _later(source, grid, middle, options) if lazy else patch_frame(m, grid, middle, **options)
        frames.append(_Frame(frame.obstime.utc, image, frame, middle, _instrument(m)))
    if unitless:
        _warn(
            f"maps: {unitless} of {len(given)} have no unit in their headers, which is taken as gauss.", HeaderWarning
        )
    kept = _in_order(frames)
    cube = _as_cube(kept, grid, longitude, when, lazy)
    cube.meta |= {
        "centre": centre,
        "duplicates": len(frames) - len(kept),
        "rotation": rotation if isinstance(rotation, str) else rotation.copy(),
        "method": method,
        "radial": radial,
    }
    return cube


def _check(projection: str, method: str, least_mu: float) -> None:
    if projection not in PROJECTIONS:
        raise ValueError(f"projection: got {projection!r}, choose from {PROJECTIONS}.")
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, choose from {tuple(METHODS)}.")
    if not 0 <= least_mu < 1:
        raise ValueError(f"least_mu: expected a cosine from 0 to below 1, got {least_mu}.")


def _frame_of(m: GenericMap) -> HeliographicCarrington:
    if observation_time(m) is None:
        raise ObservationError(f"maps: {source_name(m)} has no time in its header; give it DATE-OBS.")
    return carrington_frame(m)


def _gauss(m: GenericMap) -> float | None:
    """Gauss in the unit of a Map, None where it has none."""
    unit = told(m, "unit")
    if unit is None:
        return None
    if not unit.is_equivalent(u.G):
        raise ObservationError(f"maps: {source_name(m)} is in {unit}, which is no magnetic field; take magnetograms.")
    return float(unit.to(u.G))


def _instrument(m: GenericMap) -> str:
    return str(told(m, "instrument"))


def _warn(message: str, category: type[Warning]) -> None:
    warnings.warn(message, category, stacklevel=3)


def _later(source: Any, grid: PatchGrid, longitude: float, options: dict[str, Any]) -> Any:
    import dask.array as da
    from dask.delayed import delayed

    frame = delayed(patch_frame)(source, grid, longitude, **options)
    return da.from_delayed(frame, shape=grid.shape, dtype=np.float32)


def _stacked(images: list[Any], lazy: bool) -> Any:
    if not lazy:
        return np.stack(images)
    import dask.array as da

    return da.stack(images)


def _in_order(frames: list[_Frame]) -> list[_Frame]:
    """Sorted by time, without those that show a time again."""
    kept: list[_Frame] = []
    for frame in sorted(frames, key=lambda each: each.time):
        if not kept or (frame.time - kept[-1].time).to_value(u.s) > _SAME:
            kept.append(frame)
    if len(kept) < 2:
        raise ObservationError(f"maps: expected at least two different times, got {len(kept)}.")
    return kept


def _as_cube(frames: list[_Frame], grid: PatchGrid, longitude: float, when: Time, lazy: bool) -> NDCube:
    data = _stacked([each.image for each in frames], lazy)
    mask = np.isnan(data)
    if not lazy and mask.all():
        _warn("maps: none of them shows any of the patch; is the time of centre right?", SunpyUserWarning)
    times = Time([each.time for each in frames])
    nearest = min(frames, key=lambda each: abs(each.time - when)).frame
    # The grid holds for the time of the centre, seen by whoever looked at about that time.
    frame = HeliographicCarrington(observer=nearest.observer, obstime=when, rsun=nearest.rsun)
    cadence, missing = _missing(times)
    meta = {
        "longitudes": [each.longitude for each in frames] * u.deg,
        "cadence": cadence,
        "missing": missing,
        "instruments": sorted({each.instrument for each in frames}),
    }
    cube = NDCube(data, wcs=grid.cube_wcs(longitude, frame, times), unit=u.G, mask=mask, meta=meta)
    cube.extra_coords.add("time", 0, times)
    return cube


def _missing(times: Time) -> tuple[u.Quantity, Time]:
    """The median cadence, and the times at which frames are missing against it."""
    steps = (times[1:] - times[:-1]).to_value(u.s)
    cadence = float(np.median(steps))
    lost = [
        start + np.arange(1, round(step / cadence)) * step / round(step / cadence)
        for start, step in zip((times[:-1] - times[0]).to_value(u.s), steps, strict=True)
        if step > _GAP * cadence
    ]
    return (cadence * u.s).to(u.h), times[0] + np.concatenate(lost or [np.array([])]) * u.s
