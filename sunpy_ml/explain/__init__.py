"""Explanation: which pixels of an observation made a network say what it says.

Needs the extra ``explain``: ``pip install "sunpy_ml[explain]"``.
"""

from sunpy_ml.explain.asking import targets
from sunpy_ml.explain.explaining import explain_map
from sunpy_ml.explain.methods import METHODS
from sunpy_ml.explain.plot import plot_relevance
from sunpy_ml.explain.randomisation import randomisation_check

__all__ = ["METHODS", "explain_map", "plot_relevance", "randomisation_check", "targets"]
