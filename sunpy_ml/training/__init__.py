"""Training: a small Lightning module, splits by date, and scores with intervals.

Needs the extra ``train``: ``pip install "sunpy_ml[train]"``.
"""

from sunpy_ml.training.cards import MARKER, complete_card
from sunpy_ml.training.metrics import class_scores, confusion_matrix, proportion_score, wilson_interval
from sunpy_ml.training.module import NetworkTraining, fit
from sunpy_ml.training.perceptual import PerceptualLoss
from sunpy_ml.training.splitting import split_by_date
from sunpy_ml.training.stages import stages
from sunpy_ml.training.transfer import parameter_groups, transfer
from sunpy_ml.training.transfer_report import TransferReport, transfer_report

__all__ = [
    "MARKER",
    "NetworkTraining",
    "PerceptualLoss",
    "TransferReport",
    "class_scores",
    "complete_card",
    "confusion_matrix",
    "fit",
    "parameter_groups",
    "proportion_score",
    "split_by_date",
    "stages",
    "transfer",
    "transfer_report",
    "wilson_interval",
]
