"""``sunpy-ml train`` and ``sunpy-ml simulate``."""

import argparse
from pathlib import Path

from sunpy_ml.cli.common import Subcommands

__all__ = ["add_commands"]


def add_commands(commands: Subcommands) -> None:
    """Add ``train`` and ``simulate``."""
    train = commands.add_parser("train", help="make weights by a recipe, with card and learning curves")
    train.add_argument("recipe", metavar="RECIPE", help="such as halpha or slic")
    train.add_argument("--data", type=Path, metavar="DIR", help="folder of the training data")
    train.add_argument("--out", type=Path, metavar="DIR", default=Path(), help="folder of the outcome")
    train.add_argument("--epochs", type=int, metavar="N")
    train.add_argument("--seed", type=int, metavar="S")
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the folder")
    train.set_defaults(action=_train)

    simulate = commands.add_parser("simulate", help="write simulated observations, with what is true of them")
    simulate.add_argument("name", metavar="NAME", help="convection, flare, halpha, motion or photosphere")
    simulate.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT.fits", help="several images put their names behind it"
    )
    simulate.add_argument("--kind", metavar="KIND", help="such as filaments, of halpha, or plage, of photosphere")
    simulate.add_argument("--seed", type=int, default=0, metavar="S")
    simulate.add_argument("--shape", type=int, nargs="+", metavar="N", help="rows and columns; layers first, if it has")
    simulate.add_argument("--overwrite", action="store_true", help="replace files that are there")
    simulate.set_defaults(action=_simulate)


def _train(options: argparse.Namespace) -> int:
    from sunpy_ml.training import run_recipe

    arguments = {name: getattr(options, name) for name in ("data", "out", "epochs", "seed", "resume")}
    print(run_recipe(options.recipe, **arguments))
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from sunpy_ml.simulation import write_simulation

    arguments = {name: getattr(options, name) for name in ("kind", "seed", "overwrite")}
    if options.shape is not None:
        arguments["shape"] = tuple(options.shape)
    for path in write_simulation(options.name, options.output, **arguments):
        print(path)
    return 0
