"""What several commands share."""

import argparse
import glob
from collections.abc import Sequence
from typing import Any

__all__ = ["Subcommands", "add_network_options", "expanded"]

#: What a module adds its commands to; argparse has no public name for it.
Subcommands = Any


def add_network_options(parser: argparse.ArgumentParser, *, precision: bool = True) -> None:
    """Add the options of every command that runs a network; ``precision`` where that can be chosen."""
    parser.add_argument("--weights", metavar="NAME", help="see 'sunpy-ml weights list'")
    parser.add_argument("--device", help="cpu, cuda, mps, ...; the best there is by default")
    if precision:
        parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--strict", action="store_true", help="refuse what lies outside the network's domain")


def expanded(patterns: Sequence[str]) -> list[str]:
    """The files that names, folders and glob patterns mean."""
    from sunpy_ml.observations import iterate_observations

    paths: list[str] = []
    for pattern in patterns:
        # A name without a match stays as it is, so that it is reported like any other file that cannot be read.
        for name in sorted(glob.glob(pattern, recursive=True)) or [pattern]:
            paths += [str(path) for path in iterate_observations(name)]
    return paths
