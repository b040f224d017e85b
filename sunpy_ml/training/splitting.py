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

__all__ = ["split_by_date"]


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
