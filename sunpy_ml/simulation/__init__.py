"""Forward physics that makes training data and checks results."""

from sunpy_ml.simulation.halpha import halpha_scene, two_ribbon_flare

__all__ = ["halpha_scene", "two_ribbon_flare"]
