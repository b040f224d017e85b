"""Velocity fields of a known form, for all the tests of flows."""

import astropy.units as u
import numpy as np
from astropy.wcs import WCS
from ndcube import NDCollection, NDCube


def grid(shape=(48, 64), step=((100.0, 0.0), (0.0, 100.0))):
    """Solar x and y in km of the pixels, counted from the middle of the field."""
    rows, columns = np.indices(shape) - (np.array(shape)[:, None, None] - 1) / 2
    return np.einsum("ij,jyx->iyx", np.array(step), np.stack([columns, rows]))


def flow_of(velocity, step=((100.0, 0.0), (0.0, 100.0)), cadence=60.0, mask=None, celestial=False, **meta):
    """A collection of vx and vy in km/s, (time, 2, y, x), on pixels of 100 km unless told otherwise."""
    velocity = np.asarray(velocity, dtype=float)
    wcs = WCS(naxis=3)
    rows, columns = velocity.shape[2:]
    wcs.wcs.crpix = [(columns + 1) / 2, (rows + 1) / 2, 1]
    matrix = np.eye(3)
    matrix[:2, :2] = step
    matrix[2, 2] = cadence
    wcs.wcs.crval = [0, 0, cadence / 2]
    if celestial:
        wcs.wcs.ctype, wcs.wcs.cunit = ["HPLN-TAN", "HPLT-TAN", "TIME"], ["arcsec", "arcsec", "s"]
        wcs.wcs.aux.dsun_obs, wcs.wcs.aux.rsun_ref = u.au.to(u.m), 6.957e8
        wcs.wcs.aux.hgln_obs = wcs.wcs.aux.hglt_obs = 0.0
        wcs.wcs.dateref = wcs.wcs.dateobs = "2014-10-24T12:00:00"
        wcs.wcs.mjdref, wcs.wcs.mjdobs = [56954, 0.5], 56954.5
        wcs.wcs.timesys = "UTC"
        matrix[:2, :2] /= u.arcsec.to(u.rad) * u.au.to(u.km)
    else:
        wcs.wcs.ctype, wcs.wcs.cunit = ["X", "Y", ""], ["km", "km", "s"]
    wcs.wcs.cdelt = np.linalg.norm(matrix, axis=1)
    wcs.wcs.pc = matrix / np.linalg.norm(matrix, axis=1)[:, None]
    wcs.wcs.set()
    cubes = [
        (name, NDCube(values, wcs=wcs.deepcopy(), unit=u.km / u.s, mask=mask, meta=dict(meta)))
        for name, values in zip(("vx", "vy"), velocity.swapaxes(0, 1), strict=True)
    ]
    return NDCollection(cubes, aligned_axes="all")
