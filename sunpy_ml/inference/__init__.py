"""Inference: devices, tiles, batches and dask. This foundation knows arrays and tensors only."""

from sunpy_ml.inference.devices import choose_device, choose_precision
from sunpy_ml.inference.lazy import run_lazy
from sunpy_ml.inference.optimise import fold, fold_batch_norm
from sunpy_ml.inference.run import run, run_tiled
from sunpy_ml.inference.tiles import Tile, plan_tiles
from sunpy_ml.inference.turns import turn_back, turns

__all__ = [
    "Tile",
    "choose_device",
    "choose_precision",
    "fold",
    "fold_batch_norm",
    "plan_tiles",
    "run",
    "run_lazy",
    "run_tiled",
    "turn_back",
    "turns",
]
