"""Which features are there, and where? The verb `detect_features`."""

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from ndcube import NDCube
from scipy import ndimage
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective
from sunpy.map import GenericMap

from sunpy_ml.classification.field import feature_map
from sunpy_ml.observations import as_map, plate_scale, quiet_headers, self_contained

__all__ = ["detect_features"]


@dataclass(frozen=True)
class _Detection:
    """One connected region of windows that hold a feature, in pixels of the coarse grid (rows, columns)."""

    kind: str
    probability: float
    centre: tuple[float, float]
    extent: tuple[int, int]
    windows: int


@u.quantity_input
def detect_features(
    m: Any,
    *,
    threshold: float = 0.5,
    least_windows: int = 4,
    window: u.Quantity[u.arcsec] = 270 * u.arcsec,
    step: u.Quantity[u.arcsec] | None = None,
    **options: Any,
) -> QTable:
    """Find filaments, flare ribbons, prominences and sunspots in a large field, such as a full disk.

    `~sunpy_ml.feature_map` tells for each window whether it holds a feature. Connected windows that do are one
    detection, in the middle of them; features that are nearer to each other than a window are one.

    Parameters
    ----------
    m : sunpy.map.GenericMap, ndcube.NDCube, str or pathlib.Path
        An image (y, x).
    threshold : float
        Least probability, between 0 and 1, of a feature in a window.
    least_windows : int
        Least number of connected windows. With the default step a compact feature is in about sixteen; what only one
        or two windows see is mostly the edge of the disk in the corner of a window.
    window, step, **options
        As in `~sunpy_ml.feature_map`.

    Returns
    -------
    astropy.table.QTable
        A row for each detection, the most probable first: ``feature``, ``probability`` (the largest of its windows),
        ``centre`` (`~astropy.coordinates.SkyCoord`), ``box`` (sides along x and y), and ``heliographic``, its
        Stonyhurst position, NaN beyond the limb. Positions are good to about the step.

    Raises
    ------
    ValueError
        If the threshold is not between 0 and 1, or ``least_windows`` is less than 1.
    sunpy_ml.exceptions.ObservationError, sunpy_ml.exceptions.DomainError
        As from `~sunpy_ml.feature_map`.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml import detect_features
    >>> from sunpy_ml.simulation import halpha_scene
    >>> field = halpha_scene("sunspots", shape=(200, 200), scale=3 * u.arcsec / u.pix, seed=5)
    >>> table = detect_features(field)
    >>> "sunspots" in table["feature"]
    True
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold: expected a probability between 0 and 1, got {threshold}.")
    if least_windows < 1:
        raise ValueError(f"least_windows: expected at least 1, got {least_windows}.")
    observation = as_map(m)
    maps = feature_map(observation, window=window, step=step, **options)
    detections = [
        detection
        for name, cube in maps.items()
        if name.startswith("has_")
        for detection in _regions(name.removeprefix("has_"), cube, threshold)
        if detection.windows >= least_windows
    ]
    detections.sort(key=lambda detection: -detection.probability)
    return _table(detections, maps[next(iter(maps))].wcs, observation, window)


def _regions(kind: str, cube: NDCube, threshold: float) -> list[_Detection]:
    values = np.where(cube.mask, 0.0, cube.data)
    labels, _ = ndimage.label(values >= threshold, structure=np.ones((3, 3)))
    regions = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels == index
        centre = ndimage.center_of_mass(values * inside)
        extent = (rows.stop - rows.start, columns.stop - columns.start)
        peak, place = float(values[inside].max()), (float(centre[0]), float(centre[1]))
        regions.append(_Detection(kind, peak, place, extent, int(inside.sum())))
    return regions


def _table(detections: list[_Detection], wcs: Any, m: GenericMap, window: u.Quantity) -> QTable:
    rows, columns = (np.array([detection.centre[axis] for detection in detections], float) for axis in (0, 1))
    centre = _positions(wcs, rows, columns, m)
    scale = plate_scale(wcs, self_contained(m))
    extent = np.array([detection.extent[::-1] for detection in detections], float).reshape(-1, 2) * u.pix * scale
    # A window holds a feature as soon as they touch, so that the region is a window larger than the feature.
    return QTable(
        {
            "feature": np.array([detection.kind for detection in detections], dtype=str),
            "probability": np.array([detection.probability for detection in detections], float),
            "centre": centre,
            "box": np.maximum(extent - window, scale * u.pix).to(u.arcsec),
            "heliographic": _on_disk(centre, m),
        }
    )


def _positions(wcs: Any, rows: npt.NDArray[Any], columns: npt.NDArray[Any], m: GenericMap) -> SkyCoord:
    complete = self_contained(m)
    with quiet_headers():
        frame = Helioprojective(observer=complete.observer_coordinate, obstime=complete.reference_date)
        found = wcs.pixel_to_world(columns, rows)
        return SkyCoord(found.transform_to(frame))


def _on_disk(centre: SkyCoord, m: GenericMap) -> SkyCoord:
    complete = self_contained(m)
    limb = np.arcsin((complete.rsun_meters / complete.dsun).to_value(u.one)) * u.rad
    inside = np.hypot(centre.Tx, centre.Ty) < limb
    stonyhurst = HeliographicStonyhurst(obstime=complete.reference_date)
    lon, lat = (np.full(centre.shape, np.nan) * u.deg for _ in range(2))
    if inside.any():
        found = centre[inside].transform_to(stonyhurst)
        lon[inside], lat[inside] = found.lon, found.lat
    return SkyCoord(lon, lat, frame=stonyhurst)
