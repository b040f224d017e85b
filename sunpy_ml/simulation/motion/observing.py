"""Simulated frames and velocities as NDCubes."""

from dataclasses import fields
from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
from ndcube import NDCollection, NDCube

from sunpy_ml.simulation.motion.card import MotionCard
from sunpy_ml.simulation.motion.pointing import Pointing

__all__ = ["MovingGranulation", "wrapped"]


class MovingGranulation(NamedTuple):
    """
    Frames with known motion.

    Parameters
    ----------
    frames : `~ndcube.NDCube`
        (time, y, x). Masked where a frame shows what was outside of a given image.
    velocity : `~ndcube.NDCollection`
        The truth, "vx" and "vy", each an NDCube (time, y, x) in km/s: one for each pair of successive frames, at the
        middle of its time, on the same pixels.
    card : MotionCard
        What it was made with.
    """

    frames: NDCube
    velocity: NDCollection
    card: MotionCard


def wrapped(
    frames: np.ndarray, velocity: np.ndarray, mask: np.ndarray, unit: u.UnitBase, pointing: Pointing, card: MotionCard
) -> MovingGranulation:
    """
    Give frames and velocities their coordinates.

    Parameters
    ----------
    frames : numpy.ndarray
        (time, y, x).
    velocity : numpy.ndarray
        (2, y, x) in km/s; it is the same all the time.
    mask : numpy.ndarray
        (y, x), True where nothing is known.
    unit : `~astropy.units.UnitBase`
        Of the frames.
    pointing : Pointing
        Where they look.
    card : MotionCard
        What they were made with.
    """
    count = len(frames)
    shared = _meta(card)
    cube = NDCube(
        frames,
        wcs=pointing.wcs(card.cadence, start=0 * u.s),
        unit=unit,
        mask=np.broadcast_to(mask, frames.shape).copy() if mask.any() else None,
        meta=dict(shared),
    )
    between = pointing.wcs(card.cadence, start=card.cadence / 2)
    components = []
    for name, values in zip(("vx", "vy"), velocity, strict=True):
        steady = np.broadcast_to(values, (count - 1, *values.shape)).copy()
        truth = NDCube(steady, wcs=between.deepcopy(), unit=u.km / u.s, meta={**shared, "component": name})
        components.append((name, truth))
    return MovingGranulation(cube, NDCollection(components, aligned_axes="all"), card)


def _meta(card: MotionCard) -> dict[str, Any]:
    """Return the plain part of the card, and who made it."""
    plain = {field.name: getattr(card, field.name) for field in fields(card) if field.name not in ("parts", "sources")}
    return {"instrume": "motion simulation", "origin": "sunpy_ml.simulation.motion.moving_granulation", **plain}
