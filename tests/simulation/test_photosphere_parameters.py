"""The card of photospheric scenes."""

import dataclasses

import astropy.units as u
import numpy as np
import pytest

from sunpy_ml.simulation.photosphere import PhotosphereParameters


def test_table_lists_every_parameter_with_its_source():
    table = PhotosphereParameters().table()
    assert list(table["parameter"]) == [field.name for field in dataclasses.fields(PhotosphereParameters)]
    assert np.all(table["low"] <= table["high"])
    assert set(table["certainty"]) == {"high", "medium", "low"}
    assert all(
        "doi:" in row["source"] or row["source"] in ("modelling choice",) or "MHD" in row["source"] for row in table
    )
    assert all(name in PhotosphereParameters.__doc__ for name in table["parameter"])


def test_values_are_converted_copied_and_fixed():
    given = [2.5, 3.0] * u.kG
    card = PhotosphereParameters(umbral_field=given)
    given[0] = 9 * u.kG
    assert card.ends("umbral_field") == (2500, 3000)
    with pytest.raises(ValueError, match="read-only"):
        card.umbral_field[0] = 0 * u.G
    with pytest.raises(dataclasses.FrozenInstanceError):
        card.umbral_field = given


def test_draws_stay_between_the_ends():
    card, rng = PhotosphereParameters(), np.random.default_rng(0)
    drawn = [card.draw(rng, "spot_radius") for _ in range(200)]
    assert 5 <= min(drawn) < 6 < 13 < max(drawn) <= 14


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ((1, 2), TypeError, "spot_radius is .*with a unit"),
        ([1, 2] * u.G, u.UnitConversionError, "Mm"),
        ([2, 1] * u.Mm, ValueError, "spot_radius is"),
        ([-1, 1] * u.Mm, ValueError, "spot_radius is"),
        (3 * u.Mm, ValueError, "spot_radius is"),
        ([1, np.inf] * u.Mm, ValueError, "spot_radius is"),
    ],
)
def test_bad_values_are_named(value, error, message):
    with pytest.raises(error, match=message):
        PhotosphereParameters(spot_radius=value)


def test_shares_have_a_ceiling():
    with pytest.raises(ValueError, match=r"plage_filling .* at most 0.4"):
        PhotosphereParameters(plage_filling=[0.1, 0.9] * u.one)
