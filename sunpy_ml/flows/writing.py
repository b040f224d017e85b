"""Velocity fields as files, and back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty
from astropy.time import Time
from astropy.wcs import WCS
from ndcube import NDCollection, NDCube

from sunpy_ml.observations import quiet_headers
from sunpy_ml.observations.unwrapping import fits_wcs

Array = npt.NDArray[Any]

__all__ = ["check_flow_path", "read_flow_file", "write_flow"]

_MASK, _UNCERTAINTY, _META = "_MASK", "_UNCERTAINTY", "META"
_KINDS = {kind(0).uncertainty_type: kind for kind in (StdDevUncertainty, VarianceUncertainty, InverseVariance)}
_ENDINGS = (".fits", ".asdf")


def write_flow(flow: NDCollection, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a velocity field as a FITS or ASDF file, from which `read_flow_file` gives it back.

    Parameters
    ----------
    flow : ndcube.NDCollection
        "vx" and "vy", and what else is there, as `~sunpy_ml.deepvel_flow` gives it. Not changed.
    path : str or pathlib.Path
        Ends in ``.fits`` or ``.asdf``. A FITS file has an image for each component, with its WCS, unit and times, one
        for each mask and each uncertainty that is attached, and a table of what made it. ASDF needs the packages of
        the extra ``asdf``.
    overwrite : bool
        Replace a file that is there.

    Raises
    ------
    ValueError
        If the name has another ending, if there is such a file, or if a WCS or an uncertainty has no place in FITS.
    ImportError
        If a package for ASDF is missing.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sunpy_ml.flows import read_flow_file, write_flow
    >>> from sunpy_ml.simulation import moving_granulation
    >>> velocity = moving_granulation(shape=(32, 48)).velocity
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "flow.fits"
    ...     write_flow(velocity, path)
    ...     read_flow_file(path)["vx"].shape
    (1, 32, 48)
    """
    path = check_flow_path(path, overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".asdf":
        _asdf().AsdfFile({"flow": flow}).write_to(path)
        return
    images = [image for name, cube in flow.items() for image in _images(str(name), cube)]
    fits.HDUList([fits.PrimaryHDU(), *images, _meta_table(flow)]).writeto(path, overwrite=True)


def check_flow_path(path: str | Path, *, overwrite: bool = False) -> Path:
    """Whether `write_flow` could write a file, to be asked before long work.

    Parameters
    ----------
    path, overwrite
        As of `write_flow`.

    Returns
    -------
    pathlib.Path
        The same path.

    Raises
    ------
    ValueError, ImportError
        As by `write_flow`.

    Examples
    --------
    >>> from sunpy_ml.flows import check_flow_path
    >>> check_flow_path("flow.txt")
    Traceback (most recent call last):
    ...
    ValueError: path: got 'flow.txt', the name must end in one of ('.fits', '.asdf').
    """
    path = Path(path)
    if path.suffix not in _ENDINGS:
        raise ValueError(f"path: got {str(path)!r}, the name must end in one of {_ENDINGS}.")
    if path.exists() and not overwrite:
        raise ValueError(f"path: there is a file {str(path)!r}; say overwrite=True to replace it.")
    if path.suffix == ".asdf":
        _asdf()
    return path


def read_flow_file(path: str | Path) -> NDCollection:
    """Read a velocity field that `write_flow` wrote.

    Parameters
    ----------
    path : str or pathlib.Path
        Ends in ``.fits`` or ``.asdf``.

    Returns
    -------
    ndcube.NDCollection
        As it was written.

    Raises
    ------
    ValueError
        If there is no such file, or none of a velocity field.
    ImportError
        If a package for ASDF is missing.

    Examples
    --------
    >>> from sunpy_ml.flows import read_flow_file
    >>> read_flow_file("nowhere.fits")
    Traceback (most recent call last):
    ...
    ValueError: path: there is no file 'nowhere.fits'.
    """
    path = Path(path)
    if path.suffix not in _ENDINGS:
        raise ValueError(f"path: got {str(path)!r}, the name must end in one of {_ENDINGS}.")
    if not path.is_file():
        raise ValueError(f"path: there is no file {str(path)!r}.")
    if path.suffix == ".asdf":
        with _asdf().open(path, lazy_load=False, memmap=False) as file:
            found = file.tree.get("flow")
        if not isinstance(found, NDCollection):
            raise ValueError(f"path: {str(path)!r} holds no velocity field.")
        for cube in found.values():
            # ASDF has lists for tuples.
            cube.meta.update({key: tuple(value) for key, value in cube.meta.items() if isinstance(value, list)})
        return found
    with fits.open(path, memmap=False) as file:
        if _META not in file or "VX" not in file or "VY" not in file:
            raise ValueError(f"path: {str(path)!r} holds no velocity field as write_flow writes it.")
        metas = {row["component"]: _decoded(row["meta"]) for row in file[_META].data}
        cubes = [(name, _cube(file, name, meta)) for name, meta in metas.items()]
    return NDCollection(cubes, aligned_axes="all")


def _asdf() -> Any:
    try:
        import asdf
        import asdf_astropy  # noqa: F401  (which knows what an astropy object is in such a file)
    except ImportError as error:
        raise ImportError(
            f"ASDF files need the package {error.name!r}, which comes with an extra of sunpy_ml; install it by "
            'pip install "sunpy_ml[asdf]", or write FITS.'
        ) from error
    return asdf


def _images(name: str, cube: NDCube) -> list[Any]:
    wcs = fits_wcs(cube.wcs.low_level_wcs)
    if wcs is None:
        raise ValueError(f"flow: the WCS of {name!r} is not one of FITS; write ASDF.")
    header = wcs.to_header()
    header["BUNIT"] = (cube.unit or u.dimensionless_unscaled).to_string("fits")
    images: list[Any] = [fits.ImageHDU(np.asarray(cube.data), header, name=name)]
    if cube.mask is not None:
        mask = np.broadcast_to(cube.mask, cube.data.shape).astype(np.uint8)
        images.append(fits.ImageHDU(mask, header, name=name + _MASK))
    if cube.uncertainty is not None:
        kind = cube.uncertainty.uncertainty_type
        if kind not in _KINDS:
            raise ValueError(f"flow: the uncertainty of {name!r} is of kind {kind!r}, not one of {list(_KINDS)}.")
        values = np.broadcast_to(cube.uncertainty.array, cube.data.shape)
        unit = {"BUNIT": u.Unit(cube.uncertainty.unit or "").to_string("fits"), "UTYPE": kind}
        images.append(fits.ImageHDU(values, fits.Header({**header, **unit}), name=name + _UNCERTAINTY))
    return images


def _cube(file: fits.HDUList, name: str, meta: dict[str, Any]) -> NDCube:
    image = file[name]
    with quiet_headers():
        wcs = WCS(image.header)
    mask = file[name + _MASK].data.astype(bool) if name + _MASK in file else None
    unit, uncertainty = u.Unit(image.header["BUNIT"]), None
    if name + _UNCERTAINTY in file:
        spread = file[name + _UNCERTAINTY]
        uncertainty = _KINDS[spread.header["UTYPE"]](_native(spread.data), unit=u.Unit(spread.header["BUNIT"]))
    return NDCube(_native(image.data), wcs=wcs, unit=unit, mask=mask, meta=meta, uncertainty=uncertainty)


def _native(data: Array) -> Array:
    """In native byte order, which FITS files do not have."""
    return data.astype(data.dtype.newbyteorder("="))


def _meta_table(flow: NDCollection) -> fits.BinTableHDU:
    """What the components tell of themselves, in words, since much of it has no place in a header."""
    names = [str(name) for name in flow]
    words = [json.dumps(_encoded(dict(cube.meta or {})), sort_keys=True) for cube in flow.values()]
    columns = [
        fits.Column(label, f"{max(map(len, values))}A", array=np.array(values))
        for label, values in (("component", names), ("meta", words))
    ]
    return fits.BinTableHDU.from_columns(columns, name=_META)


def _encoded(value: Any) -> Any:
    if isinstance(value, u.Quantity):
        return {"value": value.value.tolist(), "unit": value.unit.to_string()}
    if isinstance(value, Time):
        return {"time": value.utc.isot}
    if isinstance(value, Mapping):
        return {"mapping": {str(key): _encoded(one) for key, one in value.items()}}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_encoded(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _decoded(words: str) -> dict[str, Any]:
    found = _plain(json.loads(words))
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_plain(one) for one in value)
    if not isinstance(value, dict):
        return value
    if "mapping" in value:
        return {key: _plain(one) for key, one in value["mapping"].items()}
    return Time(value["time"]) if "time" in value else u.Quantity(value["value"], value["unit"])
