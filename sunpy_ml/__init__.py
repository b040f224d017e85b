"""
sunpy_ml: deep learning for solar physics, on SunPy Maps and NDCubes.

The verbs are imported when they are first used, so that importing the package stays fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

from sunpy_ml.version import version as __version__

if TYPE_CHECKING:
    from sunpy_ml.classification import Classification, classify_map, classify_maps, detect_features, feature_map
    from sunpy_ml.emergence import Emergence, detect_emergence
    from sunpy_ml.enhancement import enhance_files, enhance_hmi
    from sunpy_ml.flows import advect_corks, deepvel_flow, detect_vortices, lct_flow
    from sunpy_ml.system import system_info

_HOMES = {
    "Classification": "sunpy_ml.classification",
    "Emergence": "sunpy_ml.emergence",
    "advect_corks": "sunpy_ml.flows",
    "classify_map": "sunpy_ml.classification",
    "classify_maps": "sunpy_ml.classification",
    "deepvel_flow": "sunpy_ml.flows",
    "detect_emergence": "sunpy_ml.emergence",
    "detect_features": "sunpy_ml.classification",
    "detect_vortices": "sunpy_ml.flows",
    "enhance_files": "sunpy_ml.enhancement",
    "enhance_hmi": "sunpy_ml.enhancement",
    "feature_map": "sunpy_ml.classification",
    "lct_flow": "sunpy_ml.flows",
    "system_info": "sunpy_ml.system",
}

__all__ = [
    "Classification",
    "Emergence",
    "__version__",
    "advect_corks",
    "classify_map",
    "classify_maps",
    "deepvel_flow",
    "detect_emergence",
    "detect_features",
    "detect_vortices",
    "enhance_files",
    "enhance_hmi",
    "feature_map",
    "lct_flow",
    "system_info",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
