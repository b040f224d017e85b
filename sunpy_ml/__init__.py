"""
sunpy_ml: deep learning for solar physics, on SunPy Maps and NDCubes.

The verbs are imported when they are first used, so that importing the package stays fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

from sunpy_ml.version import version as __version__

if TYPE_CHECKING:
    from sunpy_ml.classification import Classification, classify_map, classify_maps, detect_features, feature_map

_HOMES = {
    "Classification": "sunpy_ml.classification",
    "classify_map": "sunpy_ml.classification",
    "classify_maps": "sunpy_ml.classification",
    "detect_features": "sunpy_ml.classification",
    "feature_map": "sunpy_ml.classification",
}

__all__ = ["Classification", "__version__", "classify_map", "classify_maps", "detect_features", "feature_map"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
