"""Limb darkening: its profile, and where none is taken."""

import astropy.units as u
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from sunpy_ml import enhance_hmi
from sunpy_ml.enhancement.limb import fit_limb_darkening, without_limb_darkening
from sunpy_ml.observations import prepare
from sunpy_ml.optics import HMI, observe
from sunpy_ml.weights import get_card
from tests.maps import make_map

CARD = get_card("enhance-intensity")


def disk(shape=(200, 200), step=10.0, centre=(0.0, 0.0)):
    """A continuum map of nothing but limb darkening, and its profile."""
    y, x = ((np.arange(n) - (n - 1) / 2) * step + middle for n, middle in zip(shape, centre[::-1], strict=True))
    cosine = np.sqrt(np.clip(1 - (x**2 + y[:, None] ** 2) / 960.0**2, 0, None))
    profile = 0.35 + 0.9 * cosine - 0.25 * cosine**2
    data = np.where(cosine > 0, 50000 * profile, np.nan)
    header = {
        "cdelt1": step,
        "cdelt2": step,
        "crval1": centre[0],
        "crval2": centre[1],
        "dsun_obs": 6.957e8 / np.sin(960 / 206264.8),
    }
    return make_map(data, wavelnth=6173.0, bunit="DN / s", **header)


def test_the_whole_disk_becomes_flat():
    prepared = prepare(disk(), CARD)
    flat, level = without_limb_darkening(prepared, 2)
    assert level.shape == (400, 400)
    valid = ~prepared.mask
    # The finer level is that of the same places.
    means = level.reshape(200, 2, 200, 2).mean(axis=(1, 3))
    near_limb = means < 0.45 * means.max()
    np.testing.assert_allclose(flat[valid & ~near_limb], 1, atol=0.005)
    np.testing.assert_allclose(flat[valid], 1, atol=0.1)
    np.testing.assert_allclose((flat * means)[valid & ~near_limb], prepared.data[valid & ~near_limb], rtol=5e-3)
    # Hardly any light where nothing was observed.
    assert 0 < flat[0, 0] < 0.01


def test_a_field_at_the_limb_becomes_flat():
    prepared = prepare(disk((60, 60), 2.0, (700.0, 300.0)), CARD)
    assert np.ptp(prepared.data) > 0.1
    np.testing.assert_allclose(without_limb_darkening(prepared, 2)[0], 1, atol=0.02)


def test_spots_hardly_move_it():
    m = disk()
    spotted = m.data.copy()
    spotted[90:110, 60:80] *= 0.2
    clean, marred = (without_limb_darkening(prepare(type(m)(data, m.meta), CARD), 2)[1] for data in (m.data, spotted))
    np.testing.assert_allclose(marred, clean, rtol=0.01)


def test_a_small_field_needs_none():
    assert without_limb_darkening(prepare(disk((100, 100), 0.5), CARD), 2) is None


def test_other_grids_have_none():
    grid = {
        "ctype1": "CRLN-CEA",
        "ctype2": "CRLT-CEA",
        "cunit1": "deg",
        "cunit2": "deg",
        "cdelt1": 0.03,
        "cdelt2": 0.03,
    }
    assert without_limb_darkening(prepare(make_map(bunit="DN / s", crval1=100.0, crval2=10.0, **grid), CARD), 2) is None


def test_lazy_levels_are_the_same():
    da = pytest.importorskip("dask.array")
    m = disk()
    lazy = type(m)(da.from_array(m.data, chunks=(70, 90)), m.meta)
    found = without_limb_darkening(prepare(lazy, CARD), 2)
    for level, expected in zip(found, without_limb_darkening(prepare(m, CARD), 2), strict=True):
        assert isinstance(level, da.Array)
        # At the very limb the cosine is the difference of numbers that are almost equal.
        assert np.isclose(level.compute(), expected, rtol=1e-4).mean() > 0.999
    assert found[1].chunks == ((140, 140, 120), (180, 180, 40))


def test_nothing_valid_needs_none():
    assert fit_limb_darkening(np.full((5, 5), np.nan), np.full((5, 5), 0.5)) is None


def test_a_limb_whose_sky_is_missing_is_as_one_whose_sky_was_seen():
    step, radius, n = 0.126, 960.0, 640
    x = (np.arange(n) - (n - 1) / 2) * step
    distance = np.hypot(x + 950.0, x[:, None]) / radius
    cosine = np.sqrt(np.clip(1 - distance**2, 0, None))
    pattern = gaussian_filter(np.random.default_rng(0).normal(size=(n, n)), 4.0)
    light = (1 + 0.1 * pattern / pattern.std() * cosine) * (0.3 + 0.93 * cosine - 0.23 * cosine**2)
    fine = torch.from_numpy((light * np.clip((1 - distance) * radius / step + 0.5, 0, 1)).astype(np.float32))
    seen = 50000 * observe(fine, HMI, scale=step * u.arcsec / u.pix).numpy()
    header = {"cdelt1": 0.504, "cdelt2": 0.504, "crval1": 950.0, "crval2": 0.0, "wavelnth": 6173.0, "bunit": "DN / s"}
    header["dsun_obs"] = 6.957e8 / np.sin(radius / 206264.8)
    inside = distance.reshape(n // 4, 4, n // 4, 4).mean(axis=(1, 3)) < 1
    whole, cut = (enhance_hmi(make_map(data, **header)) for data in (seen, np.where(inside, seen, np.nan)))
    valid = ~cut.mask
    valid[:30] = valid[-30:] = False
    assert (cut.data[valid] > 0).all()
    assert np.std((cut.data - whole.data)[valid]) < 0.01 * 50000
    assert np.abs((cut.data - whole.data)[valid]).max() < 0.1 * 50000
