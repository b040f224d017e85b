"""Corks: where a velocity field carries what floats on it."""

import warnings
from typing import Any, Literal

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.table import QTable
from astropy.time import TimeDelta
from astropy.wcs import WCS
from ndcube import NDCollection
from scipy.ndimage import map_coordinates, spline_filter
from sunpy.util.exceptions import SunpyUserWarning

from sunpy_ml.flows.result import Flow, filled, read_flow

__all__ = ["advect_corks"]

Array = npt.NDArray[Any]

# A single field of granules tells nothing of what they do after they have lived for so long, in seconds.
_GRANULE_LIFE = 600.0
# What a field resolves, in Mm, below which it is one of granules and not of the larger flows that last.
_GRANULAR = 3.0
# Pixels that a cork goes in one step, at most.
_STEP = 1.0
_ROWS = 60


def advect_corks(
    flow: NDCollection,
    corks: SkyCoord | u.Quantity | None = None,
    *,
    number: int = 1000,
    duration: u.Quantity | None = None,
    step: u.Quantity | None = None,
    every: u.Quantity | None = None,
    border: Literal["lost", "periodic"] = "lost",
    as_array: bool = False,
) -> QTable | Array:
    """Carry corks by a velocity field.

    Parameters
    ----------
    flow : ndcube.NDCollection
        "vx" and "vy", as `~sunpy_ml.lct_flow` gives them. Between its times the velocity is interpolated; before the
        first and after the last it is as there.
    corks : astropy.coordinates.SkyCoord or astropy.units.Quantity, optional
        Where they start: coordinates, or (n, 2) columns and rows in pix. By default about ``number`` of them are spread
        evenly.
    number : int
        How many, if ``corks`` is not given.
    duration : astropy.units.Quantity, optional
        For how long; by default all the time that the flow was found in.
    step : astropy.units.Quantity, optional
        Of the integration; by default such that nothing goes farther than a pixel.
    every : astropy.units.Quantity, optional
        Time between the positions that are returned; by default that of the fields, or a sixtieth of the duration where
        there is one only.
    border : {"lost", "periodic"}
        Whether a cork that leaves the field is lost, or comes in at the other side. Where no field tells a velocity, it
        is lost, too.
    as_array : bool
        Give the positions as an array instead.

    Returns
    -------
    astropy.table.QTable or numpy.ndarray
        A row for each time, with the columns "time" (since the start), "column" and "row" in pixels, and "x" and "y"
        along the axes of the flow; each of the last four holds a value per cork, NaN after it was lost. ``meta`` tells
        the step and how many were lost. Or the array (times, corks, 2) of columns and rows.

    Raises
    ------
    ValueError
        If an argument cannot be, or if the duration is longer than what several fields cover.

    Warns
    -----
    sunpy.util.exceptions.SunpyUserWarning
        If a single field at the scale of granules is used for longer than 10 minutes, after which they are others.

    Notes
    -----
    Integrated by the classical method of Runge and Kutta, of fourth order, with cubic splines in space. Fields of
    apparent motion do not carry real corks: where they are smoothed, corks come together more slowly than on the Sun.

    References
    ----------
    Simon & Weiss 1989, ApJ 345, 1060, https://ui.adsabs.harvard.edu/abs/1989ApJ...345.1060S

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml import advect_corks
    >>> from sunpy_ml.simulation import moving_granulation
    >>> flow = moving_granulation(shape=(64, 64)).velocity
    >>> corks = advect_corks(flow, number=100, duration=5 * u.min)
    >>> len(corks), corks["x"].shape, corks["x"].unit
    (61, (61, 100), Unit("arcsec"))
    """
    field = read_flow(flow)
    if border not in ("lost", "periodic"):
        raise ValueError(f"border: got {border!r}, choose 'lost' or 'periodic'.")
    seconds = _duration(field, duration)
    stream = _Stream(field, periodic=border == "periodic")
    places = _even_start(field, number) if corks is None else _given_start(field, corks)
    usual = field.cadence if stream.count > 1 else seconds / _ROWS
    rows = max(1, round(seconds / (usual if every is None else _positive("every", every))))
    longest = _positive("step", step) if step is not None else stream.step
    steps = max(1, int(np.ceil(seconds / rows / longest - 1e-9)))
    path = np.empty((rows + 1, *places.shape))
    path[0] = places = stream.within(places)
    length = seconds / (rows * steps)
    for row in range(rows):
        for inner in range(steps):
            places = stream.within(_moved(stream, places, (row * steps + inner) * length, length))
        path[row + 1] = places
    return path if as_array else _table(field, path, seconds / rows, length)


class _Stream:
    """Velocities in pixels per second at any place and time."""

    def __init__(self, field: Flow, *, periodic: bool) -> None:
        self.mode = "grid-wrap" if periodic else "mirror"
        self.shape = field.velocity.shape[2:]
        self.count = len(field.velocity)
        # Between the start and the first field is half of an interval.
        self.cadence = field.cadence if self.count > 1 else 1.0
        self.unknown = np.asarray(field.masked.all(axis=0))
        velocity = np.stack([filled(one) for one in field.in_pixels])
        fastest = float(np.abs(velocity).max())
        self.step = _STEP / fastest if fastest > 0 else np.inf
        self.knots = [[spline_filter(part, order=3, mode=self.mode) for part in one] for one in velocity]

    def __call__(self, places: Array, time: float) -> Array:
        """At columns and rows (n, 2), a time after the start."""
        position = float(np.clip(time / self.cadence - 0.5, 0, self.count - 1))
        earlier = min(int(position), max(self.count - 2, 0))
        later = position - earlier
        velocity = (1 - later) * self._at(earlier, places) if later < 1 else 0.0
        return velocity + later * self._at(earlier + 1, places) if later > 0 else np.asarray(velocity)

    def _at(self, number: int, places: Array) -> Array:
        there = places.T[::-1]
        parts = [
            map_coordinates(knots, there, order=3, mode=self.mode, prefilter=False) for knots in self.knots[number]
        ]
        return np.stack(parts, axis=1)

    def within(self, places: Array) -> Array:
        """Places in the field; NaN for those that are lost."""
        size = np.array(self.shape[::-1], dtype=float)
        if self.mode == "grid-wrap":
            places = (places + 0.5) % size - 0.5
        lost = np.asarray(~((places >= -0.5) & (places <= size - 0.5)).all(axis=1))
        column, row = np.clip(np.rint(np.where(lost[:, np.newaxis], 0, places)), 0, size - 1).astype(int).T
        return np.where((lost | self.unknown[row, column])[:, np.newaxis], np.nan, places)


def _moved(stream: _Stream, places: Array, time: float, step: float) -> Array:
    """Places after one step of Runge and Kutta; those that are lost stay so."""
    afloat = np.isfinite(places).all(axis=1)
    start = places[afloat]
    first = stream(start, time)
    second = stream(start + step / 2 * first, time + step / 2)
    third = stream(start + step / 2 * second, time + step / 2)
    fourth = stream(start + step * third, time + step)
    moved = np.full_like(places, np.nan)
    moved[afloat] = start + step / 6 * (first + 2 * second + 2 * third + fourth)
    return moved


def _positive(name: str, value: Any) -> float:
    if not isinstance(value, u.Quantity) or not value.unit.is_equivalent(u.s) or not 0 < value.value < np.inf:
        raise ValueError(f"{name}: expected one positive time, such as 30 * u.s, got {value!r}.")
    return float(value.to_value(u.s))


def _duration(field: Flow, duration: u.Quantity | None) -> float:
    count, averaged = len(field.velocity), field.meta("averaged")
    covered = count * field.cadence if count > 1 or averaged is None else averaged.to_value(u.s)
    seconds = covered if duration is None else _positive("duration", duration)
    if not np.isfinite(seconds):
        raise ValueError("duration: the flow does not tell its time; give it, such as 10 * u.min.")
    if count > 1 and seconds > covered * (1 + 1e-9):
        raise ValueError(f"duration: {seconds:.0f} s is longer than the {covered:.0f} s of the {count} fields.")
    window = field.meta("window")
    resolved = 2e-3 * max(field.pixel) if window is None else window.to_value(u.Mm)
    lasting = averaged is not None and averaged.to_value(u.s) >= _GRANULE_LIFE
    if count == 1 and seconds > _GRANULE_LIFE and resolved < _GRANULAR and not lasting:
        warnings.warn(
            f"duration: one field at the scale of granules is used for {seconds / 60:.0f} min, in which they are "
            "replaced by others; give fields at more times, or an average over a longer time.",
            SunpyUserWarning,
            stacklevel=3,
        )
    return seconds


def _even_start(field: Flow, number: int) -> Array:
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"number: expected a whole number from 1, got {number!r}.")
    rows, columns = field.velocity.shape[2:]
    down = max(1, round(np.sqrt(number * rows / columns)))
    across = max(1, round(number / down))
    column, row = np.meshgrid(*((np.arange(n) + 0.5) * size / n - 0.5 for n, size in ((across, columns), (down, rows))))
    return np.stack([column.ravel(), row.ravel()], axis=1)


def _given_start(field: Flow, corks: Any) -> Array:
    if isinstance(corks, SkyCoord):
        if field.wcs is None:
            raise ValueError("corks: the flow has no celestial coordinates; give columns and rows in pix.")
        return np.stack(np.atleast_1d(*field.wcs.world_to_pixel(corks)), axis=1)
    if not isinstance(corks, u.Quantity) or corks.unit != u.pix or corks.ndim != 2 or corks.shape[1] != 2:
        raise ValueError(f"corks: expected a SkyCoord or (n, 2) columns and rows in pix, got {corks!r}.")
    return corks.to_value(u.pix).astype(float)


def _table(field: Flow, path: Array, spacing: float, step: float) -> QTable:
    column, row = path[..., 0], path[..., 1]
    if field.wcs is None:
        middle = (np.array(field.velocity.shape[:1:-1]) - 1) / 2
        world: Any = np.einsum("ij,tnj->itn", field.step / 1e3, path - middle) * u.Mm
    else:
        units = field.wcs.world_axis_units
        world = [u.Quantity(*pair) for pair in zip(_world(field.wcs, column, row), units, strict=True)]
        if field.wcs.wcs.ctype[field.wcs.wcs.lng].startswith("HPLN"):
            world = [((angle + 180 * u.deg) % (360 * u.deg) - 180 * u.deg).to(u.arcsec) for angle in world]
    table = QTable()
    table["time"] = np.arange(len(path)) * spacing * u.s
    table["column"], table["row"] = column * u.pix, row * u.pix
    table["x"], table["y"] = world
    table.meta = {"step": step * u.s, "lost": int(np.isnan(path[-1]).any(axis=1).sum())}
    if field.start is not None:
        table.meta["start"] = field.start - TimeDelta(0.5 * np.nan_to_num(field.cadence) * u.s)
    return table


def _world(wcs: WCS, column: Array, row: Array) -> list[Array]:
    """World coordinates; wcslib refuses what is not a number, so that those that are lost are asked elsewhere."""
    lost = np.isnan(column)
    world = wcs.pixel_to_world_values(np.where(lost, 0, column), np.where(lost, 0, row))
    return [np.where(lost, np.nan, values) for values in world]
