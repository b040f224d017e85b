"""Flares put on images."""

import astropy.units as u
import numpy as np
import pytest
from scipy.ndimage import label

from sunpy_ml.simulation import halpha_scene, two_ribbon_flare

SCALE = 1.06 * u.arcsec / u.pix


def flared(image, seed=0, **keywords):
    return two_ribbon_flare(image, **{"scale": SCALE, "rng": np.random.default_rng(seed), **keywords})


@pytest.mark.parametrize("seed", range(6))
def test_ribbons_are_bright(seed):
    image, ribbons = flared(np.ones((256, 256)), seed)
    assert ribbons.any()
    assert image[ribbons].min() > 1.35
    assert 1.6 < image.max() < 7


@pytest.mark.parametrize("seed", range(6))
def test_far_from_the_flare_the_image_is_as_it_was(seed):
    before = halpha_scene("quiet", seed=seed).data
    image, ribbons = flared(before, seed, center=(40, 40))
    assert ribbons[:128, :128].any()
    assert np.array_equal(image[200:, 200:], before[200:, 200:])


def test_there_are_two_ribbons():
    counts = []
    for seed in range(12):
        _, ribbons = flared(np.ones((256, 256)), seed)
        pieces, number = label(ribbons, np.ones((3, 3)))
        sizes = np.sort(np.bincount(pieces.ravel())[1:])[::-1]
        counts.append(number >= 2 and sizes[1] > 0.15 * sizes[0])
    assert np.mean(counts) >= 0.7


def test_input_is_not_changed():
    before = halpha_scene("quiet", seed=1).data
    copy = before.copy()
    before.flags.writeable = False
    image, _ = flared(before)
    assert np.array_equal(before, copy)
    assert not np.shares_memory(image, before)


@pytest.mark.parametrize("level", [1e-3, 1.0, 3e4])
def test_works_at_any_level(level):
    reference, ribbons = flared(np.ones((128, 128)), 4)
    image, same = flared(np.full((128, 128), level), 4)
    assert np.allclose(image, level * reference)
    assert np.array_equal(same, ribbons)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("f4", "f4"), ("f8", "f8"), ("u1", "f4"), (">f4", "f4"), (">i2", "f4"), ("i4", "f8")],
)
def test_floating_type(dtype, expected):
    image, _ = flared(np.full((64, 64), 90, dtype))
    assert image.dtype == np.dtype(expected)
    assert image.max() > 120


def test_seeds():
    before = np.ones((128, 128))
    assert np.array_equal(flared(before, 7).image, flared(before, 7).image)
    assert not np.array_equal(flared(before, 7).image, flared(before, 8).image)


def test_center_moves_the_flare():
    before = np.ones((256, 256))
    first, second = flared(before, 3, center=(100, 120)), flared(before, 3, center=(130, 100))
    assert np.array_equal(np.roll(first.ribbons, (-20, 30), (0, 1)), second.ribbons)


def test_size_follows_the_scale():
    coarse = flared(np.ones((128, 128)), 5, scale=2 * u.arcsec / u.pix, center=(63.5, 63.5)).ribbons
    fine = flared(np.ones((512, 512)), 5, scale=0.5 * u.arcsec / u.pix, center=(255.5, 255.5)).ribbons
    assert np.sqrt(fine.sum() / coarse.sum()) == pytest.approx(4, rel=0.15)


def test_saturation():
    image, _ = flared(np.full((256, 256), 10.0), 1, saturation=1.5)
    assert image.max() == pytest.approx(15)
    assert (image == image.max()).sum() > 20


def test_missing_pixels_stay_missing():
    before = np.ones((128, 128))
    before[50:60] = np.nan
    image, _ = flared(before)
    assert np.array_equal(np.isnan(image), np.isnan(before))


def test_quiet_level_is_local():
    before = np.ones((600, 600))
    before[:, 300:] = 10
    assert flared(before, 2, center=(120, 300)).image[:, :300].max() < 7
    assert flared(before, 2, center=(480, 300)).image[:, 300:].max() > 16


@pytest.mark.parametrize(
    ("image", "keywords", "message"),
    [
        (np.ones(9), {}, r"image has shape \(9,\)"),
        (np.zeros((64, 64)), {}, "median of 0"),
        (-np.ones((64, 64)), {}, "median of -1"),
        (np.full((64, 64), np.nan), {}, "nothing finite"),
        (np.ones((64, 64)), {"center": (900, 900)}, r"center is \(900.0, 900.0\)"),
        (np.ones((64, 64)), {"saturation": 0.5}, "saturation is 0.5"),
        (np.ones((64, 64)), {"scale": 0 * u.arcsec / u.pix}, "scale is 0.0"),
    ],
)
def test_bad_values(image, keywords, message):
    with pytest.raises(ValueError, match=message):
        flared(image, **keywords)


def test_bad_units():
    with pytest.raises(u.UnitsError, match="scale"):
        flared(np.ones((64, 64)), scale=1 * u.m)
    with pytest.raises(TypeError, match="scale"):
        flared(np.ones((64, 64)), scale=1.0)
