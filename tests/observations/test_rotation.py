"""Where the rotation carries the surface, beside sunpy's own."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import (
    HeliographicCarrington,
    HeliographicStonyhurst,
    Helioprojective,
    propagate_with_solar_surface,
)

from sunpy_ml.observations import carried_by_rotation

START = "2011-02-14"
EARTH = {"observer": "earth"}


@pytest.mark.parametrize("until", ["2011-02-12T18:00", "2011-02-14T00:10", "2011-02-17"])
@pytest.mark.parametrize(
    ("frame", "unit"),
    [
        (Helioprojective(obstime=START, **EARTH), 10 * u.arcsec),
        (HeliographicStonyhurst(obstime=START), 1 * u.deg),
        (HeliographicCarrington(obstime=START, **EARTH), 1 * u.deg),
    ],
)
def test_places_are_carried_as_sunpy_carries_them(frame, unit, until):
    places = SkyCoord([-30, 0, 40, 5] * unit, [20, -50, 0, 10] * unit, frame=frame)
    seen = Helioprojective(obstime=until, **EARTH)
    with propagate_with_solar_surface():
        expected = places.transform_to(seen)
    found = carried_by_rotation(places, until).transform_to(seen)
    np.testing.assert_allclose(found.Tx.arcsec, expected.Tx.arcsec, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.Ty.arcsec, expected.Ty.arcsec, rtol=0, atol=1e-6)


def test_what_is_beyond_the_limb_is_nowhere():
    places = SkyCoord([0, 1100] * u.arcsec, [0, 0] * u.arcsec, frame=Helioprojective(obstime=START, **EARTH))
    assert np.isnan(carried_by_rotation(places, Time(START) + 1 * u.day).lon).tolist() == [False, True]
