"""How a network for flows answers to a shift that is known."""

import warnings
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS
from ndcube import NDCube

from sunpy_ml.exceptions import DomainWarning
from sunpy_ml.flows.deepvel import TASK, deepvel_flow
from sunpy_ml.weights import Card, resolve

__all__ = ["shift_response"]

Array = npt.NDArray[Any]


def shift_response(
    image: Array,
    *,
    scale: u.Quantity,
    cadence: u.Quantity | None = None,
    weights: Any = None,
    card: Card | None = None,
    shift: float = 1.0,
    border: int = 48,
    **options: Any,
) -> Array:
    """What a network finds where a whole image has been shifted, in parts of the shift.

    Of weights that tell velocities along the right axes, the numbers on the diagonal are near 1 and the others near 0;
    were the axes exchanged, it would be the other way round. So this settles what the code of published networks leaves
    open, if the image is of the kind that they were trained on.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), of granulation say, larger than two borders.
    scale : astropy.units.Quantity
        Angle or length per pixel.
    cadence : astropy.units.Quantity, optional
        In which it is taken to be shifted; by default what the weights were trained with, or 30 s.
    weights, card
        As for `~sunpy_ml.deepvel_flow`.
    shift : float
        Pixels, half in either image, made in Fourier space.
    border : int
        Pixels at the edges that do not count: what is shifted in there comes from the other edge.
    **options
        For `~sunpy_ml.deepvel_flow`.

    Returns
    -------
    numpy.ndarray
        (levels, 2, 2): the mean displacement along columns, then rows, for a shift along columns, then rows.

    Raises
    ------
    ValueError
        If the image is no finite array of that size.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_ml.flows import shift_response
    >>> from sunpy_ml.simulation import moving_granulation
    >>> image = moving_granulation(shape=(128, 128), seed=1).frames.data[0]
    >>> found = shift_response(image, scale=0.1 * u.arcsec / u.pix, border=32)
    >>> bool(abs(found[0] - np.eye(2)).max() < 0.1)
    True
    """
    image = np.asarray(image, dtype=float)
    if image.ndim != 2 or min(image.shape) <= 2 * border or not np.isfinite(image).all():
        raise ValueError(f"image: expected finite numbers (y, x), more than {2 * border} each way, got {image.shape}.")
    trained = resolve(TASK, weights, card).input.cadence
    cadence = (trained or 30) * u.s if cadence is None else cadence
    inner = slice(border, -border or None)
    answers = []
    for direction in np.eye(2):
        pair = np.stack([_shifted(image, side * shift / 2 * direction) for side in (-1, 1)])
        with warnings.catch_warnings():
            # Which wavelength the image has does not matter here.
            warnings.simplefilter("ignore", DomainWarning)
            flow = deepvel_flow(
                NDCube(pair, wcs=WCS(naxis=3)), weights=weights, card=card, cadence=cadence, scale=scale, **options
            )
        pixel = np.abs(flow["vx"].wcs.low_level_wcs.wcs.cdelt[:2]) * u.Mm / cadence
        means = [np.nanmean(flow[name].data[..., inner, inner], axis=(0, -2, -1)) for name in ("vx", "vy")]
        answers.append([np.atleast_1d(mean) / one.to_value(u.km / u.s) for mean, one in zip(means, pixel, strict=True)])
    return np.moveaxis(np.array(answers), (0, 1, 2), (2, 1, 0)) / shift


def _shifted(image: Array, displacement: Array) -> Array:
    """An image moved along columns, then rows, by its Fourier series."""
    up, along = (np.fft.fftfreq(length) for length in image.shape)
    turn = np.exp(-2j * np.pi * (displacement[0] * along + displacement[1] * up[:, np.newaxis]))
    return np.asarray(np.fft.ifft2(np.fft.fft2(image) * turn).real)
