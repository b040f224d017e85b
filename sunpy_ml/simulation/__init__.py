"""
Forward physics that makes training data and checks results.

The simulators are imported when they are first used: most need torch or `sunpy.map`, and none needs all of it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sunpy_ml.optics import degrade
    from sunpy_ml.simulation.convection import ConvectionCard, ConvectionRun, carried_field, convection_run
    from sunpy_ml.simulation.emergence import emergence_pairs, emergence_parameters, emergence_patch
    from sunpy_ml.simulation.halpha import halpha_parameters, halpha_scene, two_ribbon_flare
    from sunpy_ml.simulation.motion import draw_pairs, moving_granulation
    from sunpy_ml.simulation.photosphere import PhotosphereParameters, PhotosphereScene, photosphere_scene
    from sunpy_ml.simulation.writing import write_simulation

_HOMES = {
    "ConvectionCard": "sunpy_ml.simulation.convection",
    "ConvectionRun": "sunpy_ml.simulation.convection",
    "PhotosphereParameters": "sunpy_ml.simulation.photosphere",
    "PhotosphereScene": "sunpy_ml.simulation.photosphere",
    "carried_field": "sunpy_ml.simulation.convection",
    "convection_run": "sunpy_ml.simulation.convection",
    "degrade": "sunpy_ml.optics",
    "draw_pairs": "sunpy_ml.simulation.motion",
    "emergence_pairs": "sunpy_ml.simulation.emergence",
    "emergence_parameters": "sunpy_ml.simulation.emergence",
    "emergence_patch": "sunpy_ml.simulation.emergence",
    "halpha_parameters": "sunpy_ml.simulation.halpha",
    "halpha_scene": "sunpy_ml.simulation.halpha",
    "moving_granulation": "sunpy_ml.simulation.motion",
    "photosphere_scene": "sunpy_ml.simulation.photosphere",
    "two_ribbon_flare": "sunpy_ml.simulation.halpha",
    "write_simulation": "sunpy_ml.simulation.writing",
}

__all__ = [
    "ConvectionCard",
    "ConvectionRun",
    "PhotosphereParameters",
    "PhotosphereScene",
    "carried_field",
    "convection_run",
    "degrade",
    "draw_pairs",
    "emergence_pairs",
    "emergence_parameters",
    "emergence_patch",
    "halpha_parameters",
    "halpha_scene",
    "moving_granulation",
    "photosphere_scene",
    "two_ribbon_flare",
    "write_simulation",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
