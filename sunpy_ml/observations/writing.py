"""Writing: a Map to a compressed FITS file that gives it back."""

import copy
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from sunpy.map import GenericMap
from sunpy.util.exceptions import SunpyMetadataWarning

from sunpy_ml.exceptions import ObservationError

__all__ = ["FITS_ENDINGS", "write_map"]

#: How the names of files end that are written.
FITS_ENDINGS = (".fits", ".fit", ".fts", ".fits.fz", ".fits.gz")

# What describes not an image but the file that it was read from: form, extension, checksums, and tiled compression.
_OF_THE_FILE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|BLANK|EXTNAME|EXTVER|EXTLEVEL|INHERIT|"
    r"(CHECK|DATA|HEAD|ZHECK|ZDATA)SUM|TFIELDS|THEAP|(TTYPE|TFORM|ZNAXIS|ZTILE|ZNAME|ZVAL)\d+|"
    r"Z(IMAGE|TENSION|SIMPLE|EXTEND|BITPIX|NAXIS|PCOUNT|GCOUNT|BLOCKED|CMPTYPE|MASKCMP|QUANTIZ|DITHER0|BLANK|SCALE|ZERO)"
)


def write_map(m: GenericMap, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a Map as a FITS file, compressed without loss.

    Parameters
    ----------
    m : sunpy.map.GenericMap
        Not changed. Its masked pixels are written as NaN, so that whoever reads the file knows them, and floating-point
        data lose nothing else. Its meta that FITS cannot hold, and its uncertainty, are left behind.
    path : str or pathlib.Path
        Ends in ``.fits``, ``.fit``, ``.fts``, ``.fits.fz`` or ``.fits.gz``.
    overwrite : bool
        Replace a file that is there.

    Raises
    ------
    ObservationError
        If the name has another ending, if there is such a file, or if masked pixels hold integers, which have no NaN.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sunpy_ml.observations import as_map, write_map
    >>> from sunpy_ml.simulation import halpha_scene
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "scene.fits"
    ...     write_map(halpha_scene("quiet", shape=(32, 32)), path)
    ...     as_map(path).data.shape
    (32, 32)
    """
    path = Path(path)
    if not path.name.lower().endswith(FITS_ENDINGS):
        raise ObservationError(f"path: got {str(path)!r}, the name must end in {', '.join(FITS_ENDINGS)}.")
    if path.exists() and not overwrite:
        raise ObservationError(f"path: there is a file {str(path)!r}; say overwrite=True to replace it.")
    with warnings.catch_warnings():
        # What FITS cannot hold is left behind, as the docstring says.
        warnings.simplefilter("ignore", SunpyMetadataWarning)
        header = m.fits_header
    for keyword in {keyword for keyword in header if _OF_THE_FILE.fullmatch(keyword)}:
        header.remove(keyword, remove_all=True)
    image = fits.CompImageHDU(_with_gaps(m), header, compression_type="GZIP_2", quantize_level=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path, overwrite=True)


def _with_gaps(m: GenericMap) -> Any:
    data = np.asarray(m.data)
    if m.mask is None or not np.any(m.mask):
        return data
    if data.dtype.kind != "f":
        raise ObservationError(f"data: masked pixels become NaN, which {data.dtype} has not; convert them to float32.")
    data = copy.copy(data)
    data[np.asarray(m.mask, dtype=bool)] = np.nan
    return data
