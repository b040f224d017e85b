"""Emergence: patches of magnetograms that follow the rotation of the Sun, and whether and when flux emerges in them."""

from sunpy_ml.emergence.patches import patch_cube
from sunpy_ml.emergence.relabelling import relabel
from sunpy_ml.emergence.result import Emergence
from sunpy_ml.emergence.rotation import rotation_rate
from sunpy_ml.emergence.task import detect_emergence

__all__ = ["Emergence", "detect_emergence", "patch_cube", "relabel", "rotation_rate"]
