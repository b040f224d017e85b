"""Whether a velocity field explains what changed between two images."""

from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS
from ndcube import NDCollection, NDCube
from scipy.ndimage import map_coordinates
from sunpy.map import GenericMap, Map

from sunpy_ml.flows.result import Flow, filled, known, read_flow
from sunpy_ml.observations import ImageSequence, image_sequence

__all__ = ["FlowResidual", "flow_residual"]

Array = npt.NDArray[Any]

# Of the middle of a path, whose velocity is that of the field there.
_ITERATIONS = 4


class FlowResidual(NamedTuple):
    """What a flow does not explain.

    Parameters
    ----------
    map : sunpy.map.GenericMap or ndcube.NDCube
        The second image less the first one carried by the flow; an NDCube where images have no celestial coordinates.
        Masked where the flow or an image is, and where it carries in what was beyond the edge.
    value : float
        The rms of that over the rms of the plain difference of the images on the same pixels: 1 explains nothing, 0
        all, and more than 1 makes it worse.
    """

    map: GenericMap | NDCube
    value: float


def flow_residual(
    observations: Any,
    flow: NDCollection,
    *,
    pair: int = 0,
    cadence: u.Quantity | None = None,
    scale: u.Quantity | None = None,
    coaligned: bool = False,
) -> FlowResidual:
    """Carry an image by a flow, and compare it with the next one.

    Parameters
    ----------
    observations : list of sunpy.map.GenericMap, sunpy.map.MapSequence or ndcube.NDCube
        In which the flow was found.
    flow : ndcube.NDCollection
        "vx" and "vy", as `~sunpy_ml.lct_flow` gives them, on the same pixels. Of several fields that nearest in time is
        taken.
    pair : int
        Number of the first image.
    cadence, scale, coaligned
        As for `~sunpy_ml.lct_flow`.

    Returns
    -------
    FlowResidual
        A Map and a number.

    Raises
    ------
    ValueError
        If images and flow have other pixels, or if there is no such pair.

    Notes
    -----
    A value below one is necessary for a flow, and not sufficient: what diverges cannot be told from what evolves.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.flows import flow_residual
    >>> from sunpy_ml.simulation import moving_granulation
    >>> frames, velocity, _ = moving_granulation(shape=(64, 64), noise=0, correlation=1)
    >>> residual, value = flow_residual(frames, velocity)
    >>> value < 0.05
    True
    """
    sequence = image_sequence(observations, cadence=cadence, scale=scale, coaligned=coaligned)
    field = read_flow(flow)
    if field.velocity.shape[2:] != sequence.frames.shape[1:]:
        raise ValueError(f"flow: it has {field.velocity.shape[2:]} pixels, the images {sequence.frames.shape[1:]}.")
    if not 0 <= pair < len(sequence.frames) - 1:
        raise ValueError(f"pair: got {pair!r}, choose from 0 to {len(sequence.frames) - 2}.")
    displacement = field.in_pixels[_nearest(sequence, field, pair)] * sequence.cadence.to_value(u.s)
    first, second = sequence.frames[pair : pair + 2].astype(float)
    carried, unknown = _carried(first, displacement)
    if sequence.mask is not None:
        unknown |= sequence.mask[pair : pair + 2].any(axis=0)
    if unknown.all():
        raise ValueError("flow: there is no pixel at which it and both images are known.")
    residual, plain = second - carried, second - first
    spread = np.sqrt((plain[~unknown] ** 2).mean())
    value = np.sqrt((residual[~unknown] ** 2).mean()) / spread if spread > 0 else np.nan
    return FlowResidual(_as_map(sequence, np.where(unknown, np.nan, residual), unknown), float(value))


def _nearest(sequence: ImageSequence, field: Flow, pair: int) -> int:
    last = len(field.velocity) - 1
    if sequence.start is None or field.start is None or last == 0:
        return min(pair // int(field.meta("pairs") or 1), last)
    middle = (pair + 0.5) * sequence.cadence.to_value(u.s) + (sequence.start - field.start).to_value(u.s)
    return int(np.clip(np.rint(middle / field.cadence), 0, last))


def _carried(image: Array, displacement: Array) -> tuple[Array, Array]:
    """An image after a displacement (2, y, x) that is known at the middle of its time, and where it is not known."""
    steps = filled(displacement)[::-1]
    pixels = np.indices(image.shape).astype(float)
    path = steps
    for _ in range(_ITERATIONS):
        path = np.stack([map_coordinates(step, pixels - path / 2, order=3, mode="nearest") for step in steps])
    origin = pixels - path
    size = np.array(image.shape)[:, np.newaxis, np.newaxis]
    outside = ((origin < -0.5) | (origin > size - 0.5)).any(axis=0)
    return map_coordinates(image, origin, order=5, mode="nearest"), ~known(displacement) | np.asarray(outside)


def _as_map(sequence: ImageSequence, data: Array, mask: Array) -> GenericMap | NDCube:
    if sequence.wcs is None:
        wcs = WCS(naxis=2)
        wcs.wcs.ctype, wcs.wcs.cunit = ["X", "Y"], ["Mm", "Mm"]
        wcs.wcs.crpix = [(length + 1) / 2 for length in data.shape[::-1]]
        wcs.wcs.cdelt = sequence.pixel.to_value(u.Mm)
        return NDCube(data, wcs=wcs, mask=mask, unit=sequence.unit, meta=sequence.meta)
    header = dict(sequence.wcs.to_header())
    if sequence.unit is not None:
        header["bunit"] = sequence.unit.to_string()
    return Map(data.astype(np.float32), header, mask=mask)
