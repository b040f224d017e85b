"""What the networks see: a patch as a video of as many frames as they were trained on, without gaps."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["CADENCE", "FRAMES", "SIDE", "UNSEEN", "held_start", "shown_frames", "video"]

#: Frames of a video, seconds from one to the next (those of MDI), and the rows and columns of each.
FRAMES, CADENCE, SIDE = 225, 5760.0, 90
#: The first frames, in which nothing is told to emerge.
UNSEEN = 30
# Field that becomes 1, in gauss; the opposite becomes 0.
_LARGEST = 1000.0
_NO_FIELD = 0.5

Array = npt.NDArray[Any]


def video(field: Array, seconds: Array, *, frames: int = FRAMES, cadence: float = CADENCE) -> npt.NDArray[np.float32]:
    """Put the frames of a patch on a regular grid of times, scale them to 0..1 and fill what is missing.

    Parameters
    ----------
    field : numpy.ndarray
        (time, latitude, longitude) in gauss, not finite where it is unknown.
    seconds : numpy.ndarray
        Of each frame, from 0 on, in any order. A frame is the one of index ``int(seconds / cadence)``; of several with
        one index the latest that shows anything stays, and what comes after the last index is left out.
    frames, cadence : optional
        Of the video.

    Returns
    -------
    numpy.ndarray
        (frames, latitude, longitude), float32: 0.5 without field, 0 and 1 at -1000 and 1000 G and beyond.

    Raises
    ------
    ValueError
        If the shapes do not fit together, a time is before 0 or not finite, or no frame shows anything.

    Notes
    -----
    What is unknown and connected with a corner of a frame that shows anything is beyond the limb, and has no field. All
    else that is unknown, such as a missing frame, is interpolated over time, pixel by pixel; what is before the first
    known value is that one, and what is after the last known one is that. The published code knows missing pixels
    by their zeros only, and so takes saturated negative field at a corner for missing as well; this does not.

    References
    ----------
    Chatterjee, Muñoz-Jaramillo & Lamb 2022, Nature Astronomy 6, 796, https://doi.org/10.1038/s41550-022-01701-3

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.emergence.video import video
    >>> field = np.stack([np.full((2, 2), gauss) for gauss in (-100, 200)])
    >>> video(field, np.array([0, 3 * 5760]), frames=5)[:, 0, 0]
    array([0.45, 0.5 , 0.55, 0.6 , 0.6 ], dtype=float32)
    """
    field, seconds = np.asarray(field), np.asarray(seconds, dtype=float)
    if field.ndim != 3 or seconds.shape != field.shape[:1]:
        raise ValueError(
            f"field: expected (time, latitude, longitude) and a time each, got {field.shape}, {seconds.shape}."
        )
    if not (np.isfinite(seconds).all() and (seconds >= 0).all()):
        raise ValueError("seconds: expected finite numbers from 0 on, counted from the first frame.")
    known = np.isfinite(field)
    shows = np.asarray(known.any(axis=(1, 2)))
    chosen = shown_frames(seconds, shows, frames=frames, cadence=cadence)
    if (chosen < 0).all():
        raise ValueError("field: none of its frames shows anything.")
    there = chosen >= 0
    images = np.full((frames, *field.shape[1:]), np.nan, np.float32)
    images[there] = np.where(known[chosen[there]], field[chosen[there]], np.nan)
    images /= 2 * _LARGEST
    images += _NO_FIELD
    np.clip(images, 0, 1, out=images)
    images[there] = _without_corners(images[there])
    _interpolate(images)
    return images


def shown_frames(
    seconds: Array, shows: Array, *, frames: int = FRAMES, cadence: float = CADENCE
) -> npt.NDArray[np.int_]:
    """Which frame of a patch is at each place of the video, -1 where none is.

    Parameters
    ----------
    seconds : numpy.ndarray
        Of each frame, from 0 on, in any order.
    shows : numpy.ndarray
        Whether it shows anything.
    frames, cadence : optional
        Of the video.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.emergence.video import shown_frames
    >>> shown_frames(np.array([0, 720, 11520]), np.ones(3, dtype=bool), frames=4)
    array([ 1, -1,  2, -1])
    """
    index = (seconds / cadence).astype(int)
    used = np.flatnonzero(shows & (index < frames))
    # Assignment in the order of time lets the latest stay.
    used = used[np.argsort(seconds[used], kind="stable")]
    chosen = np.full(frames, -1)
    chosen[index[used]] = used
    return chosen


def held_start(images: Array, frame: int = UNSEEN) -> Array:
    """Replace the frames before one by it, (..., time, latitude, longitude): there nothing can emerge.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.emergence.video import held_start
    >>> held_start(np.arange(5.0).reshape(5, 1, 1), 2)[:, 0, 0]
    array([2., 2., 2., 3., 4.])
    """
    images = images.copy()
    images[..., :frame, :, :] = images[..., frame : frame + 1, :, :]
    return images


def _without_corners(images: Array) -> Array:
    """Set what is unknown and connected with a corner of its frame to no field."""
    unknown = np.isnan(images)
    if not unknown.any():
        return images
    # Regions are connected within a frame only.
    regions, _ = ndimage.label(
        unknown, np.stack([np.zeros((3, 3)), ndimage.generate_binary_structure(2, 1), np.zeros((3, 3))])
    )
    outside = np.unique(regions[:, [0, 0, -1, -1], [0, -1, 0, -1]])
    return np.where(unknown & np.isin(regions, outside), np.float32(_NO_FIELD), images)


def _interpolate(images: Array) -> None:
    """Fill what is unknown, in place: linearly between the nearest known frames, or as the one there is."""
    series = images.reshape(len(images), -1)
    known = np.isfinite(series)
    number = np.arange(len(series), dtype=np.int16)[:, np.newaxis]
    before = np.maximum.accumulate(np.where(known, number, np.int16(-1)))
    after = np.minimum.accumulate(np.where(known, number, np.int16(len(series)))[::-1])[::-1]
    frame, pixel = np.nonzero(~known)
    first, last = before[frame, pixel], after[frame, pixel]
    first, last = np.where(first < 0, last, first), np.where(last == len(series), first, last)
    # A pixel that is never known refers to a frame outside on both sides.
    never = (first < 0) | (first == len(series))
    first, last = np.where(never, 0, first), np.where(never, 0, last)
    part = np.where(last > first, (frame - first) / np.maximum(last - first, 1), 0).astype(np.float32)
    filled = series[first, pixel] * (1 - part) + series[last, pixel] * part
    series[frame, pixel] = np.where(never, np.float32(_NO_FIELD), filled)
