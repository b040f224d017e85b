"""Weights: cards that say what each file is, the catalogue of them, and their loading.

This foundation knows neither Maps nor domains.
"""

from sunpy_ml.weights.card import Card, Confusion, FileSource, Input, Metric, Output, Training
from sunpy_ml.weights.card_file import read_card
from sunpy_ml.weights.catalogue import get_card, list_weights, resolve
from sunpy_ml.weights.citing import cite
from sunpy_ml.weights.companion import companion_path, output_constants
from sunpy_ml.weights.converting import convert_weights
from sunpy_ml.weights.describing import describe
from sunpy_ml.weights.domain import Domain, DomainReport, Facts
from sunpy_ml.weights.fetching import FileStatus, cached_path, fetch, file_status, is_fetched, verify
from sunpy_ml.weights.loading import load, network_for, weights_path
from sunpy_ml.weights.registry import build_network
from sunpy_ml.weights.saving import read_weights_card, save_weights

__all__ = [
    "Card",
    "Confusion",
    "Domain",
    "DomainReport",
    "Facts",
    "FileSource",
    "FileStatus",
    "Input",
    "Metric",
    "Output",
    "Training",
    "build_network",
    "cached_path",
    "cite",
    "companion_path",
    "convert_weights",
    "describe",
    "fetch",
    "file_status",
    "get_card",
    "is_fetched",
    "list_weights",
    "load",
    "network_for",
    "output_constants",
    "read_card",
    "read_weights_card",
    "resolve",
    "save_weights",
    "verify",
    "weights_path",
]
