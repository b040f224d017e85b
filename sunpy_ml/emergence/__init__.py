"""Emergence: patches of magnetograms that follow the rotation of the Sun."""

from sunpy_ml.emergence.patches import patch_cube
from sunpy_ml.emergence.rotation import rotation_rate

__all__ = ["patch_cube", "rotation_rate"]
