"""Spots, pores, plage, network and granulation, in continuum and magnetogram together."""

from sunpy_ml.simulation.photosphere.parameters import PhotosphereParameters
from sunpy_ml.simulation.photosphere.scene import PhotosphereScene, photosphere_scene

__all__ = ["PhotosphereParameters", "PhotosphereScene", "photosphere_scene"]
