import itertools

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunpy_ml.training import every_tenth, last_dates, split_by_date

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


def test_the_authors_split_takes_every_tenth_of_each_class():
    labels = np.array([0] * 21 + [1] * 10)
    training, validation = every_tenth(labels)
    assert validation.tolist() == [0, 10, 20, 21]
    assert sorted([*training, *validation]) == list(range(31))


def test_our_split_takes_the_last_dates():
    days = np.datetime64("2014-01-01") + np.arange(40)
    dates = [f"{day}T12:00:00" for day in np.repeat(days, 5)]
    order = np.random.default_rng(0).permutation(200)
    training, validation = last_dates([dates[index] for index in order])
    chosen = np.array(dates)[order].astype("M8[s]")
    assert len(validation) == 20
    assert chosen[validation].min().astype("M8[D]") - chosen[training].max().astype("M8[D]") >= np.timedelta64(3, "D")


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (["2014-01-01", ""], "1 images have no date; choose 'every-tenth'"),
        (["2014-01-01"] * 5, "cannot be parted with 3 days between"),
        (["2014-01-01", "2014-01-02"], "cannot be parted with 3 days between"),
    ],
)
def test_dates_that_cannot_be_parted(dates, message):
    with pytest.raises(ValueError, match=message):
        last_dates(dates)
