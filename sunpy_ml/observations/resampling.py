"""Resampling of arrays: exact overlap of areas when they shrink, a cubic spline when they grow.

The field of view is kept exactly: pixel edges go to pixel edges, and only the number of pixels changes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt, zoom
from scipy.sparse import csr_array

__all__ = ["fill_invalid", "overlap_matrix", "resample", "resample_valid"]

Array = npt.NDArray[Any]


def overlap_matrix(n_in: int, n_out: int) -> csr_array:
    """Weights (n_out, n_in) that average ``n_in`` pixels over ``n_out`` larger ones by overlap of areas.

    Each row sums to one, so a mean is conserved to rounding whatever the ratio of the two sizes.
    """
    edges = np.linspace(0, n_in, n_out + 1)
    first = np.floor(edges[:-1]).astype(int)
    reach = int(np.ceil(n_in / n_out)) + 1
    columns = first[:, np.newaxis] + np.arange(reach)
    overlap = np.minimum(columns + 1, edges[1:, np.newaxis]) - np.maximum(columns, edges[:-1, np.newaxis])
    overlap = np.where(columns < n_in, np.clip(overlap, 0, None), 0.0)
    rows = np.repeat(np.arange(n_out), reach)
    weights = (overlap / overlap.sum(axis=1, keepdims=True)).ravel()
    return csr_array((weights, (rows, np.minimum(columns, n_in - 1).ravel())), shape=(n_out, n_in))


def _shrink(image: Array, shape: tuple[int, int]) -> Array:
    for axis, (n_in, n_out) in enumerate(zip(image.shape, shape, strict=True)):
        if n_out < n_in:
            matrix = overlap_matrix(n_in, n_out)
            image = matrix @ image if axis == 0 else (matrix @ image.T).T
    return image


def resample(image: Array, shape: tuple[int, int]) -> Array:
    """An image on ``shape`` pixels that cover the same field, as float32.

    Parameters
    ----------
    image : numpy.ndarray
        Two-dimensional, finite.
    shape : tuple of int
        Rows and columns of the result.

    Returns
    -------
    numpy.ndarray
        float32 of shape ``shape``: area averages along each axis that shrinks, cubic spline along each that grows.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.observations.resampling import resample
    >>> resample(np.array([[1.0, 3.0, 5.0]]), (1, 2))
    array([[1.6666667, 4.3333335]], dtype=float32)
    """
    shrunk = _shrink(np.asarray(image, dtype=np.float64), shape)
    factors = [n_out / n_in for n_in, n_out in zip(shrunk.shape, shape, strict=True)]
    if any(factor > 1 for factor in factors):
        shrunk = zoom(shrunk, factors, order=3, mode="nearest", grid_mode=True)
    return shrunk.astype(np.float32)


def resample_valid(valid: Array, shape: tuple[int, int]) -> Array:
    """Which of ``shape`` new pixels are valid: those of which at least half the area is."""
    share = _shrink(valid.astype(np.float64), shape)
    rows = np.arange(shape[0]) * share.shape[0] // shape[0]
    columns = np.arange(shape[1]) * share.shape[1] // shape[1]
    return share[np.ix_(rows, columns)] >= 0.5


def fill_invalid(image: Array, valid: Array, beyond_limb: Array | None = None) -> Array:
    """An image with its invalid pixels filled, so that a network can read it or a telescope blur it.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), in any unit.
    valid : numpy.ndarray
        True for the pixels to keep, of the same shape.
    beyond_limb : numpy.ndarray, optional
        True beyond the limb, as of `~sunpy_ml.observations.beyond_limb`.

    Returns
    -------
    numpy.ndarray
        Gaps take the value of the nearest valid pixel; beyond the limb, where a missing value means that there is
        no light (or no field) to speak of, and where no pixel at all is valid, they become zero.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.observations import fill_invalid
    >>> image = np.array([[1.0, np.nan, 3.0, 4.0]])
    >>> fill_invalid(image, np.isfinite(image))
    array([[1., 1., 3., 4.]])
    """
    if valid.all():
        return image
    filled = image.copy()
    if valid.any():
        nearest = distance_transform_edt(~valid, return_distances=False, return_indices=True)
        filled = filled[tuple(nearest)]
    else:
        filled[:] = 0
    if beyond_limb is not None:
        filled[~valid & beyond_limb] = 0
    return filled
