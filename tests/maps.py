"""Real Maps with real headers of every awkward kind, for all the tests."""

from typing import Any

import numpy as np
from sunpy.map import GenericMap, Map

BASE = {
    "ctype1": "HPLN-TAN",
    "ctype2": "HPLT-TAN",
    "cunit1": "arcsec",
    "cunit2": "arcsec",
    "crval1": 120.0,
    "crval2": -250.0,
    "date-obs": "2014-10-24T12:00:00",
    "hgln_obs": 0.0,
    "hglt_obs": 5.0,
    "dsun_obs": 1.49e11,
    "rsun_ref": 6.957e8,
    "wavelnth": 6562.8,
    "waveunit": "Angstrom",
    "bunit": "DN",
    "telescop": "Test",
    "instrume": "Test",
}


def random_image(shape=(60, 80), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1000, 50, shape)


def make_map(data=None, **header: Any) -> GenericMap:
    """A helioprojective H-alpha Map at 1 arcsec per pixel, with ``header`` on top; None removes a keyword."""
    kwargs = {key: header.pop(key) for key in ("mask", "uncertainty", "plot_settings") if key in header}
    data = random_image() if data is None else data
    rows, columns = data.shape[-2:]
    meta = {"cdelt1": 1.0, "cdelt2": 1.0, "crpix1": (columns + 1) / 2, "crpix2": (rows + 1) / 2, **BASE}
    meta |= {key.replace("__", "-"): value for key, value in header.items()}
    return Map(data, {key: value for key, value in meta.items() if value is not None}, **kwargs)


def rotated_header(angle: float, form: str, cdelt=(1.0, 1.0)) -> dict[str, Any]:
    """The same rotation as CROTA2, as a PC matrix or as a CD matrix."""
    if form == "crota":
        return {"cdelt1": cdelt[0], "cdelt2": cdelt[1], "crota2": angle}
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    ratio = cdelt[1] / cdelt[0]
    pc = np.array([[cosine, -sine * ratio], [sine / ratio, cosine]])
    if form == "pc":
        names, matrix = "pc", pc
        header = {"cdelt1": cdelt[0], "cdelt2": cdelt[1]}
    else:
        names, matrix = "cd", pc * np.array(cdelt)[:, np.newaxis]
        header = {"cdelt1": None, "cdelt2": None}
    return header | {f"{names}{i + 1}_{j + 1}": float(matrix[i, j]) for i in (0, 1) for j in (0, 1)}


def corners_and_centre(wcs, shape) -> np.ndarray:
    """World coordinates, in arcsec, of the corners of the image and its centre, sorted so that turns do not matter."""
    rows, columns = shape
    x = np.array([0, 0, columns, columns, columns / 2]) - 0.5
    y = np.array([0, rows, 0, rows, rows / 2]) - 0.5
    world = np.stack(
        [
            np.asarray(value) * unit_to_arcsec(unit)
            for value, unit in zip(wcs.pixel_to_world_values(x, y), wcs.world_axis_units, strict=True)
        ],
        axis=1,
    )
    world = (world + 180 * 3600) % (360 * 3600) - 180 * 3600
    return world[np.lexsort(np.round(world, 3).T)]


def unit_to_arcsec(unit: str) -> float:
    import astropy.units as u

    return u.Unit(unit).to("arcsec")
