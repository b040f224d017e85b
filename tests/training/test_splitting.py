import itertools

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunpy_ml.training import split_by_date

FIRST = np.datetime64("2011-01-01")


@given(st.lists(st.integers(0, 200), min_size=1), st.integers(1, 10))
def test_parts_never_share_a_date_and_the_gap_holds(offsets, gap):
    days = FIRST + np.array(offsets) * np.timedelta64(1, "D")
    parts = split_by_date(days.astype(str), ["2011-03-01", "2011-05-01"], gap=gap * u.day)
    for earlier, later in itertools.combinations(range(3), 2):
        if (parts == earlier).any() and (parts == later).any():
            assert days[parts == later].min() - days[parts == earlier].max() >= np.timedelta64(gap, "D")
    assert set(parts) <= {-1, 0, 1, 2}


def test_the_time_of_day_does_not_split_a_date():
    parts = split_by_date(["2011-03-01T00:00", "2011-03-01T23:59", "2011-02-26T23:59"], ["2011-03-01T12:00"])
    assert parts.tolist() == [1, 1, 0]


def test_starts_out_of_order():
    with pytest.raises(ValueError, match="starts must be in rising order"):
        split_by_date(["2011-01-01"], ["2011-05-01", "2011-03-01"])


def test_the_gap_is_a_time():
    with pytest.raises(u.UnitsError):
        split_by_date(["2011-01-01"], ["2011-05-01"], gap=3 * u.m)
