"""Weights: cards that say what each file is, the catalogue of them, and their loading.

This foundation knows neither Maps nor domains.
"""

from sunpy_ml.weights.card import Card, FileSource, Input, Metric, Output, Training, read_card
from sunpy_ml.weights.catalogue import get_card, list_weights, resolve
from sunpy_ml.weights.domain import Domain, DomainReport, Facts
from sunpy_ml.weights.loading import load, weights_path
from sunpy_ml.weights.registry import build_network

__all__ = [
    "Card",
    "Domain",
    "DomainReport",
    "Facts",
    "FileSource",
    "Input",
    "Metric",
    "Output",
    "Training",
    "build_network",
    "get_card",
    "list_weights",
    "load",
    "read_card",
    "resolve",
    "weights_path",
]
