"""Known motion: images that flows carry, so that what finds flows can be trained and checked."""

from sunpy_ml.simulation.motion.card import SOURCES, MotionCard
from sunpy_ml.simulation.motion.carrying import Carried, carry, origin, shift
from sunpy_ml.simulation.motion.evolution import evolve
from sunpy_ml.simulation.motion.granules import granulation
from sunpy_ml.simulation.motion.observing import MovingGranulation
from sunpy_ml.simulation.motion.pairs import MIXTURE, MotionPairs, draw_pairs
from sunpy_ml.simulation.motion.scene import moving_granulation
from sunpy_ml.simulation.motion.spectrum import GRANULAR, MESOGRANULAR, SOLAR_SPECTRUM, SUPERGRANULAR, FlowPart
from sunpy_ml.simulation.motion.velocity import diverging_velocity, random_velocity

__all__ = [
    "GRANULAR",
    "MESOGRANULAR",
    "MIXTURE",
    "SOLAR_SPECTRUM",
    "SOURCES",
    "SUPERGRANULAR",
    "Carried",
    "FlowPart",
    "MotionCard",
    "MotionPairs",
    "MovingGranulation",
    "carry",
    "diverging_velocity",
    "draw_pairs",
    "evolve",
    "granulation",
    "moving_granulation",
    "origin",
    "random_velocity",
    "shift",
]
