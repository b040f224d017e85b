"""Patches of magnetograms in which flux emerges, with the truth."""

from sunpy_ml.simulation.emergence.parameters import emergence_parameters
from sunpy_ml.simulation.emergence.patch import emergence_pairs, emergence_patch

__all__ = ["emergence_pairs", "emergence_parameters", "emergence_patch"]
