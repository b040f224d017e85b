"""The public function: a run of convection, from start or from a restart file to cubes."""

import os
from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np
import torch
from astropy.time import Time
from sunpy.time import parse_time
from tqdm.auto import tqdm

from sunpy_ml.simulation.convection.box import Box, Frame, start_box
from sunpy_ml.simulation.convection.card import ConvectionCard
from sunpy_ml.simulation.convection.restart import read_restart, write_restart
from sunpy_ml.simulation.convection.result import ConvectionRun
from sunpy_ml.simulation.convection.stepping import Grid

__all__ = ["convection_run"]

# The boundaries and slopes of the finite volumes need this many cells.
_FEWEST = 4
# The card's atmosphere does not reach further.
_DEEPEST = 4 * u.Mm


@u.quantity_input
def convection_run(
    duration: u.Quantity[u.s] = 20 * u.min,
    *,
    spin_up: u.Quantity[u.s] = 0 * u.min,
    cadence: u.Quantity[u.s] = 20 * u.s,
    shape: tuple[int, int, int] = (64, 64, 64),
    cell: u.Quantity[u.km] = (30, 150, 150) * u.km,
    depths: Sequence[float] = (1.0, 0.1, 0.01),
    card: ConvectionCard | None = None,
    seed: int = 0,
    restart: str | os.PathLike[str] | None = None,
    save: str | os.PathLike[str] | None = None,
    time: Any = "2020-01-01",
    device: str | torch.device = "cpu",
    compiled: bool = False,
    progress: bool = False,
) -> ConvectionRun:
    """
    Simulate convection at the surface of a solar-like star.

    The equations of an ideal gas in a box with gravity, heated from below and cooled by grey radiation at its surface,
    are solved in three dimensions. After ten minutes of the Sun's time there are granules, with bright upflows and
    dark lanes of downflow.

    Parameters
    ----------
    duration : `~astropy.units.Quantity`
        Time that is observed, rounded to whole frames.
    spin_up : `~astropy.units.Quantity`, optional
        Time before that, without frames. Convection needs 20 minutes or more to forget how it began.
    cadence : `~astropy.units.Quantity`, optional
        Time between frames. It is also how often the flow of the whole box is damped.
    shape : tuple of int, optional
        Number of cells along z, y and x.
    cell : `~astropy.units.Quantity`, optional
        Size of a cell along z, y and x. The top of the box is where the card says; its depth follows from ``shape``.
    depths : sequence of float, optional
        Optical depths of the surfaces on which velocities and temperature are taken.
    card : `ConvectionCard`, optional
        The parameters; not together with ``restart``, whose file holds them.
    seed : int, optional
        Of the disturbance that starts convection.
    restart : path, optional
        A file that ``save`` has written, from which to go on; ``shape``, ``cell`` and ``seed`` are then its own.
    save : path, optional
        Where to write a restart file, after each twentieth frame and at the end.
    time : str, `~astropy.time.Time` or `~datetime.datetime`, optional
        Date of the beginning, anything that `sunpy.time.parse_time` reads.
    device : str or `torch.device`, optional
        Where to compute.
    compiled : bool, optional
        Whether `torch.compile` fuses the arithmetic. On a CPU it needs a C++ compiler, half a minute to begin, and is
        then several times faster.
    progress : bool, optional
        Whether to show a progress bar.

    Returns
    -------
    `ConvectionRun`
        Intensity, velocities and temperatures as cubes (time, y, x), float32, and their figures.

    Raises
    ------
    ValueError
        If a time, ``shape``, ``cell`` or ``depths`` cannot be, if ``card`` comes together with ``restart``, or if
        the file is no restart file.
    FileNotFoundError
        If there is no file ``restart``.
    FloatingPointError
        If the numbers break down, which coarse or very flat cells can do.
    astropy.units.UnitsError
        If a time or ``cell`` has other units.

    Notes
    -----
    Finite volumes with monotonised central slopes, HLLC fluxes and Heun's method; radiation along the vertical in two
    streams, with an opacity like that of H-minus; periodic sides, a closed top with an absorbing layer, and an open
    bottom where gas comes in with one entropy. The gas neither ionises nor sees wavelengths: the result is solar-like,
    not the Sun. Vögler et al. 2005 (doi:10.1051/0004-6361:20041507) and Nordlund, Stein & Asplund 2009
    (doi:10.12942/lrsp-2009-2) tell what realistic simulations add.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.convection import convection_run
    >>> run = convection_run(20 * u.s, cadence=10 * u.s, shape=(24, 16, 16), cell=(60, 200, 200) * u.km)
    >>> run.intensity.data.shape
    (2, 16, 16)
    >>> run.field("vz", depth=0.1).unit
    Unit("m / s")
    """
    count, step = _count(duration, cadence, "duration"), float(cadence.to_value(u.s))
    skipped = _count(spin_up, cadence, "spin_up", fewest=0)
    levels = _checked_depths(depths)
    epoch = parse_time(time)
    place = torch.device(device)
    with torch.inference_mode():
        if restart is None:
            grid = _checked_grid(shape, cell)
            box = start_box(grid, card or ConvectionCard(), seed, device=place, compiled=compiled)
        elif card is None:
            box = read_restart(restart, device=place, compiled=compiled)
        else:
            raise ValueError(f"card is {card}, and restart {str(restart)!r} has its own: leave one out")
        seconds, frames = _observed(box, (skipped, count), step, levels, save, progress)
    return _result(box, seconds, frames, levels, epoch)


def _observed(
    box: Box,
    counts: tuple[int, int],
    step: float,
    depths: tuple[float, ...],
    save: str | os.PathLike[str] | None,
    progress: bool,
) -> tuple[list[float], list[Frame]]:
    """Advance the box through the steps to skip and those to observe; return times and frames of the latter."""
    skipped, count = counts
    seconds, frames = [], []
    for number in tqdm(range(skipped + count), desc="convection", unit="frame", disable=not progress):
        box.advance(step)
        if number >= skipped:
            seconds.append(box.time)
            frames.append(box.observe(depths))
        if save is not None and (number % 20 == 19 or number == skipped + count - 1):
            write_restart(save, box)
    return seconds, frames


def _result(
    box: Box, seconds: list[float], frames: list[Frame], depths: tuple[float, ...], epoch: Time
) -> ConvectionRun:
    return ConvectionRun(
        intensity_values=np.stack([frame.intensity for frame in frames]),
        surface_values=np.stack([frame.surfaces for frame in frames]),
        flux=np.array([frame.flux for frame in frames]) * (u.W / u.m**2),
        seconds=np.array(seconds) * u.s,
        depths=depths,
        pixel=np.array(box.physics.grid.cell[1:]) * u.m,
        epoch=epoch,
        card=box.physics.card,
    )


def _count(duration: u.Quantity, cadence: u.Quantity, name: str, fewest: int = 1) -> int:
    if not cadence.isscalar or not np.isfinite(cadence) or cadence <= 0 * u.s:
        raise ValueError(f"cadence is {cadence}: give a time above zero")
    if not duration.isscalar or not np.isfinite(duration):
        raise ValueError(f"{name} is {duration}: give one finite time")
    count = round(float((duration / cadence).to_value(u.one)))
    if count < fewest:
        raise ValueError(f"{name} is {duration}: give at least {fewest * cadence}, or a shorter cadence")
    return count


def _checked_depths(depths: Sequence[float]) -> tuple[float, ...]:
    levels = tuple(float(depth) for depth in depths)
    if not levels or not all(0.003 <= level <= 100 for level in levels):
        raise ValueError(f"depths is {depths}: give optical depths between 0.003 and 100, which the box contains")
    return levels


def _checked_grid(shape: tuple[int, int, int], cell: u.Quantity) -> Grid:
    if len(shape) != 3 or min(shape) < _FEWEST:
        raise ValueError(f"shape is {shape}: give the number of cells along z, y and x, at least {_FEWEST} of each")
    if cell.shape != (3,) or not np.all(np.isfinite(cell)) or np.any(cell <= 0 * u.km):
        raise ValueError(f"cell is {cell}: give the sizes along z, y and x")
    layers, rows, columns = (int(number) for number in shape)
    height, south, west = (float(size) for size in cell.to_value(u.m))
    if layers * height * u.m > _DEEPEST:
        raise ValueError(f"shape[0] is {layers} and cell[0] {cell[0]}: the box can be {_DEEPEST} high")
    return Grid((layers, rows, columns), (height, south, west))
