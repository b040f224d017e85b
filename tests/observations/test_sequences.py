"""Maps and cubes become sequences: cadence and scale are told or asked for, never invented."""

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time
from astropy.wcs import WCS
from ndcube import NDCube
from sunpy.map import MapSequence

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import cube_axes, image_sequence
from sunpy_ml.simulation.motion import moving_granulation
from tests.maps import make_map, random_image, rotated_header


def pair(**header):
    dates = ("2014-10-24T12:00:00", "2014-10-24T12:00:45")
    return [make_map(random_image(seed=i), **{"date__obs": date, **header}) for i, date in enumerate(dates)]


def bare_cube(shape=(3, 6, 8)):
    return NDCube(np.random.default_rng(0).normal(1, 0.1, shape), wcs=WCS(naxis=3))


def test_maps_tell_everything():
    maps = pair()
    before = [dict(m.meta) for m in maps]
    sequence = image_sequence(maps)
    assert sequence.frames.shape == (2, 60, 80)
    assert sequence.frames.dtype == np.float32
    assert sequence.cadence.to_value(u.s) == pytest.approx(45)
    assert sequence.start == Time("2014-10-24T12:00:00")
    assert sequence.mask is None
    assert sequence.unit == u.DN
    assert sequence.scale.to_value(u.arcsec / u.pix) == pytest.approx([1, 1])
    assert sequence.pixel.to_value(u.km) == pytest.approx([1.49e8 * np.radians(1 / 3600)] * 2)
    assert [dict(m.meta) for m in maps] == before


def test_a_map_sequence_and_paths_are_the_same(tmp_path):
    maps = pair()
    for index, m in enumerate(maps):
        m.save(tmp_path / f"{index}.fits")
    expected = image_sequence(maps)
    for given in (MapSequence(maps), sorted(tmp_path.glob("*.fits"))):
        got = image_sequence(given)
        np.testing.assert_allclose(got.frames, expected.frames, rtol=1e-6)
        assert got.cadence == expected.cadence
        assert got.step == pytest.approx(expected.step)


@pytest.mark.parametrize("part", [np.s_[:], np.s_[1:3], np.s_[:, 4:20, 6:30], np.s_[1:, 2:]])
def test_a_cube_keeps_its_places_and_times_when_it_is_sliced(part):
    cube = moving_granulation(shape=(32, 40), frames=4, cadence=20 * u.s, velocity=[1, 0] * u.km / u.s).frames
    cut = cube[part]
    sequence = image_sequence(cut)
    assert sequence.cadence.to_value(u.s) == pytest.approx(20)
    sky, time = cut.wcs.pixel_to_world(3, 5, 0)
    ours = sequence.wcs.pixel_to_world(3, 5)
    assert ours.Tx.to_value("arcsec") == pytest.approx(sky.Tx.to_value("arcsec"), abs=1e-6)
    assert ours.Ty.to_value("arcsec") == pytest.approx(sky.Ty.to_value("arcsec"), abs=1e-6)
    assert abs((sequence.start - time).to_value(u.s)) < 1e-3
    assert abs((sequence.times[1] - time).to_value(u.s) - 20) < 1e-3
    assert sequence.step == pytest.approx(np.eye(2) * 72.52709438)


def test_a_rebinned_cube_has_larger_steps():
    cube = moving_granulation(shape=(32, 40), frames=4, cadence=20 * u.s, velocity=[1, 0] * u.km / u.s).frames
    binned = cube.rebin((2, 4, 2))[:, 1:]
    sequence = image_sequence(binned)
    assert sequence.cadence.to_value(u.s) == pytest.approx(40)
    assert sequence.step == pytest.approx(np.diag([2, 4]) * 72.52709438)
    sky, time = binned.wcs.pixel_to_world(3, 5, 0)
    ours = sequence.wcs.pixel_to_world(3, 5)
    assert ours.Tx.to_value("arcsec") == pytest.approx(sky.Tx.to_value("arcsec"), abs=1e-6)
    assert ours.Ty.to_value("arcsec") == pytest.approx(sky.Ty.to_value("arcsec"), abs=1e-6)
    assert abs((sequence.start - time).to_value(u.s)) < 1e-3


@pytest.mark.parametrize("form", ["crota", "pc", "cd"])
@pytest.mark.parametrize("angle", [0, 30, 90, 180.013, 250])
def test_steps_are_along_the_solar_axes_however_the_map_is_turned(angle, form):
    sequence = image_sequence(pair(**rotated_header(angle, form, (0.5, 0.5))))
    size = 0.5 * 1.49e8 * np.radians(1 / 3600)
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    assert sequence.step == pytest.approx(size * np.array([[cosine, -sine], [sine, cosine]]), abs=1e-6 * size)
    assert abs(sequence.tilt) <= 45


def test_heliographic_steps_are_lengths_on_the_surface():
    maps = pair(ctype1="CRLN-CEA", ctype2="CRLT-CEA", cunit1="deg", cunit2="deg", crval2=5.0, cdelt1=0.03, cdelt2=0.03)
    assert image_sequence(maps).pixel.to_value(u.km) == pytest.approx([364.27] * 2, rel=1e-4)


def test_masks_and_gaps_are_kept_and_filled():
    maps = pair()
    mask = np.zeros((60, 80), dtype=bool)
    mask[3, 4] = True
    data = random_image()
    data[10, 11] = np.nan
    maps[0] = make_map(data, mask=mask, date__obs="2014-10-24T12:00:00")
    sequence = image_sequence(maps)
    assert np.argwhere(sequence.mask).tolist() == [[0, 3, 4], [0, 10, 11]]
    assert np.isfinite(sequence.frames).all()
    assert np.isnan(data[10, 11])


def test_nothing_is_invented():
    with pytest.raises(ObservationError, match="cadence="):
        image_sequence(pair(date__obs="2014-10-24T12:00:00"))
    with pytest.raises(ObservationError, match="scale="):
        image_sequence(bare_cube(), cadence=45 * u.s)
    with pytest.raises(ObservationError, match="cadence="):
        image_sequence(bare_cube(), scale=0.5 * u.arcsec / u.pix)
    with pytest.raises(ObservationError, match="scale="):
        image_sequence(pair(cdelt1=None, cdelt2=None))
    undated = [make_map(random_image(seed=i), date__obs=None) for i in (0, 1)]
    with pytest.raises(ObservationError, match="cadence="):
        image_sequence(undated)
    assert image_sequence(undated, cadence=1 * u.min).start is None


def test_keywords_tell_what_the_header_does_not():
    sequence = image_sequence(bare_cube(), cadence=12 * u.min, scale=0.504 * u.arcsec / u.pix)
    assert sequence.cadence == 720 * u.s
    assert sequence.pixel.to_value(u.km) == pytest.approx([0.504 * 725.27094] * 2)
    assert sequence.wcs is None
    assert sequence.times is None
    by_length = image_sequence(bare_cube(), cadence=30 * u.s, scale=[40, 50] * u.km / u.pix)
    assert by_length.pixel.to_value(u.km) == pytest.approx([40, 50])
    assert by_length.scale is None
    turned = image_sequence(pair(**rotated_header(90, "pc")), scale=100 * u.km / u.pix)
    assert turned.step == pytest.approx(np.array([[0, -100], [100, 0]]), abs=1e-9)


def test_an_undated_map_without_observer_is_seen_from_one_au():
    header = {"date__obs": None, "hgln_obs": None, "hglt_obs": None, "dsun_obs": None}
    maps = [make_map(random_image(seed=i), **header) for i in (0, 1)]
    assert image_sequence(maps, cadence=30 * u.s).pixel.to_value(u.km) == pytest.approx([725.27094] * 2)


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (lambda: [pair()[0], pair(crval1=121.0)[1]], "sunkit_image.coalignment"),
        (lambda: [pair()[0], pair(crpix2=31.0)[1]], "sunkit_image.coalignment"),
        (lambda: [pair()[0], pair(**rotated_header(1, "pc"))[1]], "sunkit_image.coalignment"),
        (lambda: [pair()[0], make_map(random_image((60, 81)))], "sunkit_image.coalignment"),
        (lambda: pair()[::-1], "sort"),
        (lambda: [*pair(), make_map(date__obs="2014-10-24T12:03:00")], "45 to 135"),
        (lambda: [pair()[0], pair(bunit="gauss")[1]], "units differ"),
        (lambda: pair()[:1], "at least two"),
        (lambda: pair()[0], "list of Maps"),
        (lambda: [make_map(np.full((60, 80), np.nan)), pair()[1]], "no valid pixel"),
        (lambda: NDCube(np.zeros((4, 5)), wcs=WCS(naxis=2)), "time, y, x"),
    ],
)
def test_what_is_no_sequence_is_refused(maps, words):
    with pytest.raises(ObservationError, match=words):
        image_sequence(maps())


def test_what_is_known_to_be_coaligned_is_taken():
    maps = [pair()[0], pair(crval1=121.0)[1]]
    assert image_sequence(maps, coaligned=True).wcs.wcs.crval[0] * 3600 == pytest.approx(120)


@pytest.mark.parametrize("bad", [-1 * u.s, 0 * u.s, np.nan * u.s, 5 * u.km, 30])
def test_a_cadence_that_cannot_be_is_refused(bad):
    with pytest.raises(ObservationError, match="cadence: expected"):
        image_sequence(bare_cube(), cadence=bad, scale=1 * u.arcsec / u.pix)


def test_axes_of_one_plane():
    velocity = moving_granulation(shape=(32, 40), velocity=[1, 0] * u.km / u.s).velocity["vx"]
    axes = cube_axes(velocity)
    assert axes.cadence.to_value(u.s) == pytest.approx(30)
    assert axes.start.isot == "2014-10-24T12:00:15.000"


def test_times_may_be_in_the_extra_coordinates():
    cube = bare_cube((4, 6, 8))
    cube.extra_coords.add("time", 0, Time("2014-10-24T12:00:00") + np.arange(4) * 12 * u.s)
    sequence = image_sequence(cube[1:], scale=0.5 * u.arcsec / u.pix)
    assert sequence.cadence.to_value(u.s) == pytest.approx(12)
    assert sequence.start.isot == "2014-10-24T12:00:12.000"
