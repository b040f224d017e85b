"""The table of classifications: one row for each observation, read or not."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from astropy.time import Time
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective
from sunpy.map import GenericMap

from sunpy_ml.observations import (
    celestial_wcs,
    observation_time,
    observed_wavelength,
    plate_scale,
    quiet_headers,
    self_contained,
    told,
)
from sunpy_ml.weights import Card

__all__ = ["Row", "as_table", "describe"]

_NOWHERE = (np.nan, np.nan)


@dataclass
class Row:
    """One row as plain numbers and words, small enough to keep by the million."""

    source: str
    date: str = ""
    instrument: str = ""
    wavelength: float = np.nan
    centre: tuple[float, float] = _NOWHERE
    observer: tuple[float, float, float] = (np.nan, np.nan, np.nan)
    size: tuple[float, float] = _NOWHERE
    label: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    features: dict[str, float] = field(default_factory=dict)
    unfamiliarity: float = np.nan
    entropy: float = np.nan
    in_domain: str = ""
    reasons: str = ""
    error: str = ""


def describe(m: GenericMap) -> dict[str, Any]:
    """What the header of a Map tells, as the fields of a `Row` (nm, arcsec, degrees, metres)."""
    complete = self_contained(m)
    with quiet_headers():
        date = observation_time(m)
        observer = complete.observer_coordinate
        centre = complete.center.transform_to(Helioprojective(observer=observer, obstime=complete.reference_date))
        size = plate_scale(celestial_wcs(complete), complete).to_value(u.arcsec / u.pix) * m.data.shape[::-1]
    wavelength = observed_wavelength(m)
    return {
        "date": "" if date is None else date.isot,
        "instrument": str(told(m, "instrument") or ""),
        "wavelength": np.nan if wavelength is None else wavelength.to_value(u.nm),
        "centre": (centre.Tx.to_value(u.arcsec), centre.Ty.to_value(u.arcsec)),
        "observer": (observer.lon.to_value(u.deg), observer.lat.to_value(u.deg), observer.radius.to_value(u.m)),
        "size": tuple(size.tolist()),
    }


def as_table(rows: Sequence[Row], card: Card) -> QTable:
    """The table of `~sunpy_ml.classify_maps` from its rows."""
    known = np.array([bool(row.date) for row in rows])
    date = Time([row.date or "2000-01-01T00:00:00" for row in rows], format="isot")
    frame_date = date.copy()
    if not known.all():
        date[~known] = np.ma.masked
    # Frames whose observer is another coordinate cannot be written to a file, so the observer is a column.
    centre = np.array([row.centre for row in rows]) * u.arcsec
    lon, lat, radius = np.array([row.observer for row in rows]).T
    columns = {
        "source": [row.source for row in rows],
        "date": date,
        "instrument": [row.instrument for row in rows],
        "wavelength": [row.wavelength for row in rows] * u.nm,
        "centre": SkyCoord(centre[:, 0], centre[:, 1], frame=Helioprojective(obstime=frame_date)),
        "observer": SkyCoord(lon * u.deg, lat * u.deg, radius * u.m, frame=HeliographicStonyhurst(obstime=frame_date)),
        "size": np.array([row.size for row in rows]) * u.arcsec,
        "label": [row.label for row in rows],
        **{f"p_{name}": [row.probabilities.get(name, np.nan) for row in rows] for name in card.output.classes},
        **{f"has_{name}": [row.features.get(name, np.nan) for row in rows] for name in card.output.features},
        "unfamiliarity": [row.unfamiliarity for row in rows],
        "entropy": [row.entropy for row in rows],
        "in_domain": [row.in_domain for row in rows],
        "reasons": [row.reasons for row in rows],
        "weights": [card.name] * len(rows),
        "error": [row.error for row in rows],
    }
    return QTable(columns)
