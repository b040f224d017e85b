"""Simulations as FITS files, from which Maps and NDCubes can be made again."""

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from ndcube import NDCube
from sunpy.coordinates import Helioprojective
from sunpy.map import GenericMap

from sunpy_ml.observations import new_map
from sunpy_ml.simulation.convection import convection_run
from sunpy_ml.simulation.halpha import halpha_scene, two_ribbon_flare
from sunpy_ml.simulation.motion import moving_granulation
from sunpy_ml.simulation.photosphere import photosphere_scene
from sunpy_ml.version import version

__all__ = ["write_simulation"]

# Granules, after the time that they need to form, in 17 s of one core: to look at, not to train with.
_SMALL_CONVECTION: Mapping[str, Any] = MappingProxyType(
    {
        "duration": 2 * u.min,
        "spin_up": 14 * u.min,
        "cadence": 20 * u.s,
        "shape": (32, 40, 40),
        "cell": (60, 150, 150) * u.km,
        "depths": (1.0,),
    }
)


def write_simulation(
    name: str,
    out: str | os.PathLike[str],
    *,
    kind: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    **options: Any,
) -> list[Path]:
    """
    Simulate, and write FITS files.

    Parameters
    ----------
    name : {"convection", "flare", "halpha", "motion", "photosphere"}
        What to simulate, see the notes.
    out : str or path
        The file, ending in ``.fits``. A simulation of several images puts what each shows behind the name:
        ``spot.fits`` becomes ``spot_continuum.fits`` and ``spot_magnetogram.fits``. Folders are made.
    kind : str, optional
        The kind of scene, of "halpha" and "photosphere", or of motion, of "motion".
    seed : int, optional
        The same seed gives the same simulation.
    overwrite : bool, optional
        Whether files may be replaced.
    **options
        Other arguments of the function that simulates, such as ``shape``.

    Returns
    -------
    list of `~pathlib.Path`
        The files.

    Raises
    ------
    ValueError
        If there is no such simulation or option, if ``seed`` is negative, if ``out`` does not end in ``.fits``, or as
        the function that simulates says.
    FileExistsError
        If a file is there already, and ``overwrite`` is false. Nothing is simulated then.

    Notes
    -----
    The simulations and their files are

    * "halpha": a Map by `~sunpy_ml.simulation.halpha.halpha_scene`
    * "flare": the Maps ``image`` and ``ribbons`` (1 in them, 0 elsewhere), of
      `~sunpy_ml.simulation.halpha.two_ribbon_flare` in a quiet field at the middle of the disk
    * "photosphere": the Maps ``continuum`` and ``magnetogram`` by
      `~sunpy_ml.simulation.photosphere.photosphere_scene`
    * "motion": the cubes ``frames``, ``vx`` and ``vy`` by `~sunpy_ml.simulation.motion.moving_granulation`
    * "convection": the cubes ``intensity``, and ``vx``, ``vy``, ``vz``, ``temperature`` at the largest optical depth,
      by `~sunpy_ml.simulation.convection.convection_run`; unless options say otherwise this is a small run of two
      minutes, after fourteen that granules take to form

    A Map is saved as such. A cube (time, y, x) is the image of the first HDU, with its coordinates and times in the
    header, its unit in ``BUNIT``, and NaN where it was masked. HISTORY tells what was asked for.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import sunpy.map
    >>> from sunpy_ml.simulation import write_simulation
    >>> temporary = tempfile.TemporaryDirectory()
    >>> out = Path(temporary.name) / "pores.fits"
    >>> paths = write_simulation("photosphere", out, kind="pores", shape=(128, 128), seed=3)
    >>> [path.name for path in paths]
    ['pores_continuum.fits', 'pores_magnetogram.fits']
    >>> sunpy.map.Map(paths[1]).unit
    Unit("G")
    >>> temporary.cleanup()
    """
    if name not in _SIMULATIONS:
        raise ValueError(f"name is {name!r}: choose one of {', '.join(sorted(_SIMULATIONS))}")
    if seed < 0:
        raise ValueError(f"seed is {seed}: give a whole number from 0")
    simulation = _SIMULATIONS[name]
    chosen = _chosen(name, simulation, kind, options)
    paths = _paths(Path(out), simulation.parts, overwrite)
    parts = simulation.make(seed=seed, **chosen)
    history = _history(name, seed, chosen)
    for part, path in zip(parts, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(part, NDCube):
            _write_cube(part, path, history, overwrite)
        else:
            new_map(part, part.data, history=[history]).save(path, overwrite=overwrite)
    return paths


class _Simulation(NamedTuple):
    """How to simulate, what comes out, which options there are, which of them is the kind, and what else is usual."""

    make: Callable[..., list[GenericMap | NDCube]]
    parts: tuple[str, ...]
    options: tuple[str, ...]
    kind: str | None = None
    usual: Mapping[str, Any] = MappingProxyType({})


def _halpha(**options: Any) -> list[GenericMap]:
    return [halpha_scene(**options)]


def _flare(*, seed: int, **options: Any) -> list[GenericMap]:
    # A flare is drawn without foreshortening.
    middle = SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=Helioprojective)
    quiet = halpha_scene("quiet", center=middle, seed=seed, **options)
    rng = np.random.default_rng([seed, 1])
    flare = two_ribbon_flare(quiet.data, scale=quiet.scale.axis1, rng=rng)
    image = new_map(quiet, flare.image)
    ribbons = new_map(quiet, flare.ribbons.astype(np.uint8), unit=u.dimensionless_unscaled)
    ribbons.meta["content"] = "flare ribbons"
    for each in (image, ribbons):
        each.meta["features"] = "flares"
        each.meta["origin"] = "sunpy_ml.simulation.two_ribbon_flare"
    return [image, ribbons]


def _photosphere(**options: Any) -> list[GenericMap]:
    return list(photosphere_scene(**options))


def _motion(**options: Any) -> list[NDCube]:
    made = moving_granulation(**options)
    return [made.frames, made.velocity["vx"], made.velocity["vy"]]


def _convection(**options: Any) -> list[NDCube]:
    run = convection_run(**options)
    surface = max(run.depths)
    return [run.intensity, *(run.field(name, surface) for name in ("vx", "vy", "vz", "temperature"))]


def _options(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(function).parameters if name not in ("kind", "seed"))


_SIMULATIONS: Mapping[str, _Simulation] = {
    "convection": _Simulation(
        _convection,
        ("intensity", "vx", "vy", "vz", "temperature"),
        _options(convection_run),
        usual=_SMALL_CONVECTION,
    ),
    "flare": _Simulation(_flare, ("image", "ribbons"), ("scale", "shape", "time")),
    "halpha": _Simulation(_halpha, ("",), _options(halpha_scene), "kind"),
    "motion": _Simulation(_motion, ("frames", "vx", "vy"), _options(moving_granulation), "motion"),
    "photosphere": _Simulation(_photosphere, ("continuum", "magnetogram"), _options(photosphere_scene), "kind"),
}


def _chosen(name: str, simulation: _Simulation, kind: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for the function that simulates."""
    unknown = sorted(set(options) - set(simulation.options))
    if unknown:
        raise ValueError(f"options are {', '.join(unknown)}: {name} takes {', '.join(simulation.options)}")
    chosen = {**simulation.usual, **options}
    if kind is None:
        return chosen
    if simulation.kind is None:
        raise ValueError(f"kind is {kind!r}: {name} is of one kind, leave it out")
    return {**chosen, simulation.kind: kind}


def _paths(out: Path, parts: tuple[str, ...], overwrite: bool) -> list[Path]:
    if out.suffix != ".fits":
        raise ValueError(f"out is {str(out)!r}: give the name of a file that ends in .fits")
    paths = [out.with_stem(f"{out.stem}_{part}") if part else out for part in parts]
    there = [str(path) for path in paths if path.exists()]
    if there and not overwrite:
        raise FileExistsError(f"out is {str(out)!r}: choose another name, or overwrite {', '.join(there)}")
    return paths


def _history(name: str, seed: int, options: Mapping[str, Any]) -> str:
    told = [f"seed {seed}"]
    for option, value in options.items():
        # An image or a card is too long for a header.
        short = isinstance(value, str | int | float | tuple | u.Quantity) and np.size(value) < 4
        told.append(f"{option} {value if short else 'given'}")
    return f"sunpy_ml {version}: simulation {name}, {', '.join(told)}"


def _write_cube(cube: NDCube, path: Path, history: str, overwrite: bool) -> None:
    header = cube.wcs.to_header()
    # astropy warns where it has to work the day out from the date.
    header["MJD-OBS"] = Time(header["DATE-OBS"], scale="utc").mjd
    header["BUNIT"] = _unit(cube.unit)
    for name, value in cube.meta.items():
        keyword = name.upper() if len(name) <= 8 else f"HIERARCH {name.upper()}"
        if value is None or keyword in header:
            continue
        header[keyword] = (value.value, f"[{value.unit}]") if isinstance(value, u.Quantity) else value
    header.add_history(history)
    data = cube.data if cube.mask is None else np.where(cube.mask, np.nan, cube.data)
    fits.PrimaryHDU(data, header).writeto(path, overwrite=overwrite)


def _unit(unit: u.UnitBase | None) -> str:
    """Return a unit as headers have it; the standard does not know DN, which all solar instruments use."""
    if unit is None:
        return ""
    return str(unit) if unit == u.DN else str(unit.to_string("fits"))
