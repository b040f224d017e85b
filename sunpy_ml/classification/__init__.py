"""Classification: which large-scale feature an image of the Sun shows."""

from sunpy_ml.classification.detection import detect_features
from sunpy_ml.classification.field import feature_map
from sunpy_ml.classification.many import classify_maps
from sunpy_ml.classification.result import Classification
from sunpy_ml.classification.task import classify_map

__all__ = ["Classification", "classify_map", "classify_maps", "detect_features", "feature_map"]
