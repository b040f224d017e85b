"""Maps through another telescope: the header tells where everything is."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import StdDevUncertainty

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.optics import HMI, IDEAL_28CM, MDI, Padding, degrade
from tests.maps import make_map, rotated_header

STEP = u.arcsec / u.pix


def fine_map(data=None, scale=0.12, **header):
    data = np.ones((120, 160)) if data is None else data
    return make_map(data, **{"cdelt1": scale, "cdelt2": scale, **header})


def blob(shape, row, column, width=6.0):
    y, x = np.indices(shape)
    return 1 + np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))


def centroid(data):
    weights = data - np.median(data)
    weights = np.where(weights > 0.05 * weights.max(), weights, 0)
    y, x = np.indices(data.shape)
    return np.sum(weights * x) / weights.sum(), np.sum(weights * y) / weights.sum()


@pytest.mark.parametrize("form", ["crota", "pc", "cd"])
@pytest.mark.parametrize("phase", [(0.0, 0.0), (0.4, 0.7)])
@pytest.mark.parametrize("pixel", [0.504, 0.36, 0.25])
def test_a_feature_stays_where_it_is_on_the_sun(form, phase, pixel):
    header = rotated_header(17.0, form, cdelt=(0.12, 0.12))
    m = make_map(blob((120, 160), 55.3, 88.8), **header)
    seen = degrade(m, IDEAL_28CM, pixel=pixel * STEP, phase=phase)
    before = m.pixel_to_world(88.8 * u.pix, 55.3 * u.pix)
    x, y = centroid(seen.data)
    after = seen.pixel_to_world(x * u.pix, y * u.pix)
    assert before.separation(after) < 0.02 * u.arcsec
    steps = np.hypot(*seen.wcs.pixel_scale_matrix) * 3600
    np.testing.assert_allclose(steps, pixel, rtol=1e-9)


@pytest.mark.parametrize("form", ["crota", "pc", "cd"])
def test_the_first_corner_is_the_same(form):
    m = make_map(np.ones((101, 77)), **rotated_header(-40.0, form, cdelt=(0.1, 0.1)))
    seen = degrade(m)
    assert seen.data.shape == (20, 15)
    corner = [wcs.pixel_to_world(-0.5, -0.5) for wcs in (m.wcs, seen.wcs)]
    assert corner[0].separation(corner[1]) < 1e-6 * u.arcsec
    # And so is where the new field ends: 20 pixels of 0.504 arcsec are 100.8 of 0.1.
    end = m.wcs.pixel_to_world(15 * 5.04 - 0.5, 20 * 5.04 - 0.5), seen.wcs.pixel_to_world(14.5, 19.5)
    assert end[0].separation(end[1]) < 1e-6 * u.arcsec


def test_what_a_header_leaves_out_stays_true():
    m = fine_map(blob((100, 101), 40, 60), crpix1=None, crpix2=None)
    seen = degrade(m)
    before, after = m.wcs.pixel_to_world(-0.5, -0.5), seen.wcs.pixel_to_world(-0.5, -0.5)
    assert before.separation(after) < 1e-6 * u.arcsec


def test_the_map_keeps_what_it_is():
    data = blob((120, 160), 50, 60) * 1000
    m = fine_map(data, uncertainty=StdDevUncertainty(np.ones(data.shape)), mask=np.zeros(data.shape, bool))
    meta, copied = dict(m.meta), data.copy()
    seen = degrade(m)
    assert type(seen) is type(m)
    assert seen.unit == m.unit
    assert seen.data.dtype == np.float32
    assert seen.date == m.date
    assert seen.uncertainty is None
    assert seen.meta["naxis1"] == seen.data.shape[1] if "naxis1" in meta else True
    assert "as seen by SDO/HMI" in seen.meta["history"]
    assert seen.mask is not None
    assert not seen.mask.any()
    assert dict(m.meta) == meta
    np.testing.assert_array_equal(m.data, copied)
    assert seen.data.std() < data.std()


def test_equal_pixels_lose_their_uncertainty_all_the_same():
    m = fine_map(scale=0.504, uncertainty=StdDevUncertainty(np.ones((120, 160))))
    seen = degrade(m)
    assert seen.data.shape == (120, 160)
    assert seen.uncertainty is None


def test_gaps_are_filled_and_masked():
    data = np.full((120, 160), 5.0)
    mask = np.zeros(data.shape, bool)
    data[30:34, 40:44] = np.nan
    mask[90, 100] = True
    data[90, 100] = 1e6
    seen = degrade(fine_map(data, mask=mask), pixel=0.48 * STEP)
    np.testing.assert_allclose(seen.data, 5, rtol=1e-5)
    rows, columns = np.nonzero(seen.mask)
    # Four by four fine pixels: rows 30 to 33 touch two new ones, columns 40 to 43 just one.
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {(7, 10), (8, 10), (22, 25)}
    assert degrade(fine_map()).mask is None


def test_the_sky_is_dark_beyond_the_limb():
    y, x = np.indices((200, 200))
    disk = np.hypot(x - 99.5, y - 99.5) * 10 < 950
    m = make_map(np.where(disk, 1.0, np.nan), cdelt1=10.0, cdelt2=10.0, crval1=0.0, crval2=0.0)
    seen = degrade(m, MDI, pixel=20 * STEP)
    assert seen.mask[0, 0]
    assert seen.data[0, 0] == pytest.approx(0, abs=0.01)
    assert seen.data[50, 50] == pytest.approx(1, abs=0.01)


def test_a_heliographic_degree_is_a_length():
    header = {"ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg"}
    m = make_map(
        np.ones((100, 100)), crval1=10.0, crval2=5.0, cdelt1=0.01, cdelt2=0.01, crln_obs=10.0, crlt_obs=0.0, **header
    )
    # 0.01 degrees are 121 km, 0.17 arcsec.
    seen = degrade(m)
    assert seen.data.shape == (33, 33)
    assert seen.meta["cdelt1"] == pytest.approx(0.01 * 0.504 / 0.1681, rel=2e-3)


def test_noise_has_the_unit_of_the_map_or_is_a_share():
    m = fine_map(np.full((600, 600), 2000.0))
    quiet = degrade(m).data
    assert quiet.std() < 1e-2
    share = degrade(m, noise=1 * u.percent).data - quiet
    assert share.std() == pytest.approx(20, rel=0.03)
    absolute = degrade(m, noise=3 * u.DN).data - quiet
    assert absolute.std() == pytest.approx(3, rel=0.03)
    photons = degrade(m, photons=1e4).data - quiet
    assert photons.std() == pytest.approx(20, rel=0.03)
    np.testing.assert_array_equal(degrade(m, photons=1e4, seed=5).data, degrade(m, photons=1e4, seed=5).data)
    assert (degrade(m, photons=1e4, seed=5).data != degrade(m, photons=1e4, seed=6).data).any()
    with pytest.raises(u.UnitsError, match=r"noise: got 3\.0 m"):
        degrade(m, noise=3 * u.m)


def test_seen_twice_is_seen_once():
    generator = np.random.default_rng(0)
    rough = generator.normal(1, 0.2, (480, 480))
    m = fine_map(rough, scale=0.063)
    fine = degrade(m, IDEAL_28CM, padding="periodic")
    again = degrade(fine, source=IDEAL_28CM, source_integrated=True, padding="periodic")
    direct = degrade(m, padding="periodic")
    np.testing.assert_allclose(again.data, direct.data, atol=2e-5)
    assert "from an image by ideal 28 cm telescope" in again.meta["history"]
    assert again.wcs.pixel_to_world(3, 4).separation(direct.wcs.pixel_to_world(3, 4)) < 1e-6 * u.arcsec


def test_padding_can_be_chosen():
    bright = fine_map(np.full((120, 160), 3.0))
    dark_beyond = degrade(bright, padding=Padding("level", 200, level=0.0))
    assert dark_beyond.data[0, 0] < 0.5 * dark_beyond.data[14, 19]
    np.testing.assert_allclose(degrade(bright).data, 3, rtol=1e-5)


def test_big_endian_and_whole_numbers_are_read():
    data = np.full((100, 100), 7)
    np.testing.assert_allclose(degrade(fine_map(data.astype(">f4"))).data, 7, rtol=1e-5)
    np.testing.assert_allclose(degrade(fine_map(data.astype("int16"))).data, 7, rtol=1e-5)


def test_what_cannot_be_is_refused():
    with pytest.raises(ObservationError, match=r"plate scale is 1 arcsec / pix, coarser than the 0.504.*SDO/HMI"):
        degrade(make_map())
    with pytest.raises(ObservationError, match="none of its 19200 pixels"):
        degrade(fine_map(np.full((120, 160), np.nan)))
    with pytest.raises(ObservationError, match="expected a sunpy Map"):
        degrade(np.ones((20, 20)))
    with pytest.raises(ValueError, match="source: SDO/HMI passes nothing"):
        degrade(fine_map(), IDEAL_28CM, source=HMI)
    with pytest.raises(u.UnitsError, match="pixel"):
        degrade(fine_map(), pixel=1 * u.arcsec)


def test_the_pointing_is_a_coordinate():
    seen = degrade(fine_map())
    assert isinstance(seen.center, SkyCoord)
    assert u.isclose(seen.scale.axis1, HMI.pixel, rtol=1e-12)
