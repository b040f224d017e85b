"""``sunpy-ml info``."""

import argparse

from sunpy_ml.cli.common import Subcommands

__all__ = ["add_commands"]


def add_commands(commands: Subcommands) -> None:
    """Add ``info``."""
    info = commands.add_parser("info", help="versions, devices and weights, for a report of what went wrong")
    info.set_defaults(action=_info)


def _info(options: argparse.Namespace) -> int:
    from sunpy_ml import system_info

    print(system_info())
    return 0
