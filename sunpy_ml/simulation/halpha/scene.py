"""Whole H-alpha scenes as Maps."""

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from scipy.ndimage import gaussian_filter
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective
from sunpy.map import GenericMap
from sunpy.sun import constants
from sunpy.time import parse_time

from sunpy_ml.simulation.drawing import Complexes, Floats, smooth_noise
from sunpy_ml.simulation.halpha import chromosphere
from sunpy_ml.simulation.halpha.active_regions import draw_plage, draw_region, draw_spots
from sunpy_ml.simulation.halpha.filaments import draw_filament
from sunpy_ml.simulation.halpha.flares import draw_ribbons
from sunpy_ml.simulation.halpha.prominences import draw_prominence
from sunpy_ml.simulation.halpha.view import View, look_at
from sunpy_ml.simulation.plate_scale import pixel_angle

__all__ = ["halpha_scene"]

_KINDS = ("filaments", "flares", "prominences", "quiet", "sunspots")
# In Mm.
_DISTANCE = float(u.au.to("Mm"))
_RADIUS = float(constants.radius.to_value("Mm"))
# Modelling choices: the quiet Sun at the centre of the disk, in DN, and where each kind is looked for.
_QUIET_LEVEL = 1000.0
_HIGHEST_LATITUDE = {"filaments": 55, "flares": 35, "quiet": 60, "sunspots": 35}
_FARTHEST_LONGITUDE = 60
# Modelling choices: the seeing (full width at half maximum, in arcsec), and the noise of the quiet Sun.
_SEEING = (0.5, 2.5)
_NOISE = (0.002, 0.01)

# One stream of random numbers for each part of a scene: what is added to a scene leaves the rest as it was.
_PARTS = (
    "pointing",
    "texture",
    "region",
    "plage",
    "spots",
    "filament",
    "flare",
    "prominence",
    "sky",
    "instrument",
)


@u.quantity_input
def halpha_scene(
    kind: str = "sunspots",
    *,
    extra: Sequence[str] = (),
    shape: tuple[int, int] = (256, 256),
    scale: u.Quantity[u.arcsec / u.pix] = 1.06 * u.arcsec / u.pix,
    center: SkyCoord | None = None,
    time: Any = "2014-10-24T12:00:00",
    seed: int | np.random.Generator = 0,
) -> GenericMap:
    """
    Simulate an H-alpha image of the Sun.

    The image looks like a filtergram of the line centre. Its geometry is exact: the limb, foreshortening and
    the plate scale agree with the header. Its features have solar sizes, in Mm, whatever the plate scale.
    They are drawn, not computed from the physics of the chromosphere.

    Parameters
    ----------
    kind : {"filaments", "flares", "prominences", "quiet", "sunspots"}
        The feature to show. Plage may come with any but "quiet" and "prominences".
    extra : sequence of str, optional
        More features to show in the same field.
    shape : tuple of int, optional
        Rows and columns of the image.
    scale : `~astropy.units.Quantity`, optional
        Plate scale, in units of angle per pixel. The features are made for 0.3 to 2.5 arcsec per pixel.
    center : `~astropy.coordinates.SkyCoord`, optional
        The middle of the image. Helioprojective coordinates count as the simulated observer's own; others are
        transformed. Unless given, it is drawn: at the limb for prominences, on the disk for the rest.
    time : str, `~astropy.time.Time` or `~datetime.datetime`, optional
        Time of the observation, anything that `sunpy.time.parse_time` reads.
    seed : int or `numpy.random.Generator`, optional
        The same seed gives the same scene.

    Returns
    -------
    `~sunpy.map.GenericMap`
        The scene in DN, as float32, seen from 1 au at Stonyhurst longitude and latitude 0, with solar north
        up. The header's ``FEATURES`` lists the features shown.

    Raises
    ------
    ValueError
        If ``kind`` or ``extra`` holds an unknown feature, if ``shape`` or ``scale`` cannot be, or if the
        field around a given ``center`` misses the disk (or the limb, for prominences).
    TypeError
        If ``scale`` has no unit, or if ``center`` is not a SkyCoord of one point.
    astropy.units.UnitsError
        If ``scale`` is not an angle per pixel.

    Notes
    -----
    Fibrils follow the potential field above a simulated network, plage and spots. Sizes are those of the
    quiet network (Rieutord & Rincon 2010, doi:10.12942/lrsp-2010-2), of mottles and fibrils (Tsiropoula et
    al. 2012, doi:10.1007/s11214-012-9920-2) and of umbrae in spots (Solanki 2003,
    doi:10.1007/s00159-003-0018-4); the rest is modelling choice.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation import halpha_scene
    >>> scene = halpha_scene("filaments", extra=["sunspots"], scale=0.6 * u.arcsec / u.pix, seed=3)
    >>> scene.wavelength
    <Quantity 6562.8 Angstrom>
    >>> scene.meta["features"]
    'filaments, sunspots'
    """
    features = _features(kind, extra)
    angle = pixel_angle(scale)
    rows, columns = _checked_shape(shape)
    generator = np.random.default_rng(seed)
    parts = dict(zip(_PARTS, generator.spawn(len(_PARTS)), strict=True))
    date = parse_time(time)
    if center is None:
        pointing = _draw_pointing(parts["pointing"], features, min(rows, columns) * angle.to_value("rad"))
    else:
        pointing = _pointing(center, date)
    view = look_at(
        pointing,
        shape=(rows, columns),
        scale=angle.to_value("rad"),
        distance=_DISTANCE,
        radius=_RADIUS,
    )
    _check_field(view, features, center)
    disk = _disk(view, features, parts)
    brightness = np.where(view.on_disk, disk, chromosphere.off_limb(parts["sky"], view))
    if "prominences" in features:
        brightness += draw_prominence(parts["prominence"], view)
    data = _observed(parts["instrument"], brightness, angle)
    return GenericMap(data, _header(view, pointing, date, features))


def _features(kind: str, extra: Sequence[str]) -> tuple[str, ...]:
    """Return the features asked for, in the order of the kinds."""
    if kind not in _KINDS:
        raise ValueError(f"kind is {kind!r}: choose one of {', '.join(_KINDS)}")
    more = {extra} if isinstance(extra, str) else set(extra)
    choice = {name for name in _KINDS if name != "quiet"} if kind != "quiet" else set()
    if not more <= choice:
        cure = f"choose among {', '.join(sorted(choice))}" if choice else "leave it out"
        raise ValueError(f"extra is {extra!r}, with kind {kind!r}: {cure}")
    return tuple(name for name in _KINDS if name in {kind, *more})


def _checked_shape(shape: tuple[int, int]) -> tuple[int, int]:
    if len(shape) != 2 or min(shape) < 2:
        raise ValueError(f"shape is {shape}: give rows and columns, at least 2 of each")
    return int(shape[0]), int(shape[1])


def _check_field(view: View, features: tuple[str, ...], center: SkyCoord | None) -> None:
    missing = None
    if "prominences" in features and not view.limb_angles().size:
        missing = "limb"
    elif features != ("prominences",) and not view.on_disk.any():
        missing = "disk"
    if missing:
        cure = f"move it for {', '.join(features)}, or leave it out"
        raise ValueError(f"center is {center}, where the field misses the {missing}: {cure}")


def _draw_pointing(rng: np.random.Generator, features: tuple[str, ...], field: float) -> tuple[float, float]:
    """Draw helioprojective Tx and Ty for a ``field`` of this side, all in radians, to show the features."""
    limb = np.arcsin(_RADIUS / _DISTANCE)
    if "prominences" in features:
        angle, away = rng.uniform(0, 2 * np.pi), limb + rng.uniform(-0.15, 0.2) * field
        return away * np.cos(angle), away * np.sin(angle)
    highest = min(_HIGHEST_LATITUDE[name] for name in features)
    latitude, longitude = np.deg2rad(rng.uniform(-1, 1, 2) * [highest, _FARTHEST_LONGITUDE])
    return limb * np.cos(latitude) * np.sin(longitude), limb * np.sin(latitude)


def _pointing(center: SkyCoord, date: Time) -> tuple[float, float]:
    """Return Tx and Ty, in radians, of a given centre."""
    if not isinstance(center, SkyCoord) or not center.isscalar:
        raise TypeError(f"center is {center!r}: give a SkyCoord of one point, or None")
    if not isinstance(center.frame, Helioprojective):
        observer = HeliographicStonyhurst(0 * u.deg, 0 * u.deg, _DISTANCE * u.Mm, obstime=date)
        center = center.transform_to(Helioprojective(observer=observer, obstime=date))
    return float(center.Tx.to_value("rad")), float(center.Ty.to_value("rad"))


def _disk(view: View, features: tuple[str, ...], parts: dict[str, np.random.Generator]) -> Floats:
    """Return the brightness of the disk, relative to the quiet Sun at its centre."""
    network = chromosphere.network_flux(parts["texture"], view)
    flux = 0.05 * network
    brightness = 1 + 0.04 * np.abs(network)
    liveliness = np.exp(parts["texture"].uniform(np.log(0.03), np.log(0.1)))
    contrast = np.full(view.shape, liveliness, np.float32)
    disorder = parts["texture"].uniform(0.3, 0.8)
    twist = disorder * smooth_noise(parts["texture"], view.shape, view.pixel, 1.5)
    channel: Complexes = np.zeros(view.shape, np.complex64)
    region = draw_region(parts["region"], view)
    if parts["plage"].uniform() < _plage_chance(features):
        plage = draw_plage(parts["plage"], view, region)
        flux = flux + plage.flux
        brightness += parts["plage"].uniform(0.4, 1.1) * plage.cover
        contrast *= 1 + plage.cover
    if "sunspots" in features:
        spots = draw_spots(parts["spots"], view, region)
        flux = flux + spots.flux
        twist += spots.influence * (parts["spots"].normal(0, 0.35) - twist)
        brightness *= spots.transmission
        contrast *= 1 + 0.6 * spots.influence
    if "filaments" in features:
        filament = draw_filament(parts["filament"], view)
        channel = filament.channel
        brightness *= filament.transmission
    angle = chromosphere.fibril_angle(view, flux, channel, twist)
    brightness *= chromosphere.fibrils(parts["texture"], view, angle, contrast=contrast)
    if "flares" in features:
        flare = draw_ribbons(
            parts["flare"],
            view.shape,
            pixel=view.pixel,
            to_pixel=lambda x, y: view.surface_to_pixel(region.x + x, region.y + y),
        )
        brightness = brightness * flare.transmission + flare.brightening
    return brightness * chromosphere.limb_darkening(view.mu)


def _plage_chance(features: tuple[str, ...]) -> float:
    """Return how often plage comes with the features; a modelling choice."""
    if "flares" in features:
        return 1.0
    if "sunspots" in features:
        return 0.85
    return 0.3 if "filaments" in features else 0.0


def _observed(rng: np.random.Generator, brightness: Floats, angle: u.Quantity) -> Floats:
    """Blur as the seeing does, add photon noise, and count in DN."""
    fwhm = np.exp(rng.uniform(*np.log(_SEEING)))
    seen = gaussian_filter(brightness, fwhm / 2.3548 / angle.to_value("arcsec"))
    noise = rng.uniform(*_NOISE) * np.sqrt(seen) * rng.standard_normal(seen.shape, dtype=np.float32)
    return (_QUIET_LEVEL * np.maximum(seen + noise, 0)).astype(np.float32)


def _header(
    view: View,
    pointing: tuple[float, float],
    date: Time,
    features: tuple[str, ...],
) -> dict[str, Any]:
    rows, columns = view.shape
    step = np.rad2deg(view.scale) * 3600
    tx, ty = np.rad2deg(pointing) * 3600
    return {
        "CTYPE1": "HPLN-TAN",
        "CTYPE2": "HPLT-TAN",
        "CUNIT1": "arcsec",
        "CUNIT2": "arcsec",
        "CRPIX1": (columns + 1) / 2,
        "CRPIX2": (rows + 1) / 2,
        "CRVAL1": float(tx),
        "CRVAL2": float(ty),
        "CDELT1": float(step),
        "CDELT2": float(step),
        "DATE-OBS": date.utc.isot,
        "TIMESYS": "UTC",
        "HGLN_OBS": 0.0,
        "HGLT_OBS": 0.0,
        "DSUN_OBS": view.distance * 1e6,
        "RSUN_REF": view.radius * 1e6,
        "WAVELNTH": 6562.8,
        "WAVEUNIT": "Angstrom",
        "BUNIT": "DN",
        "TELESCOP": "sunpy_ml simulation",
        "INSTRUME": "H-alpha simulation",
        "ORIGIN": "sunpy_ml.simulation.halpha_scene",
        "FEATURES": ", ".join(features),
    }
