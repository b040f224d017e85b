"""FITS files that give a Map back."""

import numpy as np
import pytest
from astropy.io import fits

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import as_map, new_map, write_map
from tests.maps import corners_and_centre, make_map, rotated_header


@pytest.mark.parametrize("dtype", [">f4", "f4", "f8", ">i2", "u1"])
@pytest.mark.parametrize("form", ["crota", "pc", "cd"])
def test_what_is_read_is_what_was_written(tmp_path, dtype, form):
    data = np.random.default_rng(0).normal(100, 30, (20, 31)).clip(0, 255).astype(dtype)
    m = make_map(data, history="first line\nsecond line", **rotated_header(12.0, form, (0.5, 0.6)))
    write_map(m, tmp_path / "map.fits")
    found = as_map(tmp_path / "map.fits")
    np.testing.assert_array_equal(found.data, data)
    assert found.data.dtype.kind == data.dtype.kind
    assert found.unit == m.unit
    assert "second line" in str(found.meta["history"])
    np.testing.assert_allclose(
        corners_and_centre(found.wcs, data.shape), corners_and_centre(m.wcs, data.shape), rtol=0, atol=1e-6
    )


def test_masked_pixels_are_nan_and_what_fits_cannot_hold_is_left(tmp_path):
    mask = np.zeros((20, 30), bool)
    mask[2, 3] = True
    data = np.ones((20, 30), np.float32)
    m = make_map(data, mask=mask)
    m.meta["consistency"] = new_map(m, data)
    write_map(m, tmp_path / "map.fits.fz")
    found = as_map(tmp_path / "map.fits.fz")
    assert np.isnan(found.data[2, 3])
    assert np.isfinite(found.data).sum() == 599
    assert "consistency" not in found.meta
    assert np.isfinite(m.data).all()
    with fits.open(tmp_path / "map.fits.fz") as hdus:
        assert isinstance(hdus[1], fits.CompImageHDU)


def test_nothing_is_replaced_unasked(tmp_path):
    path = tmp_path / "map.fits"
    write_map(make_map(np.ones((4, 5), np.float32)), path)
    with pytest.raises(ObservationError, match="say overwrite=True"):
        write_map(make_map(), path)
    write_map(make_map(np.zeros((4, 5), np.float32)), path, overwrite=True)
    assert as_map(path).data.max() == 0
    with pytest.raises(ObservationError, match="must end in"):
        write_map(make_map(), tmp_path / "map.png")
    with pytest.raises(ObservationError, match="int64 has not"):
        write_map(make_map(np.ones((4, 5), np.int64), mask=np.ones((4, 5), bool)), tmp_path / "integers.fits")
