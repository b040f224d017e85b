"""Enhancement: images and magnetograms freed of the telescope's blur, on a finer grid."""

from sunpy_ml.enhancement.consistency import consistency_map
from sunpy_ml.enhancement.many import enhance_files
from sunpy_ml.enhancement.task import enhance_hmi

__all__ = ["consistency_map", "enhance_files", "enhance_hmi"]
