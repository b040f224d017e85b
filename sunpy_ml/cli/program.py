"""The program: its commands, and how what goes wrong is told."""

import argparse
import sys
from collections.abc import Sequence

import sunpy_ml
from sunpy_ml.cli import classify, emergence, enhance, flow, info, making, weights

__all__ = ["main"]

# In the order of the help; each module adds its own.
_GROUPS = (classify, emergence, enhance, flow, making, weights, info)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``sunpy-ml``; the exit code is 0 only if all that was asked was done."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.action(options))
    except (ImportError, OSError, ValueError) as error:  # ours, a missing extra's and the file system's are for users
        print(f"sunpy-ml: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sunpy-ml", description="Deep learning for solar physics.")
    parser.add_argument("--version", action="version", version=f"sunpy-ml {sunpy_ml.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in _GROUPS:
        group.add_commands(commands)
    return parser
