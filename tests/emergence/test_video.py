"""The video of a patch, against a plain loop over its pixels."""

import numpy as np
import pytest
from scipy import ndimage

from sunpy_ml.emergence.video import CADENCE, FRAMES, held_start, shown_frames, video


def plain_video(field, seconds, frames):
    """Frame by frame and pixel by pixel."""
    images = np.full((frames, *field.shape[1:]), np.nan)
    for number in np.argsort(seconds, kind="stable"):
        image, index = field[number].astype(float), int(seconds[number] / CADENCE)
        if index >= frames or not np.isfinite(image).any():
            continue
        regions, _ = ndimage.label(~np.isfinite(image))
        for corner in (regions[0, 0], regions[0, -1], regions[-1, 0], regions[-1, -1]):
            if corner:
                image[regions == corner] = 0
        images[index] = np.clip(0.5 * (1 + image / 1000), 0, 1)
    for row, column in np.ndindex(field.shape[1:]):
        series = images[:, row, column]
        known = np.isfinite(series)
        images[:, row, column] = (
            np.interp(np.arange(frames), np.flatnonzero(known), series[known]) if known.any() else 0.5
        )
    return images


def observed(rng, frames=40, side=12):
    """Frames at uneven times with holes, a limb, missing frames, and several at one place."""
    field = rng.normal(0, 600, (frames, side, side))
    seconds = np.sort(rng.uniform(0, 25 * CADENCE, frames))
    field[rng.uniform(size=field.shape) < 0.05] = np.nan
    for number in range(10):
        field[number, :, : side - number] = np.nan
    field[rng.uniform(size=frames) < 0.2] = np.nan
    return field, seconds


@pytest.mark.parametrize("seed", range(4))
def test_video_is_that_of_a_plain_loop(seed):
    field, seconds = observed(np.random.default_rng(seed))
    given = field.copy()
    images = video(field, seconds, frames=30)
    assert images.dtype == np.float32
    assert np.allclose(images, plain_video(field, seconds, 30), atol=1e-6)
    assert np.array_equal(field, given, equal_nan=True)
    # Frames in another order, and in the byte order of FITS, are the same frames.
    order = np.random.default_rng(seed).permutation(len(field))
    assert np.array_equal(
        video(field[order].astype(">f4"), seconds[order], frames=30), video(field.astype("f4"), seconds, frames=30)
    )


def test_the_shape_is_the_published_one():
    images = video(np.zeros((3, 90, 90)), np.array([0, 5, 14]) * 86400.0)
    assert images.shape == (FRAMES, 90, 90) == (225, 90, 90)
    assert np.all(images == 0.5)


def test_field_is_scaled_and_clipped():
    field = np.array([-3000, -1000, -250, 0, 500, 1000, 2000.0]).reshape(1, 1, 7)
    assert video(field, np.zeros(1), frames=1)[0, 0].tolist() == [0, 0, 0.375, 0.5, 0.75, 1, 1]


def test_reversed_polarity_is_one_minus_the_video():
    field, seconds = observed(np.random.default_rng(5))
    assert np.allclose(video(-field, seconds), 1 - video(field, seconds), atol=1e-6)


def test_of_frames_at_one_place_the_latest_that_shows_anything_stays():
    field = np.array([100, 200, 300, np.nan])[:, np.newaxis, np.newaxis] * np.ones((2, 2))
    seconds = np.array([0, CADENCE - 2, CADENCE, 2 * CADENCE - 1])
    assert video(field, seconds, frames=2)[:, 0, 0] == pytest.approx([0.6, 0.65])
    assert shown_frames(seconds, np.array([True, True, True, False]), frames=2).tolist() == [1, 2]


def test_frames_after_the_last_place_are_left_out():
    field = np.array([100, 900])[:, np.newaxis, np.newaxis] * np.ones((2, 2))
    assert np.all(video(field, np.array([0, 3 * CADENCE]), frames=3) == np.float32(0.55))


def test_beyond_the_limb_there_is_no_field_and_holes_are_interpolated():
    field = np.full((3, 5, 5), 400.0)
    field[1, :2, :2] = field[1, 3, 3] = np.nan
    # This one touches the corner only diagonally.
    field[1, 2, 2] = np.nan
    images = video(field, np.arange(3) * CADENCE, frames=3)
    assert np.all(images[1, :2, :2] == 0.5)
    assert images[1, 3, 3] == images[1, 2, 2] == np.float32(0.7)
    assert np.all(images[[0, 2]] == np.float32(0.7))


def test_saturated_negative_field_at_a_corner_stays():
    field = np.zeros((1, 5, 5))
    field[0, :2, :2] = -1500
    assert np.all(video(field, np.zeros(1), frames=1)[0, :2, :2] == 0)


def test_what_is_never_known_has_no_field():
    field = np.full((2, 5, 5), 400.0)
    field[:, 2, 2] = np.nan
    assert np.all(video(field, np.array([0, CADENCE]), frames=3)[:, 2, 2] == 0.5)


def test_held_start_replaces_what_comes_before():
    images = np.random.default_rng(0).uniform(size=(2, 40, 3, 3))
    held = held_start(images)
    assert np.array_equal(held[:, 30:], images[:, 30:])
    assert np.array_equal(held[:, :30], np.repeat(images[:, 30:31], 30, axis=1))


@pytest.mark.parametrize(
    ("field", "seconds", "message"),
    [
        (np.zeros((3, 4)), np.zeros(3), r"field: expected \(time, latitude, longitude\)"),
        (np.zeros((3, 4, 4)), np.zeros(2), r"field: .* and a time each"),
        (np.zeros((2, 4, 4)), np.array([-1.0, 0]), "seconds: expected finite numbers from 0 on"),
        (np.zeros((2, 4, 4)), np.array([0, np.nan]), "seconds: expected finite"),
        (np.full((2, 4, 4), np.nan), np.arange(2.0), "field: none of its frames shows anything"),
        (np.zeros((1, 4, 4)), np.array([16 * 86400.0]), "field: none of its frames shows anything"),
    ],
)
def test_errors_name_the_argument(field, seconds, message):
    with pytest.raises(ValueError, match=message):
        video(field, seconds)
