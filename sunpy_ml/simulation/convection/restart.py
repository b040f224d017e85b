"""Files from which a run goes on."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from sunpy_ml.simulation.convection.box import Box, make_physics
from sunpy_ml.simulation.convection.card import ConvectionCard
from sunpy_ml.simulation.convection.stepping import Grid
from sunpy_ml.simulation.convection.stratification import initial_stratification

_KIND = "sunpy_ml convection restart 1"


def write_restart(path: str | os.PathLike[str], box: Box) -> None:
    """
    Write the gas of a box, its time and its parameters into a safetensors file.

    The file appears whole or not at all, so that a run that is stopped while writing can still go on from the one
    before.
    """
    grid = box.physics.grid
    header = {
        "kind": _KIND,
        "time": repr(box.time),
        "cell": json.dumps(grid.cell),
        "card": json.dumps(asdict(box.physics.card)),
    }
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    save_file({"state": box.state.cpu().contiguous()}, partial, metadata=header)
    partial.replace(path)


def read_restart(path: str | os.PathLike[str], *, device: torch.device, compiled: bool) -> Box:
    """
    Return the box that a restart file holds.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a restart file of a convection run.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"restart is {str(path)!r}, which is no file: give one that save= has written")
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if header.get("kind") != _KIND:
            raise ValueError(
                f"restart is {str(path)!r}, which no convection run wrote: give one that save= has written"
            )
        state = file.get_tensor("state")
    card = ConvectionCard(**json.loads(header["card"]))
    layers, rows, columns = state.shape[1:]
    height, south, west = json.loads(header["cell"])
    grid = Grid((layers, rows, columns), (height, south, west))
    atmosphere = initial_stratification(layers, height, card)
    physics = make_physics(grid, card, atmosphere, device=device, compiled=compiled)
    return Box(physics, state.to(device), float(header["time"]))
