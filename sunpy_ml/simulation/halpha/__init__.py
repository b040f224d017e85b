"""Scenes of the solar chromosphere in H-alpha, with a true World Coordinate System."""

from sunpy_ml.simulation.halpha.card import halpha_parameters
from sunpy_ml.simulation.halpha.flares import TwoRibbonFlare, two_ribbon_flare
from sunpy_ml.simulation.halpha.scene import halpha_scene

__all__ = ["TwoRibbonFlare", "halpha_parameters", "halpha_scene", "two_ribbon_flare"]
