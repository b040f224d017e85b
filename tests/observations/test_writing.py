"""FITS files that give a Map back."""

import numpy as np
import pytest
from astropy.io import fits

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import as_map, new_map, weights_history, write_map
from sunpy_ml.version import version
from sunpy_ml.weights import get_card
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


def test_what_describes_the_old_file_is_left_out(tmp_path):
    data = np.random.default_rng(0).normal(100, 30, (20, 31)).astype(np.float32)
    old = fits.CompImageHDU(data, make_map(data).fits_header, name="OLD", compression_type="RICE_1", quantize_level=16)
    fits.HDUList([fits.PrimaryHDU(), old]).writeto(tmp_path / "old.fits", checksum=True)
    with fits.open(tmp_path / "old.fits", disable_image_compression=True) as hdus:
        stale = {key.lower(): value for key, value in hdus[1].header.items() if key not in ("HISTORY", "COMMENT")}
    assert {"checksum", "datasum", "extname", "zcmptype"} <= stale.keys()
    stale |= {"zquantiz": "NO_DITHER", "zdither0": 1, "zhecksum": "x", "zdatasum": "1", "headsum": "x"}
    m = make_map(data, **(stale | {"naxis": 2, "naxis1": 31, "naxis2": 20, "zenith": 3.0}))
    write_map(m, tmp_path / "new.fits")
    with fits.open(tmp_path / "new.fits", checksum=True) as hdus:
        assert not {"CHECKSUM", "DATASUM", "HEADSUM", "ZQUANTIZ"} & set(hdus[1].header)
        assert hdus[1].header.get("EXTNAME") != "OLD"
        assert hdus[1].header["ZENITH"] == 3.0
        np.testing.assert_array_equal(hdus[1].data, data)
    with fits.open(tmp_path / "new.fits", disable_image_compression=True) as hdus:
        assert hdus[1].header["ZCMPTYPE"] == "GZIP_2"
        assert not {"ZHECKSUM", "ZDATASUM", "ZDITHER0"} & set(hdus[1].header)


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


def test_the_sum_of_the_weights_is_a_line_of_its_own(tmp_path):
    card, m = get_card("hmi-continuum"), make_map(np.ones((4, 5), np.float32), history="taken\nflattened")
    write_map(new_map(m, m.data, history=weights_history(card)), tmp_path / "map.fits")
    lines = [f"sunpy_ml {version}: weights {card.name}", f"SHA-256 {card.file.sha256}"]
    with fits.open(tmp_path / "map.fits") as hdus:
        assert list(hdus[1].header["HISTORY"]) == ["taken", "flattened", *lines]
    assert as_map(tmp_path / "map.fits").meta["history"].splitlines()[-2:] == lines
