"""Training: a small Lightning module, splits by date, and scores with intervals.

Needs the extra ``train``: ``pip install "sunpy_ml[train]"``.
"""

from sunpy_ml.training.calibration import calibration_error, calibration_score, reliability
from sunpy_ml.training.cards import MARKER, complete_card
from sunpy_ml.training.comparing import TransferReport, transfer_report
from sunpy_ml.training.curves import learning_curves, plot_learning_curves
from sunpy_ml.training.datasets import FolderDataset, LabelledObservations, PatchDataset
from sunpy_ml.training.depth import stages
from sunpy_ml.training.evaluation import Evaluation, evaluate
from sunpy_ml.training.labelling import label_table
from sunpy_ml.training.merging import merge_label_tables
from sunpy_ml.training.metrics import class_scores, confusion_matrix, f1_scores, proportion_score, wilson_interval
from sunpy_ml.training.module import NetworkTraining, fit
from sunpy_ml.training.npz import NpzDataset, read_npz, write_npz
from sunpy_ml.training.outcome import observed_domain, save_figure, write_outcome
from sunpy_ml.training.perceptual import PerceptualLoss
from sunpy_ml.training.recipes import list_recipes, run_recipe
from sunpy_ml.training.splitting import every_tenth, last_dates, split_by_date
from sunpy_ml.training.temperature import fit_temperature
from sunpy_ml.training.threads import one_thread
from sunpy_ml.training.transferring import parameter_groups, transfer

__all__ = [
    "MARKER",
    "Evaluation",
    "FolderDataset",
    "LabelledObservations",
    "NetworkTraining",
    "NpzDataset",
    "PatchDataset",
    "PerceptualLoss",
    "TransferReport",
    "calibration_error",
    "calibration_score",
    "class_scores",
    "complete_card",
    "confusion_matrix",
    "evaluate",
    "every_tenth",
    "f1_scores",
    "fit",
    "fit_temperature",
    "label_table",
    "last_dates",
    "learning_curves",
    "list_recipes",
    "merge_label_tables",
    "observed_domain",
    "one_thread",
    "parameter_groups",
    "plot_learning_curves",
    "proportion_score",
    "read_npz",
    "reliability",
    "run_recipe",
    "save_figure",
    "split_by_date",
    "stages",
    "transfer",
    "transfer_report",
    "wilson_interval",
    "write_npz",
    "write_outcome",
]
