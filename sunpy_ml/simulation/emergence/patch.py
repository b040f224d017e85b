"""Simulated patches of magnetograms over days, in which flux emerges or does not."""

from collections.abc import Iterator
from typing import Any

import astropy.units as u
import numpy as np
from astropy.time import Time, TimeDelta
from astropy.wcs import WCS
from ndcube import NDCube
from sunpy.sun import constants
from sunpy.time import parse_time

from sunpy_ml.simulation.drawing import Floats
from sunpy_ml.simulation.emergence.bipoles import (
    Bipole,
    bipole_elements,
    bipole_flux,
    draw_bipole,
    draw_ephemeral,
    time_of_tenth,
)
from sunpy_ml.simulation.emergence.elements import Elements, carried, together
from sunpy_ml.simulation.emergence.network import draw_network
from sunpy_ml.simulation.emergence.parameters import draw, value
from sunpy_ml.simulation.emergence.rule import observable, observable_days
from sunpy_ml.simulation.emergence.view import INSTRUMENTS, View, field_frames, losses, observed, spoiled

__all__ = ["emergence_pairs", "emergence_patch"]

_KINDS = ("emerging", "emerged", "quiet")
# One stream of random numbers for each part, so that what two patches share does not depend on what they do not.
_PARTS = ("setting", "network", "old", "ephemerals", "event", "onset", "instrument", "losses", "spoiling")
# What emerged before is seen first at this longitude, in degrees, or in the first frame.
_ENTERS = -75.0
# Fewer days, of which some are lost, do not show an emergence with the time before and after it.
_LEAST_DAYS = 12.0
# Mm that a network must cover beyond the patch.
_BEYOND = 15.0


@u.quantity_input
def emergence_patch(
    kind: str = "emerging",
    *,
    shape: tuple[int, int] = (90, 90),
    scale: u.Quantity[u.deg / u.pix] = 0.12 * u.deg / u.pix,
    frames: int = 225,
    cadence: u.Quantity[u.min] = 96 * u.min,
    instrument: str | None = None,
    radial: bool = False,
    old_regions: float | None = None,
    time: Any = "2001-03-01T00:00:00",
    seed: int = 0,
) -> NDCube:
    """
    Simulate magnetograms of a patch that rotates with the Sun.

    The patch has network, may have old regions that decay and shear, and ephemeral regions. It is followed across the
    disk: at one end or both it is beyond the limb, and masked.

    Parameters
    ----------
    kind : {"emerging", "emerged", "quiet"}
        A region (or two) that emerges while it can be observed; the same, with the same flux at the end, which has
        emerged before the first frame or beyond the limb; or no such region.
    shape : tuple of int
        Rows and columns.
    scale : `~astropy.units.Quantity`
        Degrees per pixel.
    frames : int
        How many.
    cadence : `~astropy.units.Quantity`
        Time from frame to frame.
    instrument : {"mdi_1min", "mdi_5min", "hmi_45s", "hmi_720s"}, optional
        Whose noise and scale the field has; drawn unless given.
    radial : bool
        Divide the field by the cosine of the angle between the line of sight and the vertical.
    old_regions : float, optional
        Mean number of regions in the patch that are old at the first frame; by default that of the parameters.
    time : str, `~astropy.time.Time` or `~datetime.datetime`
        Of the first frame.
    seed : int
        The same seed gives the same patch. Patches of different kinds share with it all that is not of the region:
        place, network, other regions, instrument, noise, lost and bad frames; and the region's place and shape.

    Returns
    -------
    `~ndcube.NDCube`
        (time, latitude, longitude) in gauss, with NaN and mask beyond the limb and in lost frames. Longitudes are
        Stonyhurst's at the first frame. The truth is in the meta: ``emerges`` (the label), ``t10`` (when the flux of
        the region reaches 10 % of its largest, None where there is none) and ``observable`` (whether that is within 60
        degrees of the central meridian, two days after the first frame or later, and a day before the last good frame
        or earlier), ``flux`` (of the regions, unsigned, in each frame), ``longitudes`` from the central meridian,
        ``latitude``, ``place`` (of the region in the patch), ``instrument``, ``noise``, ``lost`` and ``bad`` (for each
        frame).

    Raises
    ------
    ValueError
        If ``kind`` or ``instrument`` is unknown, or a number cannot be, or the time is too short for an emergence to be
        observed.
    astropy.units.UnitsError
        If a unit is wrong.

    Notes
    -----
    The field is drawn after what is known of regions, not computed from magnetohydrodynamics; it is vertical, and
    elements do not feel each other. `~sunpy_ml.simulation.emergence.emergence_parameters` lists the ranges, with
    sources. The rule of 10 % is that of Schunker et al. 2016, https://doi.org/10.1051/0004-6361/201628388.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.emergence import emergence_patch
    >>> cube = emergence_patch("emerging", frames=30, cadence=12 * u.h, seed=4)
    >>> cube.shape, cube.unit, cube.meta["emerges"]
    ((30, 90, 90), Unit("G"), True)
    >>> cube.meta["t10"].iso[:10]
    '2001-03-06'
    """
    view_options = _checked(kind, shape, scale, frames, cadence, instrument)
    old_regions = value("old_regions") if old_regions is None else old_regions
    if not 0 <= old_regions < np.inf:
        raise ValueError(f"old_regions is {old_regions}: give a finite number, at least 0")
    start = parse_time(time)
    streams = dict(zip(_PARTS, np.random.default_rng(seed).spawn(len(_PARTS)), strict=True))
    setting = streams["setting"]
    side, cycle = setting.choice([-1, 1], 2)
    view = View(
        latitude=side * draw(setting, "latitude"), first_longitude=draw(setting, "first_longitude"), **view_options
    )
    drawn = INSTRUMENTS[setting.integers(len(INSTRUMENTS))]
    instrument = drawn if instrument is None else instrument
    blur = draw(setting, "blur")
    lost, bad = losses(streams["losses"], view.days)
    if lost.all():
        raise ValueError(f"frames is {frames} at {cadence}: all of them are lost; give more, or another seed")
    regions = _regions(kind, streams, view, int(cycle), float(view.days[~lost][-1]))
    elements = together(
        *_surroundings(streams, view, int(cycle), old_regions), *(bipole_elements(each, view.days) for each in regions)
    )
    field = field_frames(carried(elements, view.days, view.latitude), view, blur)
    seen = observed(streams["instrument"], field, view, instrument, radial)
    spoiled(streams["spoiling"], seen, bad)
    seen[lost] = np.nan
    meta = {"instrument": instrument, "noise": value(f"noise_{instrument}") * u.G, "lost": lost, "bad": bad}
    return NDCube(
        seen,
        wcs=_wcs(view, start, cadence),
        mask=np.isnan(seen),
        unit=u.G,
        meta={**meta, **_truth(kind, regions, view, start, lost)},
    )


def emergence_pairs(count: int, *, seed: int = 0, **options: Any) -> Iterator[tuple[NDCube, NDCube]]:
    """
    Simulate pairs of patches that share everything but the event.

    Parameters
    ----------
    count : int
        How many pairs.
    seed : int
        The same seed gives the same pairs.
    **options
        Of `emergence_patch`.

    Yields
    ------
    tuple of `~ndcube.NDCube`
        A patch in which a region emerges, and one in which it has emerged before, with the same flux at the end, the
        same place, network, other regions, instrument, noise, lost and bad frames.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.emergence import emergence_pairs
    >>> [(new, old)] = emergence_pairs(1, frames=30, cadence=12 * u.h)
    >>> new.meta["emerges"], old.meta["emerges"]
    (True, False)
    """
    for child in np.random.SeedSequence(seed).generate_state(count):
        new, old = (emergence_patch(kind, seed=int(child), **options) for kind in ("emerging", "emerged"))
        yield new, old


def _checked(
    kind: str, shape: tuple[int, int], scale: u.Quantity, frames: int, cadence: u.Quantity, instrument: str | None
) -> dict[str, Any]:
    if kind not in _KINDS:
        raise ValueError(f"kind is {kind!r}: choose one of {', '.join(_KINDS)}")
    if instrument is not None and instrument not in INSTRUMENTS:
        raise ValueError(f"instrument is {instrument!r}: choose one of {', '.join(INSTRUMENTS)}, or None")
    if len(shape) != 2 or min(shape) < 8:
        raise ValueError(f"shape is {shape}: give rows and columns, at least 8 of each")
    if frames < 2:
        raise ValueError(f"frames is {frames}: give at least 2")
    for name, value_, unit in (("scale", scale, u.deg / u.pix), ("cadence", cadence, u.day)):
        if not value_.isscalar or not 0 < value_.to_value(unit) < np.inf:
            raise ValueError(f"{name} is {value_}: give one finite number above 0")
    days = np.arange(frames) * cadence.to_value(u.day)
    if kind != "quiet" and days[-1] < _LEAST_DAYS:
        raise ValueError(f"frames is {frames} at {cadence}: give at least {_LEAST_DAYS:g} days of them")
    return {"shape": tuple(shape), "scale": float(scale.to_value(u.deg / u.pix)), "days": days}


def _place(rng: np.random.Generator, view: View, part: float = 0.35) -> tuple[float, float]:
    """Draw a place in the patch, in Mm."""
    rows, columns = view.shape
    x, y = rng.uniform(-part, part, 2) * view.pixel * np.array([columns, rows])
    return float(x), float(y)


def _surroundings(
    streams: dict[str, np.random.Generator], view: View, cycle: int, old_regions: float
) -> list[Elements]:
    """Draw what both kinds of patches have: network, old regions and ephemeral ones."""
    width = tuple(size * view.pixel + 2 * _BEYOND for size in view.shape[::-1])
    parts = [draw_network(streams["network"], view.days, (width[0], width[1]))]
    old = streams["old"]
    for _ in range(old.poisson(old_regions)):
        region = draw_bipole(old, *_place(old, view, 0.5), view.latitude, cycle, flux="old_flux")
        parts.append(bipole_elements(region._replace(onset=-region.rise - draw(old, "old_age")), view.days))
    small = streams["ephemerals"]
    for _ in range(small.poisson(value("ephemerals") * view.days[-1] / 15)):
        region = draw_ephemeral(small, *_place(small, view, 0.5), view.latitude, cycle)
        parts.append(bipole_elements(region._replace(onset=small.uniform(0, view.days[-1])), view.days))
    return parts


def _regions(kind: str, streams: dict[str, np.random.Generator], view: View, cycle: int, last: float) -> list[Bipole]:
    """Draw the regions that emerge in the patch, or have emerged before."""
    if kind == "quiet":
        return []
    event, onset = streams["event"], streams["onset"]
    regions = [draw_bipole(event, *_place(event, view), view.latitude, cycle)]
    after = event.uniform(0.3, 2.0)
    if event.uniform() < value("second_bipole"):
        near = event.normal(0, 0.1, 2) * view.pixel * np.array(view.shape[::-1])
        second = draw_bipole(event, regions[0].x + near[0], regions[0].y + near[1], view.latitude, cycle)
        regions.append(second._replace(flux=min(second.flux, regions[0].flux)))
    first, final = observable_days(view, regions[0].x, last)
    if first >= final:
        raise ValueError(f"frames that are not lost end on day {last:.1f}: give more, or another seed")
    tenth = onset.uniform(first, final)
    enters = max(0.0, (_ENTERS - view.first_longitude - view.offset(regions[0].x)) / view.rate)
    earlier = enters - onset.uniform(0, 5)
    moved = []
    for index, region in enumerate(regions):
        new = region._replace(onset=tenth - time_of_tenth(region) + index * after)
        if kind == "emerged":
            # At the end there is as much of it as there would be of the one that emerges.
            old = region._replace(onset=earlier - region.rise - index * after)
            ends = [float(bipole_flux(each, np.array([last]))[0]) for each in (new, old)]
            new = old._replace(flux=old.flux * ends[0] / ends[1])
        moved.append(new)
    return moved


def _truth(kind: str, regions: list[Bipole], view: View, start: Time, lost: Any) -> dict[str, Any]:
    tenth = time_of_tenth(regions[0]) if regions else None
    last = float(view.days[~lost][-1])
    flux: Floats = sum((bipole_flux(each, view.days) for each in regions), np.zeros(len(view.days)))
    return {
        "kind": kind,
        "emerges": kind == "emerging",
        "t10": None if tenth is None else start + TimeDelta(tenth, format="jd"),
        "observable": tenth is not None and observable(view, regions[0].x, last, tenth),
        "flux": flux * u.Mx,
        "longitudes": view.longitudes * u.deg,
        "latitude": view.latitude * u.deg,
        "place": (regions[0].x, regions[0].y) * u.Mm if regions else None,
        "origin": "sunpy_ml.simulation.emergence.emergence_patch",
    }


def _wcs(view: View, start: Time, cadence: u.Quantity) -> WCS:
    wcs = WCS(naxis=3)
    header, first = wcs.wcs, start.utc
    rows, columns = view.shape
    header.ctype = ["HGLN-CEA", "HGLT-CEA", "TIME"]
    header.cunit = ["deg", "deg", "s"]
    header.cdelt = [view.scale, view.scale, cadence.to_value(u.s)]
    header.crpix = [(columns + 1) / 2, (rows + 1) / 2, 1.0]
    header.crval = [view.first_longitude, view.latitude, 0.0]
    header.timesys = "UTC"
    header.dateref = header.dateobs = first.isot
    header.mjdref = [np.floor(first.mjd), first.mjd - np.floor(first.mjd)]
    header.mjdobs = first.mjd
    header.aux.rsun_ref = constants.radius.to_value(u.m)
    header.aux.dsun_obs = u.au.to(u.m)
    header.aux.hgln_obs = header.aux.hglt_obs = 0.0
    header.set()
    return wcs
