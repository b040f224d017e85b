"""Exact turns: array flips and transposes that bring an image to its most nearly north-up position.

A turn permutes pixels and interpolates nothing. What is left of the rotation, less than 45 degrees, stays in
the WCS.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS

__all__ = ["Turn", "north_up_turn", "pixel_matrix", "turned_wcs"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Turn:
    """One of the eight turns of a rectangle: transpose first, then flip rows and columns.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.observations import Turn
    >>> turn = Turn(transpose=True, flip_y=True)
    >>> turn.undo(turn.apply(np.array([[1, 2], [3, 4]])))
    array([[1, 2],
           [3, 4]])
    """

    transpose: bool = False
    flip_y: bool = False
    flip_x: bool = False

    def apply(self, image: Array) -> Array:
        """Turn the last two axes of an array (numpy or dask); a view where numpy gives one."""
        if self.transpose:
            image = image.swapaxes(-1, -2)
        return image[..., :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]

    def undo(self, image: Array) -> Array:
        """The inverse of `apply`."""
        image = image[..., :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return image.swapaxes(-1, -2) if self.transpose else image

    def undo_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns before the turn."""
        return (shape[1], shape[0]) if self.transpose else shape

    @property
    def matrix(self) -> Array:
        """How pixel steps (x, y) of the turned image map to those of the original."""
        signs = np.diag([-1.0 if self.flip_x else 1.0, -1.0 if self.flip_y else 1.0])
        return (np.array([[0.0, 1.0], [1.0, 0.0]]) if self.transpose else np.eye(2)) @ signs


def pixel_matrix(wcs: WCS) -> Array:
    """Arcsec per pixel, longitude then latitude; column j is the step along pixel axis j, x before y."""
    matrix = wcs.pixel_scale_matrix * [[unit.to("arcsec")] for unit in wcs.wcs.cunit]
    return matrix[[wcs.wcs.lng, wcs.wcs.lat]]


def north_up_turn(wcs: WCS) -> tuple[Turn, float]:
    """The turn that brings solar north nearest to the top and west to the right, and the angle that is left.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Celestial, two axes.

    Returns
    -------
    turn : Turn
        To be applied to the data.
    tilt : float
        What is left of the rotation, in degrees, counterclockwise positive.
    """
    matrix = pixel_matrix(wcs)
    matrix = matrix / np.hypot(matrix[0], matrix[1])
    turns = [Turn(*choice) for choice in product((False, True), repeat=3)]
    turn = max(turns, key=lambda candidate: float(np.trace(matrix @ candidate.matrix)))
    turned = matrix @ turn.matrix
    tilt = np.arctan2(turned[1, 0] - turned[0, 1], turned[0, 0] + turned[1, 1])
    return turn, float(np.degrees(tilt))


def turned_wcs(wcs: WCS, turn: Turn, shape: tuple[int, int], factor: tuple[float, float] = (1.0, 1.0)) -> WCS:
    """The WCS after a turn and a resampling that keeps the field of view.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Of the original image.
    turn : Turn
        As applied to the data.
    shape : tuple of int
        Rows and columns of the original image.
    factor : tuple of float
        New pixels per turned pixel, along y and x.

    Returns
    -------
    astropy.wcs.WCS
        A copy, with the same observer and time.
    """
    # Edges of the image are at 0 and n in these coordinates, which makes turns and zooms about them exact.
    reference = np.asarray(wcs.wcs.crpix) - 0.5
    size = np.array([shape[1], shape[0]], dtype=float)
    inverse = turn.matrix.T
    far_corner = np.minimum(inverse @ size, 0)
    zoom = np.array([factor[1], factor[0]])
    # pixel_scale_matrix, unlike CD or PC alone, holds whichever of the two the header has.
    matrix = wcs.pixel_scale_matrix @ turn.matrix / zoom
    new = wcs.deepcopy()
    if new.wcs.has_cd():
        new.wcs.cd = matrix
    else:
        steps = np.hypot(matrix[:, 0], matrix[:, 1])
        new.wcs.cdelt = steps
        new.wcs.pc = matrix / steps[:, np.newaxis]
    new.wcs.crpix = (inverse @ reference - far_corner) * zoom + 0.5
    rows, columns = (shape[1], shape[0]) if turn.transpose else shape
    new.array_shape = (round(rows * factor[0]), round(columns * factor[1]))
    new.wcs.set()
    return new
