"""Continuum images and magnetograms are told apart by what headers say, and never guessed."""

import astropy.units as u
import numpy as np
import pytest
from sunpy.map import Map

from sunpy_ml.enhancement.kinds import observed_kind, with_unit
from sunpy_ml.exceptions import HeaderWarning, ObservationError
from tests.maps import make_map


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ({"bunit": "G"}, "magnetogram"),
        ({"bunit": "kG"}, "magnetogram"),
        ({"bunit": "T"}, "magnetogram"),
        ({"bunit": "DN / s"}, "continuum"),
        ({"bunit": "ct"}, "continuum"),
        ({"bunit": ""}, "continuum"),
        ({"bunit": "W / (m2 sr)"}, "continuum"),
        ({"bunit": None, "content": "MAGNETOGRAM"}, "magnetogram"),
        ({"bunit": None, "content": "CONTINUUM INTENSITY"}, "continuum"),
        ({"bunit": "Gauss", "content": "MAGNETOGRAM", "telescop": "SDO/HMI", "instrume": "HMI_SIDE1"}, "magnetogram"),
    ],
)
def test_headers_tell(header, kind):
    assert observed_kind(make_map(**header)) == kind
    assert observed_kind(make_map(**header), kind) == kind


def test_silence_and_contradictions_are_errors():
    with pytest.raises(ObservationError, match="say kind='continuum'"):
        observed_kind(make_map(bunit=None, content="HMI observable"))
    with pytest.raises(ObservationError, match="mend the header"):
        observed_kind(make_map(bunit="G", content="CONTINUUM INTENSITY"))
    with pytest.raises(ObservationError, match="got 'continuum', but the header says"):
        observed_kind(make_map(bunit="G"), "continuum")
    with pytest.raises(ObservationError, match="'km / s'"):
        observed_kind(make_map(bunit="km / s"))
    with pytest.raises(ObservationError, match="'LINE DEPTH'"):
        observed_kind(make_map(bunit="DN / s", content="LINE DEPTH"))
    with pytest.raises(ValueError, match="got 'velocity'"):
        observed_kind(make_map(), "velocity")


def test_real_sharps_tell_nothing(shared_data):
    for path in sorted((shared_data / "hmi_sharp").glob("*13845*.fits")):
        with pytest.raises(ObservationError, match="say kind="):
            observed_kind(Map(path))


def test_a_missing_unit_is_taken_with_a_warning():
    bare = make_map(np.ones((4, 4)), bunit=None)
    with pytest.warns(HeaderWarning, match="as a magnetogram it is taken in G"):
        field = with_unit(bare, "magnetogram")
    assert field.unit == u.G
    with pytest.warns(HeaderWarning, match="share of the quiet Sun"):
        assert with_unit(bare, "continuum").unit == u.one
    assert bare.unit is None
    assert "bunit" not in bare.meta
