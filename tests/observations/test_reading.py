"""What a user may call an observation, and what its header tells."""

import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from ndcube import NDCube

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import (
    as_map,
    celestial_wcs,
    iterate_observations,
    observation_facts,
    observation_time,
    observed_wavelength,
    plate_scale,
    self_contained,
    source_name,
)
from sunpy_ml.observations.unwrapping import fits_wcs
from sunpy_ml.simulation.motion import moving_granulation
from tests.maps import corners_and_centre, make_map, random_image, rotated_header


@pytest.mark.parametrize(
    ("header", "nanometres"),
    [
        ({}, 656.28),
        ({"waveunit": None}, 656.28),
        ({"wavelnth": None, "waveunit": None, "wave": "TF Fe I 5576"}, 557.6),
        ({"wavelnth": None, "waveunit": None, "wave": "TF H I 6563 base"}, 656.3),
        ({"wavelnth": None, "waveunit": None, "wave": "G band 4305"}, 430.5),
        ({"wavelnth": 450.4, "waveunit": None}, 450.4),
        ({"wavelnth": None, "waveunit": None, "filter": "H-alpha"}, 656.28),
        ({"wavelnth": None, "waveunit": None, "filter": "Halpha 0.5A"}, 656.28),
        ({"wavelnth": None, "waveunit": None, "filter": "656.3 nm"}, 656.3),
        ({"wavelnth": 171, "waveunit": None}, None),
        ({"wavelnth": None, "waveunit": None}, None),
        ({"wavelnth": None, "waveunit": None, "wave": "broad"}, None),
        ({"wavelnth": 30.4, "waveunit": "nm"}, 30.4),
    ],
)
def test_the_wavelength_is_parsed_in_one_place(header, nanometres):
    found = observed_wavelength(make_map(**header))
    if nanometres is None:
        assert found is None
    else:
        assert found.to_value(u.nm) == pytest.approx(nanometres)


def test_facts_of_a_full_header():
    facts = observation_facts(make_map(random_image((60, 80)), cdelt1=0.5, cdelt2=0.6))
    np.testing.assert_allclose(facts.plate_scale.to_value(u.arcsec / u.pix), [0.5, 0.6])
    np.testing.assert_allclose(facts.field_of_view.to_value(u.arcsec), [40, 36])
    assert facts.unit == u.DN
    assert facts.cadence is None


def test_a_unit_that_is_none_is_unknown():
    assert observation_facts(make_map(bunit="furlong per fortnight")).unit is None
    assert observation_facts(make_map(bunit=None)).unit is None


def test_a_poor_header_is_completed_on_a_copy():
    poor = make_map(hgln_obs=None, hglt_obs=None, dsun_obs=None, rsun_ref=None, **{"date-obs": None})
    before = dict(poor.meta)
    complete = self_contained(poor)
    assert dict(poor.meta) == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert complete.observer_coordinate.radius.to_value(u.au) == pytest.approx(1, abs=0.02)
    assert observation_time(poor) is None
    assert observation_time(make_map()).isot == "2014-10-24T12:00:00.000"


def test_other_warnings_pass_through_the_silence():
    from sunpy_ml.observations import quiet_headers

    with pytest.warns(UserWarning, match="mine"), quiet_headers():
        warnings.warn("mine", UserWarning, stacklevel=1)


def test_paths_are_read(tmp_path):
    path = tmp_path / "one.fits"
    make_map(random_image().astype(">i2")).save(path)
    assert as_map(path).data.shape == (60, 80)
    assert as_map(str(path)).meta["instrume"] == "Test"
    assert source_name(path) == str(path)


def test_bad_paths_are_refused(tmp_path):
    with pytest.raises(ObservationError, match="there is no file"):
        as_map(tmp_path / "none.fits")
    text = tmp_path / "text.fits"
    text.write_text("not FITS")
    with pytest.raises(ObservationError, match="cannot be read as a Map"):
        as_map(text)


@pytest.mark.parametrize("keep", [100, 4000, 20000])
def test_truncated_files_are_refused(tmp_path, keep):
    path = tmp_path / "short.fits"
    make_map().save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ObservationError, match=r"short\.fits"):
        as_map(path)


def test_a_file_of_several_images_is_refused(tmp_path):
    path = tmp_path / "two.fits"
    m = make_map()
    header = m.fits_header
    fits.HDUList([fits.PrimaryHDU(m.data, header), fits.ImageHDU(m.data, header)]).writeto(path)
    with pytest.raises(ObservationError, match="holds 2 images"):
        as_map(path)


def test_a_file_with_more_than_an_image_is_refused(tmp_path):
    path = tmp_path / "cube.fits"
    fits.PrimaryHDU(np.zeros((3, 60, 80)), make_map().fits_header).writeto(path)
    with pytest.raises(ObservationError, match="more than 2 dimensions"):
        as_map(path)


def test_a_header_without_units_is_refused(tmp_path):
    path = tmp_path / "unitless.fits"
    m = make_map()
    header = m.fits_header
    del header["CUNIT1"]
    fits.PrimaryHDU(m.data, header).writeto(path)
    with pytest.raises(ObservationError, match="units for axis 1"):
        as_map(path)


@pytest.mark.parametrize("wrong", [None, 3, np.zeros((3, 3)), {"a": 1}])
def test_other_types_are_refused(wrong):
    with pytest.raises(ObservationError, match="expected a sunpy Map"):
        as_map(wrong)


def test_cubes_must_be_celestial_images():
    wcs = WCS(naxis=3)
    wcs.wcs.ctype = "HPLN-TAN", "HPLT-TAN", "TIME"
    wcs.wcs.cunit = "arcsec", "arcsec", "s"
    with pytest.raises(ObservationError, match="slice it first"):
        as_map(NDCube(np.zeros((2, 3, 4)), wcs=wcs))


@pytest.mark.parametrize("data", [np.zeros((4, 4), complex), np.zeros((4, 4), bool)])
def test_pixels_must_be_real_numbers(data):
    with pytest.raises(ObservationError, match="dtype"):
        as_map(make_map(data))


def test_sequences_generators_and_folders(tmp_path):
    m = make_map()
    assert list(iterate_observations(m)) == [m]
    assert list(iterate_observations([m, "a.fits"])) == [m, "a.fits"]
    assert len(list(iterate_observations(m for _ in range(3)))) == 3
    (tmp_path / "sub").mkdir()
    for name in ("b.fits", "a.fits.gz", "sub/c.FTS", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in iterate_observations(tmp_path)] == ["a.fits.gz", "b.fits", "c.FTS"]


@pytest.mark.parametrize("nothing", [[], (), iter([])])
def test_nothing_is_an_error(nothing):
    with pytest.raises(ObservationError, match="got none"):
        list(iterate_observations(nothing))


def test_an_empty_folder_or_a_number_is_an_error(tmp_path):
    with pytest.raises(ObservationError, match="no FITS file in the folder"):
        list(iterate_observations(tmp_path))
    with pytest.raises(ObservationError, match="expected Maps"):
        list(iterate_observations(3))


@pytest.mark.parametrize(
    "header",
    [
        {"cdelt1": 0.0},
        {"crota2": float("nan")},
        {"crota2": "12"},
        {"pc1_1": 0.0, "pc1_2": 0.0, "pc2_1": 0.0, "pc2_2": 0.0},
        {"ctype1": "RA---TAN", "ctype2": "DEC--TAN", "cunit1": "deg", "cunit2": "deg"},
    ],
)
def test_a_wcs_that_cannot_be_used_is_refused(header):
    with pytest.raises(ObservationError, match=r"observation: .*; mend it"):
        celestial_wcs(self_contained(make_map(**header)))


def test_latitude_may_come_first():
    header = {"ctype1": "HPLT-TAN", "ctype2": "HPLN-TAN", "cdelt1": 0.5, "cdelt2": 0.6}
    facts = observation_facts(make_map(random_image((60, 80)), **header))
    np.testing.assert_allclose(facts.field_of_view.to_value(u.arcsec), [40, 36])


def test_names_of_maps_do_not_need_a_wavelength():
    assert source_name(make_map(wavelnth="H-alpha", waveunit=None)) == "Test 2014-10-24T12:00:00.000"
    bare = {"instrume": None, "telescop": None, "date-obs": None}
    assert source_name(make_map(**bare)) == "Map"
    assert source_name(make_map(filename="a.fits")) == "a.fits"


@pytest.mark.parametrize("stale", [{"crota2": 180.013}, {"cd1_1": 2.0, "cd2_2": 2.0}, {"pc1_2": 0.5}])
def test_a_cube_lies_where_its_wcs_says_and_not_where_its_meta_did(stale):
    m = make_map(random_image())
    found = as_map(NDCube(m.data, wcs=m.wcs, unit=m.unit, meta={**m.meta, **stale}))
    np.testing.assert_allclose(
        corners_and_centre(found.wcs, m.data.shape), corners_and_centre(m.wcs, m.data.shape), rtol=0, atol=1e-6
    )


def _cut(cube):
    return cube[5:41, 10:50]


def _binned(cube):
    return cube.rebin((3, 2))


def _cropped(cube):
    corners = cube.wcs.pixel_to_world([4, 60], [7, 50])
    return cube.crop((corners[0],), (corners[1],))


@pytest.mark.parametrize(
    "steps",
    [
        (_cut,),
        (_binned,),
        (_cropped,),
        (_cut, _binned),
        (_binned, lambda c: c[2:, 2:]),
        (_binned, lambda c: c[2:], _binned),
    ],
)
@pytest.mark.parametrize("form", ["crota", "cd"])
def test_cubes_that_were_cut_and_binned_are_read(steps, form):
    m = make_map(random_image(), **rotated_header(13.0, form, (0.5, 0.6)))
    cube = NDCube(m.data, wcs=m.wcs, unit=m.unit, mask=m.data > 1100)
    for step in steps:
        cube = step(cube)
    found = as_map(cube)
    np.testing.assert_array_equal(found.data, cube.data)
    np.testing.assert_array_equal(found.mask, cube.mask)
    np.testing.assert_allclose(
        corners_and_centre(found.wcs, cube.data.shape),
        corners_and_centre(cube.wcs.low_level_wcs, cube.data.shape),
        rtol=0,
        atol=1e-6,
    )
    # Unlike the coordinates of places, its scale is not left to the WCS.
    np.testing.assert_allclose(observation_facts(found).plate_scale, plate_scale(fits_wcs(cube.wcs.low_level_wcs), m))


def test_an_image_of_a_sequence_has_its_own_date():
    frames = moving_granulation(shape=(32, 40), frames=4, cadence=20 * u.s).frames
    assert observation_time(as_map(frames[0])).isot == "2014-10-24T12:00:00.000"
    assert observation_time(as_map(frames[3, 4:, 5:])).isot == "2014-10-24T12:01:00.000"
    m = make_map()
    dated = NDCube(np.ones((3, 60, 80)), wcs=_with_time(m.wcs), meta={"date-obs": "2014-10-24T12:00:00"})
    dated.extra_coords.add("time", 0, Time("2014-10-24T12:00:00") + np.arange(3) * 45 * u.s)
    assert observation_time(as_map(dated[2])).isot == "2014-10-24T12:01:30.000"
    undated = NDCube(np.ones((3, 60, 80)), wcs=_with_time(m.wcs), meta={"date-obs": "2014-10-24T12:00:00"})
    assert observation_time(as_map(undated[2])).isot == "2014-10-24T12:00:00.000"


def _with_time(celestial):
    header = celestial.to_header()
    wcs = WCS(naxis=3)
    wcs.wcs.ctype = *celestial.wcs.ctype, "TIME"
    wcs.wcs.cunit = "deg", "deg", "s"
    wcs.wcs.cdelt = header["CDELT1"], header["CDELT2"], 45
    wcs.wcs.crval = *celestial.wcs.crval, 0
    wcs.wcs.set()
    return wcs


def test_an_axis_that_turns_with_another_cannot_be_cut_away():
    wcs = WCS(naxis=3)
    wcs.wcs.ctype = "HPLN-TAN", "HPLT-TAN", "WAVE"
    wcs.wcs.cunit = "arcsec", "arcsec", "nm"
    wcs.wcs.pc = [[1, 0, 0.1], [0, 1, 0], [0, 0, 1]]
    with pytest.raises(ObservationError, match="two celestial axes of FITS"):
        as_map(NDCube(np.zeros((2, 3, 4)), wcs=wcs)[0])
