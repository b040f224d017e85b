"""Windows of a patch that was followed for longer than a video lasts."""

import math

import numpy as np
import numpy.typing as npt

__all__ = ["windows"]


def windows(seconds: npt.NDArray[np.float64], length: float, step: float) -> list[slice]:
    """Frames that belong to each window; the windows begin at most a step apart and cover all.

    Parameters
    ----------
    seconds : numpy.ndarray
        Of each frame, rising, the first 0.
    length, step : float
        Of a window, and from the beginning of one to the next, in seconds; a longer step than a window would leave
        frames out, so that it is that of a window.

    Returns
    -------
    list of slice
        One, where all frames are within the length.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.emergence.windows import windows
    >>> windows(np.arange(10.0), length=5, step=4)
    [slice(0, 5, None), slice(3, 8, None), slice(5, 10, None)]
    """
    # A frame at the very end of a window is one of the next.
    beyond = seconds[-1] - length
    if beyond < 0:
        return [slice(0, len(seconds))]
    latest = seconds[np.searchsorted(seconds, beyond, side="right")]
    starts = np.linspace(0, latest, 1 + max(1, math.ceil(latest / min(step, length))))
    firsts, stops = np.searchsorted(seconds, starts), np.searchsorted(seconds, starts + length)
    # Rounding must not leave out a frame at the border of two windows.
    stops = np.maximum(stops, [*firsts[1:], len(seconds)])
    cuts = zip(firsts.tolist(), stops.tolist(), strict=True)
    # Where a gap is longer than a step, several windows hold the same frames, or none.
    return [slice(first, last) for first, last in dict.fromkeys(cuts) if first < last]
