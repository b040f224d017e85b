"""The eight turns and reflections that take a square grid of pixels to itself, and the way back."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy.typing as npt

__all__ = ["turn_back", "turns"]

Array = npt.NDArray[Any]

#: Of each turn: whether rows and columns are swapped, and the steps along rows and columns afterwards.
_TURNS = tuple(product((False, True), (1, -1), (1, -1)))


def turns(images: Array) -> list[Array]:
    """Images in each of their eight orientations, the given one first.

    Parameters
    ----------
    images : numpy.ndarray
        (..., N, N), of any dtype.

    Returns
    -------
    list of numpy.ndarray
        Eight views of ``images``, of its shape: nothing is copied.

    Raises
    ------
    ValueError
        If the images are not square.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.inference import turns
    >>> [view.ravel().tolist() for view in turns(np.array([[0, 1], [2, 3]]))][:3]
    [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1]]
    """
    if images.ndim < 2 or images.shape[-1] != images.shape[-2]:
        raise ValueError(f"images: they must be square to be turned, got the shape {images.shape}.")
    return [
        (images.swapaxes(-1, -2) if swapped else images)[..., ::rows, ::columns] for swapped, rows, columns in _TURNS
    ]


def turn_back(views: Sequence[Array]) -> list[Array]:
    """The inverse of `turns`: what was made of each view, in the orientation of the images.

    Parameters
    ----------
    views : sequence of numpy.ndarray
        Eight arrays (..., N, N), in the order of `turns`.

    Returns
    -------
    list of numpy.ndarray
        Eight views of them.

    Raises
    ------
    ValueError
        If there are not eight.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.inference import turn_back, turns
    >>> image = np.arange(9).reshape(3, 3)
    >>> all((back == image).all() for back in turn_back(turns(image)))
    True
    """
    if len(views) != len(_TURNS):
        raise ValueError(f"views: expected {len(_TURNS)}, in the order of `turns`, got {len(views)}.")
    unturned = (
        (swapped, view[..., ::rows, ::columns]) for view, (swapped, rows, columns) in zip(views, _TURNS, strict=True)
    )
    return [view.swapaxes(-1, -2) if swapped else view for swapped, view in unturned]
