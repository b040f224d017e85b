"""Splitting by blocks of dates, so that a test never shows a region that was trained on.

The Sun changes slowly: the same active region returns on neighbouring days and in neighbouring patches. A split
by file or by patch therefore leaks, and its score tells little about other days.
"""

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from sunpy.time import parse_time

__all__ = ["every_tenth", "last_dates", "split_by_date"]

_Indices = npt.NDArray[np.intp]


@u.quantity_input
def split_by_date(dates: Any, starts: Sequence[Any], *, gap: u.Quantity[u.day] = 3 * u.day) -> npt.NDArray[np.int64]:
    """The part, counted from 0, that each date belongs to; -1 for dates left out.

    Parameters
    ----------
    dates : time-like
        Times of the observations, as `sunpy.time.parse_time` reads them; in any order.
    starts : sequence of time-like
        First day of the second part, of the third, and so on, in rising order.
    gap : `~astropy.units.Quantity`, optional
        The least distance of days between two parts. Dates of the earlier part that are nearer to the start of
        the later one are left out.

    Returns
    -------
    numpy.ndarray
        One integer for each date.

    Examples
    --------
    >>> from sunpy_ml.training import split_by_date
    >>> dates = ["2011-05-09T12:13", "2011-05-16T23:00", "2011-05-17T16:49"]
    >>> split_by_date(dates, ["2011-05-17"])
    array([ 0, -1,  1])
    """
    days = np.floor(parse_time(list(dates)).mjd)
    first_days = np.floor(parse_time(list(starts)).mjd)
    if np.any(np.diff(first_days) <= 0):
        raise ValueError(f"starts must be in rising order, but they are {list(starts)}; sort them.")
    parts = np.searchsorted(first_days, days, side="right")
    next_start = np.append(first_days, np.inf)[parts]
    return np.where(next_start - days < gap.to_value(u.day), -1, parts)


def last_dates(dates: Sequence[str], share: float = 0.1) -> tuple[_Indices, _Indices]:
    """Indices for training and validation: about a ``share`` of the images, the last, with 3 days between.

    Parameters
    ----------
    dates : sequence of str
        ISO dates, in any order.
    share : float, optional
        Of the images, for validation; as near to it as whole days allow.

    Raises
    ------
    ValueError
        If a date is not known, or the dates do not reach over enough days to part them.

    Examples
    --------
    >>> from sunpy_ml.training import last_dates
    >>> last_dates(["2011-05-16", "2011-05-09", "2011-05-12"], share=0.3)
    (array([1, 2]), array([0]))
    """
    if not all(dates):
        raise ValueError(f"split: {sum(not date for date in dates)} images have no date; choose 'every-tenth'.")
    days = [date[:10] for date in dates]
    best: tuple[float, _Indices, _Indices] | None = None
    for start in sorted(set(days))[1:]:
        parts = split_by_date(days, [start])
        before, after = np.flatnonzero(parts == 0), np.flatnonzero(parts == 1)
        distance = abs(len(after) / len(days) - share)
        if len(before) and (best is None or distance < best[0]):
            best = distance, before, after
    if best is None:
        raise ValueError(
            f"split: the dates, from {min(days)} to {max(days)}, cannot be parted with 3 days between; give images of "
            "more days, or choose 'every-tenth', whose score leaks."
        )
    return best[1], best[2]


def every_tenth(labels: npt.NDArray[Any]) -> tuple[_Indices, _Indices]:
    """Indices for training and validation as Slic's authors chose them: every tenth of each sorted class validates.

    Neighbouring frames of one sequence end up in both, so the score on the second is too good.

    Parameters
    ----------
    labels : numpy.ndarray
        (N,) of observations that are sorted within each class.

    References
    ----------
    Armstrong & Fletcher 2019, Solar Physics 294, 80, https://doi.org/10.1007/s11207-019-1473-z

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.training import every_tenth
    >>> every_tenth(np.array([0] * 11 + [1]))[1]
    array([ 0, 10, 11])
    """
    validates = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        validates[np.flatnonzero(labels == label)[::10]] = True
    return np.flatnonzero(~validates), np.flatnonzero(validates)
