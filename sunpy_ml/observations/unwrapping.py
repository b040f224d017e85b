"""What slicing, cropping and rebinning an NDCube makes of its WCS, as a WCS of FITS again."""

from typing import Any

import numpy as np
from astropy.wcs import WCS
from astropy.wcs.wcsapi import SlicedLowLevelWCS
from ndcube.wcs.wrappers import ResampledLowLevelWCS

__all__ = ["fits_wcs"]


def fits_wcs(wcs: Any) -> WCS | None:
    """The WCS of FITS that does what a wrapped one does, or None where none can.

    Parameters
    ----------
    wcs : astropy.wcs.wcsapi.BaseLowLevelWCS
        Of an NDCube that was sliced, cropped or rebinned any number of times, or never; not changed.

    Returns
    -------
    astropy.wcs.WCS or None
        None where what is wrapped is no WCS of FITS, or where an axis that was cut away turns with one that is left.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from astropy.wcs.wcsapi import SlicedLowLevelWCS
    >>> from sunpy_ml.observations.unwrapping import fits_wcs
    >>> fits_wcs(SlicedLowLevelWCS(WCS(naxis=2), (slice(3, None), slice(5, None)))).wcs.crpix
    array([-5., -3.])
    """
    if isinstance(wcs, WCS):
        return wcs
    if not isinstance(wcs, (SlicedLowLevelWCS, ResampledLowLevelWCS)):
        return None
    inner = fits_wcs(wcs._wcs)
    if inner is None:
        return None
    if isinstance(wcs, ResampledLowLevelWCS):
        return _resampled(inner, np.asarray(wcs._factor, float), np.asarray(wcs._offset, float))
    return _sliced(inner, wcs._slices_pixel)


def _resampled(wcs: WCS, factor: Any, offset: Any) -> WCS:
    new = wcs.deepcopy()
    # pixel_scale_matrix, unlike CD or PC alone, holds whichever of the two the header has.
    matrix = wcs.pixel_scale_matrix * factor
    if new.wcs.has_cd():
        new.wcs.cd = matrix
    else:
        new.wcs.cdelt = wcs.wcs.cdelt * factor
        new.wcs.pc = matrix / np.array(new.wcs.cdelt)[:, np.newaxis]
    new.wcs.crpix = (wcs.wcs.crpix - 0.5 - offset) / factor + 0.5
    new.array_shape = None
    new.wcs.set()
    return new


def _sliced(wcs: WCS, slices: Any) -> WCS | None:
    kept = np.array([isinstance(part, slice) for part in slices])
    coupled = wcs.axis_correlation_matrix
    if coupled[np.ix_(kept, ~kept)].any() or coupled[np.ix_(~kept, kept)].any():
        return None
    new = wcs.deepcopy()
    # A slice begins elsewhere, with the same world.
    new.wcs.crpix = wcs.wcs.crpix - [part.start or 0 if isinstance(part, slice) else 0 for part in slices]
    new.array_shape = None
    new.wcs.set()
    return new if kept.all() else new.sub([int(axis) + 1 for axis in np.flatnonzero(kept)])
