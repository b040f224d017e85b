"""Cubes in files."""

import importlib
from pathlib import Path

from ndcube import NDCube

from sunpy_ml.exceptions import ObservationError

__all__ = ["read_cube"]


def read_cube(path: str | Path) -> NDCube:
    """The one NDCube in an ASDF file, as ``asdf.AsdfFile({"cube": cube}).write_to(path)`` writes it.

    Raises
    ------
    ImportError
        If asdf is not installed, which comes with the extra ``asdf``.
    ObservationError
        If there is no such file, or no NDCube in it, or several.

    Examples
    --------
    >>> from sunpy_ml.emergence.files import read_cube
    >>> read_cube("nowhere.asdf")
    Traceback (most recent call last):
    ...
    sunpy_ml.exceptions.ObservationError: cube: there is no file 'nowhere.asdf'.
    """
    path = Path(path)
    if path.suffix != ".asdf":
        raise ObservationError(
            f"cube: got {str(path)!r}, the name must end in '.asdf'; cut a cube out of FITS files of the full disk by "
            "sunpy_ml.emergence.patch_cube."
        )
    if not path.is_file():
        raise ObservationError(f"cube: there is no file {str(path)!r}.")
    try:
        asdf = importlib.import_module("asdf")
        importlib.import_module("asdf_astropy")
    except ImportError as error:
        raise ImportError(
            f"ASDF files need the package {error.name!r}, which comes with an extra of sunpy_ml; install it by "
            'pip install "sunpy_ml[asdf]".'
        ) from error
    try:
        # Nothing may be left to be read once the file is closed.
        with asdf.open(path, lazy_load=False, memmap=False) as file:
            cubes = [value for value in file.tree.values() if isinstance(value, NDCube)]
    except (OSError, ValueError) as error:
        raise ObservationError(f"cube: {str(path)!r} cannot be read as ASDF: {error}") from error
    if len(cubes) != 1:
        raise ObservationError(f"cube: {str(path)!r} holds {len(cubes)} NDCubes at its top; expected one.")
    return cubes[0]
