"""Events of the Heliophysics Events Knowledgebase (HEK), as `sunpy.net.hek` returns them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from sunpy.coordinates import HeliographicCarrington, HeliographicStonyhurst, Helioprojective, get_earth
from sunpy.time import parse_time

__all__ = ["Event", "read_events"]

_REQUIRED = ("event_type", "event_starttime", "event_endtime")

#: Columns that tell where an event is, the best one first: beyond the limb only helioprojective coordinates say it.
_AREAS = ("hpc_bbox", "hgs_bbox", "hgc_bbox")
_POINTS = (("hpc_coord", "hpc_x", "hpc_y"), ("hgs_coord", "hgs_x", "hgs_y"), ("hgc_coord", "hgc_x", "hgc_y"))
_FRAMES = {"hpc": Helioprojective, "hgs": HeliographicStonyhurst, "hgc": HeliographicCarrington}


@dataclass(frozen=True)
class Event:
    """One event of the HEK.

    Attributes
    ----------
    name : str
        Its identifier (``kb_archivid``, or else ``SOL_standard``), empty where the table has none.
    kind : str
        Its type, two letters such as ``"FI"``.
    start, end : `~astropy.time.Time`
    corners : `~astropy.coordinates.SkyCoord`
        Of its bounding polygon, or its one point, at ``start`` as seen from the Earth.
    column : str
        Where in the table ``corners`` come from.
    found_by : str
        Name of the feature recognition method (``frm_name``).
    """

    name: str
    kind: str
    start: Time
    end: Time
    corners: SkyCoord
    column: str
    found_by: str


def read_events(table: Table) -> Iterator[Event]:
    """The events of a HEK table that say where they are.

    Parameters
    ----------
    table : astropy.table.Table
        What `sunpy.net.hek.HEKClient.search` gives, or a part of it. Coordinates may be `~astropy.coordinates.SkyCoord`
        or the knowledgebase's own text, such as ``"POLYGON((10 20,30 20,30 40,10 40,10 20))"``, in arcsec and degrees.

    Raises
    ------
    ValueError
        If a column that is needed is missing.
    """
    areas = [(name, _column_frame(name), (name,)) for name in _AREAS]
    points = [
        (names[0].replace("_coord", " point"), _column_frame(names[0]), columns)
        for names in _POINTS
        for columns in (names[:1], names[1:])
    ]
    places = [place for place in (*areas, *points) if all(name in table.colnames for name in place[2])]
    missing = [name for name in _REQUIRED if name not in table.colnames]
    if missing or not places:
        lacking = missing or f"of places, such as {_AREAS}"
        raise ValueError(f"hek_table: it lacks the columns {lacking}; give a table of sunpy.net.hek.")
    for row in table:
        start, end = (parse_time(row[name]) for name in ("event_starttime", "event_endtime"))
        found = _place(row, places, start)
        if found is not None:
            column, corners = found
            name = _text(row, "kb_archivid") or _text(row, "SOL_standard")
            yield Event(name, _text(row, "event_type"), start, end, corners, column, _text(row, "frm_name"))


def _column_frame(column: str) -> type:
    return _FRAMES[column[:3]]


def _text(row: Any, column: str) -> str:
    value = row[column] if column in row.colnames else None
    return "" if value is None or np.ma.is_masked(value) else str(value)


def _place(row: Any, places: list[Any], start: Time) -> tuple[str, SkyCoord] | None:
    for name, frame, columns in places:
        numbers = np.column_stack([_numbers(row[column], frame) for column in columns])
        if numbers.size >= 2 and np.isfinite(numbers).all():
            unit = u.arcsec if frame is Helioprojective else u.deg
            observer: Mapping[str, Any] = {} if frame is HeliographicStonyhurst else {"observer": get_earth(start)}
            return name, SkyCoord(*(numbers.reshape(-1, 2).T * unit), frame=frame(obstime=start, **observer))
    return None


def _numbers(value: Any, frame: type) -> npt.NDArray[np.float64]:
    """Coordinates as numbers in arcsec or degrees, flat: pairs of a `SkyCoord` or a text, or one of a number."""
    if isinstance(value, SkyCoord):
        unit, names = (u.arcsec, ("Tx", "Ty")) if frame is Helioprojective else (u.deg, ("lon", "lat"))
        parts = [getattr(value, name) for name in names]
        parts = [u.Quantity(getattr(part, "unmasked", part)).to_value(unit) for part in parts]
        return np.stack(parts, axis=-1).reshape(-1)
    if value is None or np.ma.is_masked(value):
        return np.array([np.nan])
    if isinstance(value, str):
        return np.array([float(number) for number in re.findall(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?", value)])
    return np.atleast_1d(np.asarray(getattr(value, "value", value), dtype=float))
