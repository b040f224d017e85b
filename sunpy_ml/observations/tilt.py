"""Interpolation to a grid that is exactly north up, for the networks that need one."""

import numpy as np
from astropy.wcs import WCS
from reproject import reproject_interp
from sunpy.map import GenericMap

from sunpy_ml.observations.headers import celestial_wcs

__all__ = ["without_tilt"]


def without_tilt(m: GenericMap) -> GenericMap:
    """A Map of the same class and sampling on a north-up grid that covers the given one.

    Corners that the given Map does not cover are masked. Values are interpolated bicubically; a new pixel is
    masked where the nearest given one is.
    """
    wcs = celestial_wcs(m)
    target = _north_up_grid(wcs, m.data.shape)
    invalid = ~np.isfinite(m.data) if m.mask is None else ~np.isfinite(m.data) | m.mask
    data, footprint = reproject_interp((np.where(invalid, 0, m.data), wcs), target, order="bicubic")
    masked, _ = reproject_interp((invalid.astype(np.float32), wcs), target, order="nearest-neighbor")
    outside = (footprint < 0.5) | ~(masked < 0.5) | ~np.isfinite(data)
    stale = {f"{key}{i}_{j}" for key in ("pc", "cd") for i in (1, 2) for j in (1, 2)} | {"crota1", "crota2"}
    meta = {key: value for key, value in m.meta.items() if key.lower() not in stale}
    for axis in (0, 1):
        meta[f"crpix{axis + 1}"] = float(target.wcs.crpix[axis])
        meta[f"cdelt{axis + 1}"] = float(target.wcs.cdelt[axis] * target.wcs.cunit[axis].to(m.spatial_units[axis]))
        meta[f"naxis{axis + 1}"] = target.array_shape[::-1][axis]
    return type(m)(np.where(outside, 0, data).astype(np.float32), meta, mask=outside)


def _north_up_grid(wcs: WCS, shape: tuple[int, int]) -> WCS:
    matrix = wcs.pixel_scale_matrix
    steps = np.hypot(matrix[0], matrix[1])
    corners = np.array([[0, 0, shape[1], shape[1]], [0, shape[0], 0, shape[0]]]) - (wcs.wcs.crpix - 0.5)[:, None]
    turned = (matrix @ corners) / steps[:, None]
    low, high = turned.min(axis=1), turned.max(axis=1)
    target = wcs.deepcopy()
    if target.wcs.has_cd():
        del target.wcs.cd
    target.wcs.pc = np.eye(2)
    target.wcs.cdelt = steps
    target.wcs.crpix = 0.5 - np.floor(low)
    columns, rows = np.ceil(high).astype(int) - np.floor(low).astype(int)
    target.array_shape = (int(rows), int(columns))
    target.wcs.set()
    return target
