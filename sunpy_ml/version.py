"""The version of sunpy_ml, read without importing anything else of it."""

try:
    from sunpy_ml._version import version
except ImportError:
    # Not built here: the installed package, if there is one, knows.
    from importlib import metadata

    try:
        version = metadata.version("sunpy_ml")
    except metadata.PackageNotFoundError:
        version = "0+unknown"

__all__ = ["version"]
