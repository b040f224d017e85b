"""When the probability of an emergence rises most steeply."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

__all__ = ["SMOOTHING", "SPREAD", "Timing", "steepest_rise"]

Array = npt.NDArray[Any]

#: Percentiles of what the members of an ensemble tell that make the interval.
SPREAD = (5.0, 95.0)
#: Frames over which curves are smoothed, as the standard deviation of a Gaussian; chosen on simulated patches for the
#: embedded ensemble.
SMOOTHING = 4.0


class Timing(NamedTuple):
    """When something emerges, counted in frames.

    Parameters
    ----------
    frame : int
        At which the mean over the members rises most steeply.
    interval : tuple of float
        The 5th and the 95th percentile of the frames at which each member by itself does.
    """

    frame: int
    interval: tuple[float, float]


def steepest_rise(curves: Array, *, smoothing: float = SMOOTHING) -> Timing:
    """Find when the probability that flux has emerged rises most steeply.

    Parameters
    ----------
    curves : numpy.ndarray
        (frames, members): what each member says of the video of which all frames after this one are replaced by it.
    smoothing : float
        Standard deviation, in frames, of the Gaussian with which the curves are smoothed before, so that the time does
        not follow the noise of single frames; 0 as published.

    Returns
    -------
    Timing

    Raises
    ------
    ValueError
        If ``smoothing`` is negative or not finite.

    References
    ----------
    Chatterjee, Muñoz-Jaramillo & Lamb 2022, Nature Astronomy 6, 796, https://doi.org/10.1038/s41550-022-01701-3

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.emergence.timing import steepest_rise
    >>> frames = np.arange(225)[:, np.newaxis]
    >>> steepest_rise(1 / (1 + np.exp(([100, 104] - frames) / 3)))
    Timing(frame=102, interval=(100.2, 103.8))
    """
    if not 0 <= smoothing < np.inf:
        raise ValueError(f"smoothing: expected frames, 0 or more, got {smoothing}.")
    if smoothing:
        curves = gaussian_filter1d(curves, smoothing, axis=0, mode="nearest")
    mean = int(np.gradient(curves.mean(axis=1)).argmax())
    each = np.gradient(curves, axis=0).argmax(axis=0)
    low, high = np.percentile(each, SPREAD)
    return Timing(mean, (float(low), float(high)))
