"""The command line: thin, and of the public functions only."""

from sunpy_ml.cli.program import main

__all__ = ["main"]
