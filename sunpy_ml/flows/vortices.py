"""Vortices in a velocity field."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.table import QTable
from ndcube import NDCollection
from scipy.ndimage import map_coordinates

from sunpy_ml.flows.result import Flow, filled, known, read_flow

__all__ = ["detect_vortices"]

Array = npt.NDArray[Any]

# Pixels of the finer grid from the middle to the edge of the square on which rotation is judged, as published.
_REACH = 3
# Judged at a time, since each pixel takes a square of its own.
_ROWS_OF_PIXELS = 40_000
# By how much the two sides of a pixel may differ.
_SQUARE = 0.01


def detect_vortices(
    flow: NDCollection, *, gamma1: float = 0.89, smallest: u.Quantity | None = None, fine: int = 2
) -> QTable:
    """Find vortices by the sense in which the velocity turns around each pixel (ASDA).

    The mean velocity of each field is taken away first. A vortex is a region in which Gamma2 is beyond 2/pi, so that
    rotation outweighs strain, if Gamma1, the mean sine of the angle between velocity and radius, reaches a threshold
    in it.

    Parameters
    ----------
    flow : ndcube.NDCollection
        "vx" and "vy", as `~sunpy_ml.lct_flow` gives them.
    gamma1 : float
        The threshold of the absolute value of Gamma1, which is 1 on the axis of a round vortex.
    smallest : astropy.units.Quantity, optional
        The least radius; by default that of two pixels.
    fine : int
        How many times as fine a grid is used, to which velocities are interpolated.

    Returns
    -------
    astropy.table.QTable
        A row for each vortex: "field" (its number in time), "column" and "row" in pixels, "center" as a SkyCoord where
        the flow has celestial coordinates, "radius" (of the circle of the same area), "speed" (of the rotation, at the
        edge), "expansion" (outwards there), "sign" (1 counterclockwise, -1 clockwise, with north up and west to the
        right) and "gamma1".

    Raises
    ------
    ImportError
        If sunkit-image is not installed, which comes with the extra ``flows``.
    ValueError
        If an argument cannot be, or if pixels are not square.

    Notes
    -----
    Gamma1 is not the same for an observer who moves, so a vortex that a larger flow carries along is seen less well.
    The detection is that of ``sunkit_image.asda``.

    References
    ----------
    Liu, Nelson & Erdélyi 2019, ApJ 872, 22, https://doi.org/10.3847/1538-4357/aabd34
    Graftieaux, Michard & Grosjean 2001, Meas. Sci. Technol. 12, 1422, https://doi.org/10.1088/0957-0233/12/9/307

    Examples
    --------
    >>> from sunpy_ml import detect_vortices
    >>> from sunpy_ml.simulation import moving_granulation
    >>> vortices = detect_vortices(moving_granulation(shape=(64, 64), seed=1).velocity)
    >>> vortices["radius"].unit, vortices["speed"].unit
    (Unit("Mm"), Unit("km / s"))
    """
    field = read_flow(flow)
    if not 0 < gamma1 <= 1:
        raise ValueError(f"gamma1: expected a number from 0 to 1, got {gamma1!r}.")
    if not isinstance(fine, int) or fine < 1:
        raise ValueError(f"fine: expected a whole number from 1, got {fine!r}.")
    if abs(field.pixel[0] / field.pixel[1] - 1) > _SQUARE:
        raise ValueError(
            f"flow: its pixels are {field.pixel[0]:.4g} by {field.pixel[1]:.4g} km, where square ones count."
        )
    least = 2.0 if smallest is None else _radius(smallest) / field.pixel[0]
    found = [
        (number, *vortex)
        for number, velocity in enumerate(field.in_pixels * field.pixel[0])
        for vortex in _vortices(velocity, gamma1, least, fine)
    ]
    return _table(field, found)


def _radius(smallest: Any) -> float:
    if not isinstance(smallest, u.Quantity) or not smallest.unit.is_equivalent(u.km) or not 0 < smallest.value < np.inf:
        raise ValueError(f"smallest: expected one positive length, such as 0.2 * u.Mm, got {smallest!r}.")
    return float(smallest.to_value(u.km))


def _vortices(velocity: Array, gamma1: float, least: float, fine: int) -> list[tuple[float, ...]]:
    """Column, row, radius in pixels, rotation, expansion and Gamma1 of the vortices of one field (2, y, x)."""
    from sunpy_ml.flows._extra import asda

    valid = known(velocity)
    if not valid.any():
        return []
    mean = velocity[:, valid].mean(axis=1)
    vx, vy = (_finer(part, fine) for part in filled(velocity) - mean[:, np.newaxis, np.newaxis])
    gamma = _gamma(vx, vy)
    found: list[tuple[float, ...]] = []
    for sense in (1, -1):
        # One sense at a time: the contours of both cannot always be put together.
        turning = np.stack([gamma[..., 0], sense * np.clip(sense * gamma[..., 1], 0, None)], axis=-1)
        edges = asda.get_vortex_edges(turning, rmin=least * fine, gamma_min=gamma1)
        expansion, rotation, _, _ = asda.get_vortex_properties(vx, vy, edges)
        for index, center in enumerate(edges["center"]):
            inside = (np.asarray(edges["points"][index], dtype=float) / fine).round().astype(int)
            if valid[inside[:, 1], inside[:, 0]].all():
                column, row = np.asarray(center, dtype=float) / fine
                radius, peak = edges["radius"][index] / fine, edges["peak"][index]
                found.append((column, row, radius, rotation[index], expansion[index], peak))
    return found


def _finer(part: Array, fine: int) -> Array:
    """An image on a grid of which every so many points are its pixels."""
    if fine == 1:
        return part
    places = np.meshgrid(*(np.arange((length - 1) * fine + 1) / fine for length in part.shape), indexing="ij")
    return map_coordinates(part, places, order=3, mode="nearest")


def _gamma(vx: Array, vy: Array) -> Array:
    """Gamma1 and Gamma2, (y, x, 2), in strips that overlap, since all their squares are held in memory."""
    from sunpy_ml.flows._extra import asda

    rows, columns = vx.shape
    if min(rows, columns) <= 2 * _REACH:
        raise ValueError(f"flow: expected more than {2 * _REACH} points each way, got {vx.shape}; give a larger field.")
    gamma = np.zeros((rows, columns, 2))
    height = max(1, _ROWS_OF_PIXELS // columns)
    for first in range(_REACH, rows - _REACH, height):
        last = min(first + height, rows - _REACH)
        strip = slice(first - _REACH, last + _REACH)
        gamma[first:last] = asda.calculate_gamma_values(vx[strip], vy[strip], r=_REACH)[_REACH:-_REACH]
    return gamma


def _table(field: Flow, found: list[tuple[Any, ...]]) -> QTable:
    values = np.array(found, dtype=float).reshape(-1, 7).T
    number, column, row, radius, rotation, expansion, gamma1 = values
    # In a mirrored image what turns to the left turns to the right on the Sun.
    sense = np.sign(np.linalg.det(field.step))
    table = QTable()
    table["field"] = number.astype(int)
    table["column"], table["row"] = column * u.pix, row * u.pix
    if field.wcs is not None:
        table["center"] = field.wcs.pixel_to_world(column, row)
    table["radius"] = radius * field.pixel[0] / 1e3 * u.Mm
    table["speed"] = np.abs(rotation) * u.km / u.s
    table["expansion"] = expansion * u.km / u.s
    table["sign"] = (sense * np.sign(gamma1)).astype(int)
    table["gamma1"] = sense * gamma1
    return table
