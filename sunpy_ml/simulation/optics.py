"""
The optics of `sunpy_ml.optics`, by the name under which a simulation looks for them.

To its users a telescope is one part of a simulated observation. The code is a foundation of its own, since answers of
networks are checked through a telescope too, and nothing else of the simulation is needed for that.
"""

from sunpy_ml.optics import *  # noqa: F403
from sunpy_ml.optics import __all__ as __all__
