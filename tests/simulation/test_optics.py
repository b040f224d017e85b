"""Optics, by the name under which a simulation looks for them."""

import sunpy_ml.optics
import sunpy_ml.simulation.optics
from sunpy_ml.simulation import degrade


def test_simulation_hands_on_the_public_names_of_optics():
    assert sunpy_ml.simulation.optics.__all__ == sunpy_ml.optics.__all__
    for name in sunpy_ml.optics.__all__:
        assert getattr(sunpy_ml.simulation.optics, name) is getattr(sunpy_ml.optics, name)
    assert degrade is sunpy_ml.optics.degrade
