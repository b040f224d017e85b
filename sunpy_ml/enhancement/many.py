"""Many files enhanced, one after another: the function `enhance_files`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import QTable
from tqdm.auto import tqdm

from sunpy_ml.enhancement.task import enhance_hmi
from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import new_map, write_map

__all__ = ["enhance_files"]


def enhance_files(
    paths: Iterable[str | Path],
    folder: str | Path,
    *,
    names: Sequence[str] | None = None,
    overwrite: bool = False,
    deviations: bool = False,
    progress: bool = True,
    **options: Any,
) -> QTable:
    """Enhance FITS files, and write each result as a compressed FITS file of the same name.

    Parameters
    ----------
    paths : iterable of str or pathlib.Path
        Of files of which each holds one image.
    folder : str or pathlib.Path
        To write to; it is made where there is none.
    names : sequence of str, optional
        Of the files to write, one for each; by default those of the files that are read, ending in ``.fits``.
    overwrite : bool
        Replace files that are there.
    deviations : bool
        Write the standard deviations, too, as ``<name>.sigma.fits``.
    progress : bool
        Show a bar when the work lasts longer than two seconds.
    **options
        Of `~sunpy_ml.enhance_hmi`.

    Returns
    -------
    astropy.table.QTable
        A row for each file: ``source``, the ``output`` written, ``consrms`` (rms of what HMI would see of the result
        less what it saw, in the unit of the image) and ``error``, empty where all went well. A file that fails does not
        stop the others.

    Raises
    ------
    ObservationError
        If two of the files have the same name, or there is none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sunpy_ml.enhancement import enhance_files
    >>> from sunpy_ml.observations import write_map
    >>> from sunpy_ml.optics import degrade
    >>> from sunpy_ml.simulation.photosphere import photosphere_scene
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "pores.fits"
    ...     write_map(degrade(photosphere_scene("pores", shape=(300, 300)).continuum), path)
    ...     table = enhance_files([path], pathlib.Path(folder) / "sharp")
    >>> pathlib.Path(table["output"][0]).name, bool(table["error"][0])
    ('pores.fits', False)
    """
    sources = [Path(path) for path in paths]
    names = [f"{_stem(source)}.fits" for source in sources] if names is None else names
    if len(names) != len(sources):
        raise ObservationError(f"names: got {len(names)} for {len(sources)} files.")
    outputs = [Path(folder) / name for name in names]
    twice = sorted({output.name for output in outputs if outputs.count(output) > 1})
    if twice or not sources:
        raise ObservationError(f"paths: got {len(sources)} files; each needs a name of its own, not so {twice}.")
    rows = []
    for source, output in tqdm(list(zip(sources, outputs, strict=True)), disable=not progress, delay=2.0, leave=False):
        try:
            rms = _enhance_file(source, output, overwrite, deviations, options)
        except Exception as error:
            # Whatever is wrong with one file of thousands must not cost the others.
            rows.append((str(source), "", np.nan, f"{type(error).__name__}: {error}"))
        else:
            rows.append((str(source), str(output), rms, ""))
    return QTable(rows=rows, names=("source", "output", "consrms", "error"))


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".fz").rpartition(".")[0] or path.name


def _enhance_file(source: Path, output: Path, overwrite: bool, deviations: bool, options: dict[str, Any]) -> float:
    if output.exists() and output.samefile(source):
        raise ObservationError(f"output: {str(output)!r} is the file that is read; choose another name or folder.")
    if output.exists() and not overwrite:
        # Before the work, not after it.
        raise ObservationError(f"output: there is a file {str(output)!r}; choose overwrite to replace it.")
    result = enhance_hmi(source, progress=False, **options)
    write_map(result, output, overwrite=overwrite)
    if deviations:
        if result.uncertainty is None:
            raise ObservationError("deviations: these weights tell none; choose uncertainty='ensemble'.")
        deviation = new_map(result, result.uncertainty.array, unit=result.unit)
        write_map(deviation, output.with_name(f"{_stem(output)}.sigma.fits"), overwrite=overwrite)
    return float(result.meta["consrms"])
