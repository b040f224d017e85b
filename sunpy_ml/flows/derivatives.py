"""Divergence and vorticity of a velocity field."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from ndcube import NDCollection, NDCube

from sunpy_ml.flows.result import Flow, like_flow, read_flow

__all__ = ["divergence", "solar_gradients", "vorticity"]


def divergence(flow: NDCollection) -> NDCube:
    """The horizontal divergence of a velocity field: positive where it flows apart.

    Parameters
    ----------
    flow : ndcube.NDCollection
        "vx" and "vy", as `~sunpy_ml.lct_flow` gives them.

    Returns
    -------
    ndcube.NDCube
        (time, y, x) in 1/s, from central differences; masked beside what is masked.

    Raises
    ------
    ValueError
        If ``flow`` is no velocity field, or less than three pixels wide.

    Examples
    --------
    >>> from sunpy_ml.flows import divergence
    >>> from sunpy_ml.simulation import moving_granulation
    >>> rate = divergence(moving_granulation(shape=(64, 64)).velocity)
    >>> rate.shape, rate.unit
    ((1, 64, 64), Unit("1 / s"))
    """
    field = read_flow(flow)
    rates = solar_gradients(field)
    return like_flow(field, rates[:, 0, 0] + rates[:, 1, 1], u.s**-1, "divergence")


def vorticity(flow: NDCollection) -> NDCube:
    """The vertical component of the vorticity of a velocity field: positive where it turns counterclockwise.

    Parameters
    ----------
    flow : ndcube.NDCollection
        "vx" and "vy", as `~sunpy_ml.lct_flow` gives them.

    Returns
    -------
    ndcube.NDCube
        (time, y, x) in 1/s, with solar north up and west to the right, from central differences; masked beside what is
        masked.

    Raises
    ------
    ValueError
        If ``flow`` is no velocity field, or less than three pixels wide.

    Examples
    --------
    >>> from sunpy_ml.flows import vorticity
    >>> from sunpy_ml.simulation import moving_granulation
    >>> vorticity(moving_granulation(shape=(64, 64)).velocity).unit
    Unit("1 / s")
    """
    field = read_flow(flow)
    rates = solar_gradients(field)
    return like_flow(field, rates[:, 1, 0] - rates[:, 0, 1], u.s**-1, "vorticity")


def solar_gradients(field: Flow) -> npt.NDArray[Any]:
    """Derivatives in 1/s, (time, 2, 2, y, x): of the components, along solar x, then y."""
    if min(field.velocity.shape[2:]) < 3:
        raise ValueError(f"flow: expected at least three pixels each way, got {field.velocity.shape[2:]}.")
    along_rows, along_columns = np.gradient(field.velocity, axis=(2, 3), edge_order=2)
    by_pixel = np.stack([along_columns, along_rows], axis=2)
    # A central difference does not look at the pixel itself.
    by_pixel[np.broadcast_to(field.masked[:, np.newaxis, np.newaxis], by_pixel.shape)] = np.nan
    return np.einsum("tipyx,pj->tijyx", by_pixel, np.linalg.inv(field.step))
