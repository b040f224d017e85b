"""Weights: cards that say what each file is, the catalogue of them, and their loading.

This foundation knows neither Maps nor domains.
"""

from sunpy_ml.weights.card import Card, FileSource, Input, Metric, Output, Training, read_card
from sunpy_ml.weights.catalogue import get_card, list_weights, resolve
from sunpy_ml.weights.domain import Domain, DomainReport, Facts
from sunpy_ml.weights.loading import load, network_for, weights_path
from sunpy_ml.weights.registry import build_network
from sunpy_ml.weights.saving import read_weights_card, save_weights

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
    "network_for",
    "read_card",
    "read_weights_card",
    "resolve",
    "save_weights",
    "weights_path",
]
