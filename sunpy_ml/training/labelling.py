"""Tables of labelled patches, made of catalogued events and the images that a user has."""

from collections.abc import Iterable, Mapping
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from astropy.time import Time
from sunpy.coordinates import Helioprojective, get_earth
from sunpy.map import GenericMap

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import (
    as_map,
    carried_by_rotation,
    celestial_wcs,
    iterate_observations,
    observation_time,
    self_contained,
    source_name,
)
from sunpy_ml.training.hek import Event, read_events
from sunpy_ml.training.merging import BOX, distinct

__all__ = ["EVENT_LABELS", "LIMB_LABELS", "TIME_GAPS", "label_table"]

#: Labels by the HEK's event types: filament, flare and sunspot. Others are left out unless ``labels`` names them.
EVENT_LABELS: Mapping[str, str] = {"FI": "filaments", "FL": "flares", "SS": "sunspots"}

#: Labels of events whose centre lies beyond the limb, where they differ: a filament seen there is a prominence.
LIMB_LABELS: Mapping[str, str] = {"FI": "prominences"}

#: How long before and after an event its label still holds. Labels that are not listed hold during the event alone.
TIME_GAPS: Mapping[str, u.Quantity] = {"filaments": 12 * u.hour, "prominences": 1 * u.hour, "sunspots": 12 * u.hour}

_TEXTS = ("image", "label", "event", "event_type", "found_by", "method")

#: The Earth's view of what stands beyond the limb is taken for an observer's if they are no farther apart than this.
_SAME_VIEW = 1 * u.deg


@u.quantity_input
def label_table(
    hek_table: Table,
    maps: Any,
    *,
    labels: Mapping[str, str] = EVENT_LABELS,
    limb_labels: Mapping[str, str] = LIMB_LABELS,
    time_gaps: Mapping[str, u.Quantity] = TIME_GAPS,
    least_size: u.Quantity[u.arcsec] = 60 * u.arcsec,
    margin: float = 0.0,
    overlap: float = 0.5,
) -> QTable:
    """Labelled boxes in images, from the events of the HEK. Nothing is downloaded.

    The corners of an event on the disk are turned with the solar surface from the event's start to the time of the
    image (differential rotation of Howard et al. 1990) and then seen by its observer. What stands beyond the limb does
    not turn with the surface: it stays where it is in helioprojective coordinates. An event is left out of an image
    where it cannot be told for sure: too far away in time, turned behind the limb or partly over it, not wholly in
    the image, a filament that crosses the limb, or off the limb for an observer more than 1 degree from the Earth.

    Parameters
    ----------
    hek_table : astropy.table.Table
        Result of `sunpy.net.hek.HEKClient.search`, with the columns ``event_type``, ``event_starttime``,
        ``event_endtime``, and of ``hpc_bbox``, ``hgs_bbox``, ``hgc_bbox`` or points (``hpc_x`` and ``hpc_y``, ...) the
        ones there are; ``kb_archivid`` and ``frm_name`` become part of the provenance.
    maps : mapping, or anything that `~sunpy_ml.classify_maps` takes
        Images, mostly full disks: Maps by the names that ``image`` is to have, or Maps, paths or a folder.
    labels, limb_labels : mapping of str to str, optional
        Labels by event type, and those of events beyond the limb where they differ.
    time_gaps : mapping of str to `~astropy.units.Quantity`, optional
        For each label, the longest time between image and event; labels that are not listed hold during the event.
    least_size : `~astropy.units.Quantity`, optional
        Boxes are at least so wide and high, about the same centre. Events known as a point become such boxes.
    margin : float, optional
        Share of its size by which a box is widened on each side.
    overlap : float, optional
        Of boxes in one image with one label whose intersection over union is at least this, only the one
        nearest in time is kept: several methods report the same feature.

    Returns
    -------
    astropy.table.QTable
        One row for each box: ``image``, ``date`` (`~astropy.time.Time`), ``x`` and ``y`` (column and row of its first
        pixel, from 0), ``width``, ``height``, ``label``, ``event``, ``event_type``, ``event_time``, ``time_gap`` (image
        after the event's start), ``found_by`` and ``method``. `sunpy_ml.training.split_by_date` takes ``date``.

    Raises
    ------
    ValueError
        If the HEK table lacks a column, or a size, margin or overlap cannot be.
    ObservationError
        If an image cannot be read, or its header has no date or no usable WCS.

    References
    ----------
    Hurlburt et al. 2012, Solar Physics 275, 67, https://doi.org/10.1007/s11207-010-9624-2

    Howard et al. 1990, Solar Physics 130, 295, https://doi.org/10.1007/BF00156795

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.table import Table
    >>> from sunpy_ml.simulation import halpha_scene
    >>> from sunpy_ml.training import label_table
    >>> m = halpha_scene("quiet", shape=(1000, 1000), scale=2.5 * u.arcsec / u.pix, time="2014-10-25T00:00")
    >>> events = Table(
    ...     {
    ...         "event_type": ["FI"],
    ...         "event_starttime": ["2014-10-24T12:00"],
    ...         "event_endtime": ["2014-10-24T16:00"],
    ...         "hgs_bbox": ["POLYGON((-12 -5,-2 -5,-2 3,-12 3,-12 -5))"],
    ...     }
    ... )
    >>> table = label_table(events, {"disk.fits": m})
    >>> table["image", "label", "time_gap"]
    <QTable length=1>
      image     label   time_gap
                           h
       str9      str9   float64
    --------- --------- --------
    disk.fits filaments     12.0
    """
    if margin < 0 or not 0 < overlap <= 1 or not least_size > 0 * u.arcsec:
        raise ValueError(
            f"margin, overlap, least_size: got {margin}, {overlap} and {least_size}; "
            "margin is not negative, overlap above 0 and at most 1, and least_size positive."
        )
    events = [event for event in read_events(hek_table) if event.kind in labels]
    rows: list[dict[str, Any]] = []
    for name, m in _named(maps):
        date = observation_time(m)
        if date is None:
            raise ObservationError(f"maps: the header of {name!r} has no date; add DATE-OBS to it.")
        complete = self_contained(m)
        for event in events:
            if not _holds(event, date, max([*map(u.Quantity, time_gaps.values()), 0 * u.hour])):
                continue
            label, corners, how = _seen(event, complete, labels[event.kind], limb_labels.get(event.kind))
            box = None if corners is None else _box(corners, complete, least_size, margin)
            if box is None or not _holds(event, date, u.Quantity(time_gaps.get(label, 0 * u.hour))):
                continue
            rows.append(
                {
                    "image": name,
                    "date": date.isot,
                    **dict(zip(BOX, box, strict=True)),
                    "label": label,
                    "event": event.name,
                    "event_type": event.kind,
                    "event_time": event.start.isot,
                    "time_gap": (date - event.start).to_value(u.hour),
                    "found_by": event.found_by,
                    "method": f"{event.column}, {how}",
                }
            )
    return distinct(_as_table(rows), overlap)


def _named(maps: Any) -> Iterable[tuple[str, GenericMap]]:
    pairs = maps.items() if isinstance(maps, Mapping) else ((source_name(m), m) for m in iterate_observations(maps))
    return ((str(name), as_map(m)) for name, m in pairs)


def _holds(event: Event, date: Time, gap: u.Quantity) -> bool:
    return bool(event.start - gap <= date <= event.end + gap)


def _seen(event: Event, m: GenericMap, label: str, limb_label: str | None) -> tuple[str, SkyCoord | None, str]:
    """The label of an event, its corners as the observer of a Map sees them (None where unsure), and how."""
    frame, corners = m.coordinate_frame, event.corners
    west, north = (corners.Tx, corners.Ty) if event.column.startswith("hpc") else (0 * u.arcsec, 0 * u.arcsec)
    limb = np.arcsin((m.rsun_meters / get_earth(event.start).radius).to_value(u.one)) * u.rad
    centre_beyond = bool(np.hypot(_middle(west), _middle(north)) > limb)
    if not np.any(np.hypot(west, north) > limb):
        corners = carried_by_rotation(corners, m.reference_date).transform_to(frame)
        return label, corners if _faces(corners, m) else None, "turned with the solar surface"
    away = m.observer_coordinate.separation(get_earth(m.reference_date))
    sure = isinstance(frame, Helioprojective) and away <= _SAME_VIEW
    if limb_label is not None:
        # What crosses the limb has two names.
        label, sure = limb_label, sure and centre_beyond
    return label, SkyCoord(west, north, frame=frame) if sure else None, "beyond the limb, not moved"


def _middle(values: u.Quantity) -> u.Quantity:
    return (values.min() + values.max()) / 2


def _faces(corners: SkyCoord, m: GenericMap) -> bool:
    """Whether all of these points of the solar surface are on the side that the observer of a Map sees."""
    observer = m.observer_coordinate.transform_to("heliographic_stonyhurst")
    points = corners.transform_to(observer.frame.replicate_without_data(obstime=observer.obstime))
    points = points.represent_as("unitspherical").to_cartesian()
    # A point at the angle a from the sub-observer point is seen if cos(a) is above radius over distance.
    cosines = points.dot(observer.represent_as("unitspherical").to_cartesian())
    return bool((cosines > (m.rsun_meters / observer.radius).to_value(u.one)).all())


def _box(corners: SkyCoord, m: GenericMap, least: u.Quantity, margin: float) -> tuple[int, int, int, int] | None:
    """Column, row, width and height in pixels, or None where the box does not lie wholly in the image."""
    x, y = celestial_wcs(m).world_to_pixel(corners)
    if not np.isfinite([x, y]).all():
        return None
    scales = u.Quantity([abs(scale) for scale in m.scale]) * u.pix
    sides = []
    for values, scale, size in zip((x, y), scales, m.data.shape[::-1], strict=True):
        half = max(np.ptp(values) / 2 * (1 + 2 * margin), (least / scale).to_value(u.one) / 2)
        middle = (values.min() + values.max()) / 2
        # The pixel i reaches from i - 0.5 to i + 0.5.
        first, beyond = (int(np.round(edge + 0.5)) for edge in (middle - half, middle + half))
        if first < 0 or beyond > size or beyond <= first:
            return None
        sides.append((first, beyond - first))
    (column, width), (row, height) = sides
    return column, row, width, height


def _as_table(rows: list[dict[str, Any]]) -> QTable:
    table = QTable()
    for name in (
        "image",
        "date",
        *BOX,
        "label",
        "event",
        "event_type",
        "event_time",
        "time_gap",
        "found_by",
        "method",
    ):
        values = [row[name] for row in rows]
        if name in ("date", "event_time"):
            table[name] = Time(values, format="isot") if values else Time(np.zeros(0), format="mjd")
        elif name == "time_gap":
            table[name] = u.Quantity(values, u.hour, dtype=float)
        else:
            table[name] = np.array(values, dtype=str if name in _TEXTS else int)
    return table
