"""Velocity fields as NDCollections: how they are made, and how they are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.time import Time, TimeDelta
from astropy.wcs import WCS
from ndcube import NDCollection, NDCube

from sunpy_ml.observations import ImageSequence, cube_axes, fill_invalid
from sunpy_ml.version import version

__all__ = ["Flow", "along_the_sun", "filled", "known", "like_flow", "read_flow", "wrap_flow"]

Array = npt.NDArray[Any]

#: Of the velocities.
UNIT = u.km / u.s
_COMPONENTS = ("vx", "vy")
# What is kept of the header of the images.
_KEPT = ("telescop", "instrume", "detector", "wavelnth", "waveunit", "wavelength")
_AUXILIARY = ("rsun_ref", "dsun_obs", "hgln_obs", "hglt_obs", "crln_obs")


@dataclass(frozen=True)
class Flow:
    """A velocity field in plain numbers.

    Attributes
    ----------
    velocity : numpy.ndarray
        float64, (time, 2, y, x) in km/s: towards solar x, then y; NaN where it is masked.
    step : numpy.ndarray
        (2, 2): km towards solar x, then y, of a step along columns, then rows.
    wcs : astropy.wcs.WCS or None
        Of the two celestial axes, if there are.
    start : astropy.time.Time or None
        Of the first field.
    cadence : float
        Seconds from field to field; NaN where there is one that does not tell.
    collection : ndcube.NDCollection
        Where it is from.
    """

    velocity: Array
    step: Array
    wcs: WCS | None
    start: Time | None
    cadence: float
    collection: NDCollection

    @property
    def masked(self) -> Array:
        """(time, y, x), True where there is no velocity."""
        return np.asarray(np.isnan(self.velocity).any(axis=1))

    @property
    def pixel(self) -> tuple[float, float]:
        """Size of a pixel along columns and rows, in km."""
        return float(np.hypot(*self.step[:, 0])), float(np.hypot(*self.step[:, 1]))

    @property
    def in_pixels(self) -> Array:
        """(time, 2, y, x), pixels per second along columns, then rows."""
        return np.einsum("ij,tjyx->tiyx", np.linalg.inv(self.step), self.velocity)

    def meta(self, name: str) -> Any:
        """What the fields tell of themselves, or None."""
        return (self.collection["vx"].meta or {}).get(name)


def along_the_sun(sequence: ImageSequence, displacement: Array, seconds: float) -> Array:
    """Displacements in pixels, (time, 2, ..., y, x), as velocities in km/s along solar x, then y."""
    return np.einsum("ij,tj...->ti...", sequence.step, displacement) / seconds


def wrap_flow(
    sequence: ImageSequence,
    velocity: Array,
    mask: Array,
    *,
    first: u.Quantity,
    spacing: u.Quantity,
    meta: Mapping[str, Any],
    deviation: Array | None = None,
    log_tau: Sequence[float] = (),
) -> NDCollection:
    """Velocities as a collection of cubes with coordinates.

    Parameters
    ----------
    sequence : ImageSequence
        What they were found in.
    velocity : numpy.ndarray
        (time, 2, [optical depth,] y, x) in km/s along solar x, then y.
    mask : numpy.ndarray
        (time, [optical depth,] y, x), True where there is none.
    first, spacing : astropy.units.Quantity
        The time of the first field after that of the first image, and from field to field.
    meta : mapping
        What made them.
    deviation : numpy.ndarray, optional
        Standard deviations of ``velocity``.
    log_tau : sequence of float
        Logarithms of the optical depths, evenly spaced; empty without such an axis.

    Returns
    -------
    ndcube.NDCollection
        "vx" and "vy", each an `~ndcube.NDCube` (time, [optical depth,] y, x) in km/s, masked and NaN where there is
        none; and "sigma_vx" and "sigma_vy" where the standard deviations are known. Without celestial coordinates in
        the images the axes are lengths from the middle of the field.
    """
    wcs = _flow_wcs(sequence, first, spacing)
    if len(log_tau):
        wcs = _with_depths(wcs, log_tau)
    kept = {name: sequence.meta[name] for name in _KEPT if name in sequence.meta}
    counts = mask.sum(axis=tuple(range(1, mask.ndim))).tolist()
    shared = {**kept, "origin": f"sunpy_ml {version}", **meta, "masked": tuple(counts)}
    fields = dict(zip(_COMPONENTS, velocity.swapaxes(0, 1), strict=True))
    if deviation is not None:
        fields |= zip([f"sigma_{name}" for name in _COMPONENTS], deviation.swapaxes(0, 1), strict=True)
    cubes = []
    for name, values in fields.items():
        data = np.where(mask, np.nan, values).astype(np.float32)
        cube = NDCube(data, wcs=wcs.deepcopy(), unit=UNIT, mask=mask.copy(), meta={**shared, "component": name})
        cubes.append((name, cube))
    return NDCollection(cubes, aligned_axes="all")


def read_flow(flow: NDCollection) -> Flow:
    """Read velocities from a collection.

    Parameters
    ----------
    flow : ndcube.NDCollection
        With "vx" and "vy", NDCubes (time, y, x) of a velocity along solar x and y, with celestial axes or lengths.

    Raises
    ------
    ValueError
        If it has no such members, or if these do not tell how large their pixels are.
    """
    if not isinstance(flow, NDCollection) or not set(_COMPONENTS) <= set(flow):
        raise ValueError(f"flow: expected an NDCollection with 'vx' and 'vy', as lct_flow gives, got {type(flow)}.")
    cubes = [flow[name] for name in _COMPONENTS]
    if cubes[0].data.shape != cubes[1].data.shape or not all(
        (cube.unit or u.one).is_equivalent(UNIT) for cube in cubes
    ):
        raise ValueError(
            "flow: expected 'vx' and 'vy' of one shape in units of a velocity, got "
            f"{[(cube.data.shape, str(cube.unit)) for cube in cubes]}."
        )
    if cubes[0].data.ndim == 4:
        raise ValueError("flow: it has several optical depths; choose one, such as flow[:, 0].")
    axes = cube_axes(cubes[0])
    if axes.step is None:
        raise ValueError("flow: its WCS does not tell the size of a pixel; give it celestial axes, or axes of lengths.")
    velocity = np.stack([_values(cube) for cube in cubes], axis=1)
    cadence = np.nan if axes.cadence is None else axes.cadence.to_value(u.s)
    return Flow(velocity, axes.step, axes.wcs, axes.start, cadence, flow)


def _values(cube: NDCube) -> Array:
    values = np.array(cube.data, dtype=float) * cube.unit.to(UNIT)
    if cube.mask is not None:
        values[np.broadcast_to(cube.mask, values.shape)] = np.nan
    return values


def known(velocity: Array) -> Array:
    """Where both components of a velocity (2, y, x) are."""
    return np.asarray(np.isfinite(velocity).all(axis=0))


def filled(velocity: Array) -> Array:
    """A velocity (2, y, x) that is everywhere: where it is not known, that of the nearest pixel where it is.

    Raises
    ------
    ValueError
        If it is known nowhere.
    """
    valid = known(velocity)
    if not valid.any():
        raise ValueError("flow: a field has no velocity at all (all of it is masked); leave it out.")
    return np.stack([fill_invalid(component, valid) for component in velocity])


def like_flow(flow: Flow, values: Array, unit: u.UnitBase, name: str) -> NDCube:
    """A scalar field (time, y, x) on the pixels of a flow, masked and NaN where it is not finite."""
    like = flow.collection["vx"]
    meta = {**(like.meta or {}), "component": name}
    return NDCube(values, wcs=like.wcs, unit=unit, mask=~np.isfinite(values), meta=meta)


def _flow_wcs(sequence: ImageSequence, first: u.Quantity, spacing: u.Quantity) -> WCS:
    wcs = WCS(naxis=3)
    header = wcs.wcs
    matrix = np.eye(3)
    if sequence.wcs is None:
        rows, columns = sequence.frames.shape[1:]
        header.ctype, header.cunit = ["X", "Y", ""], ["Mm", "Mm", "s"]
        header.crpix, header.crval = [(columns + 1) / 2, (rows + 1) / 2, 1.0], [0.0, 0.0, first.to_value(u.s)]
        matrix[:2, :2] = sequence.step * u.km.to(u.Mm)
    else:
        old = sequence.wcs.wcs
        header.ctype, header.cunit = [*old.ctype, ""], [*map(str, old.cunit), "s"]
        header.crpix, header.crval = [*old.crpix, 1.0], [*old.crval, first.to_value(u.s)]
        header.lonpole, header.latpole = old.lonpole, old.latpole
        header.set_pv(old.get_pv())
        for name in _AUXILIARY:
            setattr(header.aux, name, getattr(old.aux, name))
        matrix[:2, :2] = sequence.wcs.pixel_scale_matrix
    steps = np.hypot(matrix[:, 0], matrix[:, 1])
    steps[2] = spacing.to_value(u.s)
    header.cdelt = steps
    header.pc = np.block([[matrix[:2, :2] / steps[:2, np.newaxis], np.zeros((2, 1))], [np.zeros((1, 2)), np.eye(1)]])
    if sequence.start is not None:
        _date(header, (sequence.start + TimeDelta(first)).utc)
    header.set()
    return wcs


def _with_depths(flat: WCS, log_tau: Sequence[float]) -> WCS:
    """The WCS of fields at several optical depths: a linear axis before that of the times."""
    # The time, which is now the last axis, keeps its reference.
    wcs = flat.sub([1, 2, 0, 3])
    header = wcs.wcs
    header.ctype = [*list(header.ctype)[:2], "LOGTAU", header.ctype[3]]
    header.crpix = [*header.crpix[:2], 1.0, header.crpix[3]]
    header.crval = [*header.crval[:2], log_tau[0], header.crval[3]]
    header.cdelt = [*header.cdelt[:2], (log_tau[-1] - log_tau[0]) / (len(log_tau) - 1), header.cdelt[3]]
    header.set()
    return wcs


def _date(header: Any, time: Time) -> None:
    """Count times from that of the first field."""
    header.ctype = [*list(header.ctype)[:2], "TIME"]
    header.crval = [*header.crval[:2], 0.0]
    header.timesys = "UTC"
    # Both are given, day and date: astropy warns where it has to work one out from the other.
    header.dateref = header.dateobs = time.isot
    header.mjdref = [np.floor(time.mjd), time.mjd - np.floor(time.mjd)]
    header.mjdobs = time.mjd
