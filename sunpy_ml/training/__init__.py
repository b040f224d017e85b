"""Training: a small Lightning module, splits by date, and scores with intervals.

Needs the extra ``train``: ``pip install "sunpy_ml[train]"``.
"""

from sunpy_ml.training.cards import MARKER, complete_card
from sunpy_ml.training.metrics import class_scores, confusion_matrix, proportion_score, wilson_interval
from sunpy_ml.training.module import NetworkTraining, fit
from sunpy_ml.training.splitting import split_by_date

__all__ = [
    "MARKER",
    "NetworkTraining",
    "class_scores",
    "complete_card",
    "confusion_matrix",
    "fit",
    "proportion_score",
    "split_by_date",
    "wilson_interval",
]
