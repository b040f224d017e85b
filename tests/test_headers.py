"""Headers that lack keywords, contradict themselves or are absurd: a verb answers, or says what is wrong."""

import re
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from ndcube import NDCube

from sunpy_ml import classify_map, deepvel_flow, enhance_hmi
from sunpy_ml.enhancement import consistency_map
from sunpy_ml.exceptions import DomainError, ObservationError
from sunpy_ml.observations import (
    celestial_wcs,
    cube_axes,
    image_sequence,
    new_map,
    observation_facts,
    observation_time,
    observed_wavelength,
    prepare,
    self_contained,
    source_name,
)
from sunpy_ml.weights import get_card
from tests.maps import corners_and_centre, make_map

# A header that is wrong brings warnings of many kinds; what counts here is what comes of it.
pytestmark = pytest.mark.filterwarnings("ignore")

SHAPE = (24, 32)
IMAGE = np.random.default_rng(0).normal(50000, 2000, SHAPE).astype(np.float32)

HMI = {"wavelnth": 6173.0, "telescop": "SDO/HMI", "cdelt1": 0.504, "cdelt2": 0.504}
KINDS = [{}, {**HMI, "bunit": "DN / s"}, {**HMI, "bunit": "Gauss"}]

NAN = float("nan")
NUMBERS = [None, 0, -1, -0.5, 1e-30, 1e-5, 3, 1e30, -1e30, 1e300, NAN, float("inf"), "NaN", "", "none", "1.0", True]
DATES = [
    *(None, "", "none", 20141024, NAN, "2014-13-45T99:00:00", "2014-10-24T12:00:60", "2014.10.24_12:00:00_TAI"),
    *("0000-00-00", "0001-01-01", "1858-11-17T00:00:00", "3000-01-01T00:00:00", "9999-99-99"),
]
AXES = [
    *(None, "", "none", "HPLN", "HPLN-TAN", "HPLT-TAN", "HPLN-ARC", "HPLN-XXX", "CRLN-CEA", "CRLT-CEA", "HGLN-CAR"),
    *("HGLT-CAR", "SOLAR-X", "SOLAR_Y", "RA---TAN", "DEC--TAN", "WAVE", "TIME"),
]
UNITS = ["arcsec", "deg", "rad", "km", "s", "", "none", "degree", "Mm", "pix"]
VALUES = [None, "", "none", 3, NAN, "DN", "ADU", "G", "T", "K", "m/s", "Mx/cm^2", "mag", "1", "%", "furlong", "dex(DN)"]
WORDS = [None, "", "none", 3, NAN]

ABSURD = {
    **dict.fromkeys(["cdelt1", "cdelt2", "crpix1", "crpix2", "crval1", "crval2", "crota1", "crota2"], NUMBERS),
    **{f"{form}{i}_{j}": NUMBERS for form in ("pc", "cd") for i in (1, 2) for j in (1, 2)},
    **dict.fromkeys(["rsun_ref", "rsun_obs", "solar_r", "radius", "dsun_obs", "hgln_obs", "hglt_obs"], NUMBERS),
    **dict.fromkeys(["crln_obs", "crlt_obs", "haex_obs", "naxis", "naxis1", "naxis2", "wcsaxes", "bitpix"], NUMBERS),
    **dict.fromkeys(["lonpole", "latpole", "pv1_1", "pv2_1", "blank", "bscale", "bzero", "exptime", "l0"], NUMBERS),
    **dict.fromkeys(["date__obs", "date_obs", "date__avg", "date__beg", "date__end", "dateref"], DATES),
    **dict.fromkeys(["ctype1", "ctype2"], AXES),
    **dict.fromkeys(["cunit1", "cunit2"], UNITS),
    "timesys": [*WORDS, "TAI", "UT", "TT"],
    "bunit": VALUES,
    "wavelnth": NUMBERS,
    "waveunit": [*WORDS, "nm", "s", "keV", "cm-1", "parrot"],
    "wave": [*WORDS, "TF Fe I 5576", "1e999", "12345.6 nm"],
    "filter": [*WORDS, "H-alpha", "99999"],
    "content": [*WORDS, "Continuum Intensity", "MAGNETOGRAM", "DOPPLERGRAM"],
    "telescop": [*WORDS, "SDO/AIA", "SOHO", "Hinode", "NSO-GONG"],
    "instrume": [*WORDS, "HMI_FRONT2", "AIA_4", "MDI", "SOT/WB", "EIT"],
    "wcsname": [*WORDS, "Helioprojective-cartesian"],
    **dict.fromkeys(["history", "comment", "keycomments", "filename", "detector", "obsrvtry", "radesys"], WORDS),
}


@st.composite
def headers(draw, kinds=KINDS):
    """A true header in which one to five keywords are not."""
    header = dict(draw(st.sampled_from(kinds)))
    for name in draw(st.lists(st.sampled_from(sorted(ABSURD)), min_size=1, max_size=5, unique=True)):
        header[name] = draw(st.sampled_from(ABSURD[name]))
    return header


def map_of(header):
    try:
        return make_map(IMAGE.copy(), **header)
    except Exception:  # sunpy itself makes no Map of it
        reject()


def outcome(verb, *maps):
    """What a verb gives, or None where it refuses with words; it changes nothing."""
    before, result, words = [repr(dict(m.meta)) for m in maps], None, None
    try:
        result = verb(maps[0] if len(maps) == 1 else list(maps))
    except (ObservationError, DomainError) as error:
        words = str(error)
    assert words is None or re.match(r"(observations?|observed|kind): \w.{20}", words), words
    assert [repr(dict(m.meta)) for m in maps] == before
    assert all((m.data == IMAGE).all() for m in maps)
    return result


def fuzz(examples):
    """The same headers each time, as many as take a few seconds."""
    return settings(max_examples=examples, derandomize=True)


@fuzz(150)
@given(headers())
def test_facts(header):
    m = map_of(header)
    assert isinstance(source_name(m), str)
    facts = outcome(lambda one: observation_facts(self_contained(one)), m)
    if facts is not None:
        assert (facts.plate_scale > 0 * u.arcsec / u.pix).all()
        assert np.isfinite(facts.field_of_view).all()
        assert facts.wavelength is None or 0 < facts.wavelength.value < np.inf


@fuzz(60)
@given(headers())
def test_classification(header):
    m = map_of(header)
    result = outcome(lambda one: classify_map(one, average_turns=False), m)
    if result is not None:
        assert sum(result.probabilities.values()) == pytest.approx(1)
        table = result.table()
        assert list(table["label"]) == [result.label]
        assert (table["size"] > 0 * u.arcsec).all()
        assert np.all(table["date"].mask) == (observation_time(m) is None)


@fuzz(60)
@given(headers(KINDS[1:]), st.sampled_from([None, "continuum"]))
def test_enhancement(header, kind):
    m = map_of(header)
    result = outcome(lambda one: enhance_hmi(one, kind=kind, progress=False), m)
    if result is not None:
        assert result.data.shape == (2 * SHAPE[0], 2 * SHAPE[1])
        assert np.isfinite(result.data).all()
        assert np.isfinite(result.uncertainty.array).all()
        assert np.isfinite(result.meta["consrms"])
        assert result.unit is not None
        assert result.unit.is_equivalent(m.unit if isinstance(header["bunit"], str) and m.unit else u.one)
        places = [corners_and_centre(celestial_wcs(self_contained(one)), one.data.shape) for one in (m, result)]
        np.testing.assert_allclose(places[1], places[0], rtol=1e-6, atol=1e-5)


@fuzz(40)
@given(headers())
def test_flow(header):
    first = map_of(header)
    second = map_of({**header, "date__obs": "2014-10-24T12:00:30"})
    flow = outcome(lambda pair: deepvel_flow(pair, average_turns=False, progress=False), first, second)
    if flow is not None:
        for component in flow.values():
            assert component.data.shape == (1, *SHAPE)
            assert component.unit == u.km / u.s
            assert np.isfinite(component.data[~component.mask]).all()
        places = [corners_and_centre(wcs, SHAPE) for wcs in (first.wcs, cube_axes(flow["vx"]).wcs)]
        np.testing.assert_allclose(places[1], places[0], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("header", [{"date__obs": "none"}, {"date__obs": 20141024}, {"date__obs": NAN}])
def test_a_date_that_cannot_be_read_is_unknown_rather_than_now(header):
    m = make_map(IMAGE, **header)
    assert observation_time(m) is None
    with pytest.raises(ObservationError, match="give cadence="):
        image_sequence([m, make_map(IMAGE, **header)])


def test_a_date_beside_one_that_cannot_be_read_counts():
    m = make_map(IMAGE, date__obs="none", date__end="2014-10-24T12:00:30")
    assert observation_time(m).isot == "2014-10-24T12:00:30.000"


@pytest.mark.parametrize("wavelength", [0, -6563, NAN, float("inf"), "none"])
def test_a_wavelength_that_cannot_be_is_unknown(wavelength):
    assert observed_wavelength(make_map(IMAGE, wavelnth=wavelength)) is None


@pytest.mark.parametrize("unit", [3, NAN, "dex(DN)", "furlong"])
def test_a_unit_that_cannot_be_read_is_unknown(unit):
    m = make_map(IMAGE, **{**HMI, "bunit": unit})
    assert observation_facts(self_contained(m)).unit is None
    with pytest.raises(ObservationError, match="say kind="):
        enhance_hmi(m)
    assert enhance_hmi(m, kind="magnetogram").unit == u.G


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"cdelt1": 1e-5}, "plate scale"),
        ({"cdelt1": 1e30, "cdelt2": 1e30}, "plate scale"),
        ({"pc1_1": 1.0, "pc1_2": 2.0, "pc2_1": 2.0, "pc2_2": 4.0}, "plate scale or rotation"),
        ({"cdelt1": float("inf")}, "CDELT.* is not finite|usable WCS"),
        ({"crota2": float("inf")}, "usable WCS"),
        ({"crpix1": NAN}, "CRPIX"),
        ({"crval2": float("inf")}, "usable WCS"),
        ({"dsun_obs": 0.0}, "DSUN_OBS"),
        ({"dsun_obs": NAN}, "DSUN_OBS|usable WCS"),
        ({"rsun_ref": -6.957e8}, "RSUN_REF"),
        ({"rsun_ref": float("inf")}, "RSUN_REF"),
        ({"rsun_ref": None, "rsun_obs": 0.0}, "RSUN_OBS"),
        ({"ctype1": "RA---TAN", "ctype2": "DEC--TAN"}, "reproject it to helioprojective"),
        ({"ctype1": "WAVE"}, "CTYPE|usable WCS"),
        ({"date__obs": "0001-01-01"}, "mend DATE-OBS"),
    ],
)
def test_a_header_that_cannot_be_is_refused(header, words):
    with pytest.raises(ObservationError, match=words):
        classify_map(make_map(IMAGE, **header))


def test_an_image_is_not_resampled_beyond_memory():
    card = get_card("halpha-2")
    card = replace(card, input=replace(card.input, geometry="plate-scale", plate_scale=0.05))
    assert prepare(make_map(IMAGE, cdelt1=0.1, cdelt2=0.05), card).data.shape == (24, 64)
    with pytest.raises(ObservationError, match=r"the network reads such of 0\.05"):
        prepare(make_map(IMAGE, cdelt1=3600.0, cdelt2=3600.0), card)


def test_no_telescope_is_asked_for_pixels_far_beyond_it():
    m = make_map(IMAGE, **{**HMI, "cdelt1": 0.001})
    with pytest.raises(ObservationError, match=r"0\.001 x 0\.504 arcsec.*mend its plate scale"):
        consistency_map(new_map(m, np.kron(IMAGE, np.ones((2, 2), np.float32))), m)


@pytest.mark.parametrize("step", [NAN, -30.0])
def test_a_cube_whose_times_do_not_rise_has_no_cadence(step):
    wcs = WCS(naxis=3)
    wcs.wcs.ctype, wcs.wcs.cunit = ["HPLN-TAN", "HPLT-TAN", "TIME"], ["arcsec", "arcsec", "s"]
    wcs.wcs.cdelt = [0.1, 0.1, step]
    cube = NDCube(np.stack([IMAGE, IMAGE]), wcs=wcs)
    with pytest.raises(ObservationError, match="give cadence="):
        image_sequence(cube)
    assert image_sequence(cube, cadence=30 * u.s).cadence == 30 * u.s


def test_a_cube_whose_meta_are_absurd_is_refused():
    wcs = make_map(IMAGE).wcs
    assert classify_map(NDCube(IMAGE, wcs=wcs, meta={"instrume": 3, "bunit": 3}), average_turns=False).label
    with pytest.raises(ObservationError, match="meta of the NDCube"):
        classify_map(NDCube(IMAGE, wcs=wcs, meta={"obsrvtry": 3}))
