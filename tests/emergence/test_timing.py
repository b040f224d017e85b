"""When the probability rises, and which frames belong to a window."""

import numpy as np
import pytest

from sunpy_ml.emergence.timing import steepest_rise
from sunpy_ml.emergence.windows import windows


def rising(*frames, width=3.0):
    return 1 / (1 + np.exp((np.array(frames) - np.arange(225)[:, np.newaxis]) / width))


def test_the_time_is_that_of_the_mean_and_the_interval_that_of_the_members():
    # The example of the published code.
    published = (94, 90, 89, 91, 93, 92, 93, 95, 98, 99)
    timing = steepest_rise(rising(*published))
    assert timing.frame == 93
    assert timing.interval == tuple(np.percentile(published, [5, 95]))


def test_a_member_that_is_not_impressed_moves_the_interval_and_not_the_time():
    curves = np.column_stack([rising(100, 101, 102), np.full(225, 0.1) + 0.001 * (np.arange(225) > 200)])
    timing = steepest_rise(curves)
    assert timing.frame == 101
    assert timing.interval[1] > 150


def test_without_smoothing_it_is_the_gradient_of_numpy_as_published():
    curves = np.random.default_rng(0).uniform(size=(225, 4))
    assert steepest_rise(curves, smoothing=0).frame == np.argmax(np.gradient(curves.mean(axis=1)))


def test_the_noise_of_single_frames_does_not_move_a_smoothed_time():
    errors = {8.0: [], 0.0: []}
    for seed in range(20):
        noise = 0.05 * np.random.default_rng(seed).normal(size=(225, 3))
        for smoothing, found in errors.items():
            found.append(abs(steepest_rise(rising(98, 100, 102, width=8.0) + noise, smoothing=smoothing).frame - 100))
    assert max(errors[8.0]) <= 3
    assert np.mean(errors[0.0]) > 15


@pytest.mark.parametrize("smoothing", [-1, np.nan, np.inf])
def test_a_smoothing_that_cannot_be(smoothing):
    with pytest.raises(ValueError, match="smoothing: expected frames, 0 or more, got"):
        steepest_rise(rising(100), smoothing=smoothing)


def test_one_window_where_all_is_in_it():
    assert windows(np.arange(225) * 5760.0, 225 * 5760.0, 1.0) == [slice(0, 225)]


@pytest.mark.parametrize("days", [15.01, 20, 27.3, 60])
def test_windows_cover_all_frames_and_overlap(days):
    seconds = np.sort(np.random.default_rng(3).uniform(0, days * 86400, 700))
    seconds[[0, -1]] = 0, days * 86400
    length, step = 15 * 86400.0, 6 * 86400.0
    found = windows(seconds, length, step)
    assert len(found) >= 2
    seen = np.concatenate([np.arange(700)[cut] for cut in found])
    assert set(seen) == set(range(700))
    starts = seconds[[cut.start for cut in found]]
    assert (np.diff(starts) > 0).all()
    assert np.diff(starts).max() < step + 0.5 * 86400
    for cut in found:
        assert seconds[cut][-1] - seconds[cut][0] < length


def test_a_long_gap_makes_no_window_without_frames():
    seconds = np.concatenate([np.arange(50.0), 500 + np.arange(50.0)])
    found = windows(seconds, 20, 5)
    assert all(cut.stop > cut.start for cut in found)
    assert len(set(map(str, found))) == len(found)
