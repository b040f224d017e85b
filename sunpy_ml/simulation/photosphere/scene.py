"""Whole scenes of the photosphere, as pairs of Maps."""

from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective
from sunpy.map import GenericMap, make_fitswcs_header
from sunpy.sun import constants
from sunpy.time import parse_time

from sunpy_ml.simulation.drawing import Floats
from sunpy_ml.simulation.photosphere import flux_tubes
from sunpy_ml.simulation.photosphere.granulation import granulation as draw_granulation
from sunpy_ml.simulation.photosphere.granulation import lanes
from sunpy_ml.simulation.photosphere.layout import Envelopes, draw_envelopes, draw_layout
from sunpy_ml.simulation.photosphere.parameters import PhotosphereParameters
from sunpy_ml.simulation.photosphere.penumbra import draw_filaments, spot_field, spot_light
from sunpy_ml.simulation.photosphere.spots import Grid, Spots, add_umbral_detail, draw_spots
from sunpy_ml.simulation.plate_scale import pixel_angle

__all__ = ["PhotosphereScene", "photosphere_scene"]

_KINDS = ("network", "plage", "pores", "quiet", "spot")
_WAVELENGTH = 6173.3 * u.AA
# The surface at disk centre is nearer than the centre of the Sun. In Mm.
_DISTANCE = float((1 * u.au - constants.radius).to_value("Mm"))
# Scenes are drawn on pixels of at most this many Mm, and averaged to those asked for.
_FINEST = 0.11
# Shortest sides, in Mm, that show anything of each kind.
_SHORTEST = {"network": 3.0, "plage": 3.0, "pores": 8.0, "quiet": 3.0, "spot": 12.0}
# Farthest from the middle of the disk, in solar radii: there is no foreshortening here.
_FARTHEST = 0.5

# One stream of random numbers for each part of a scene.
_PARTS = ("card", "granules", "layout", "spots", "umbrae", "filaments", "light", "flux", "order", "weak")


class PhotosphereScene(NamedTuple):
    """
    A simulated piece of the photosphere.

    Parameters
    ----------
    continuum : `~sunpy.map.GenericMap`
        Continuum over that of the quiet Sun, without unit.
    magnetogram : `~sunpy.map.GenericMap`
        Line-of-sight field in gauss, on the same pixels.
    """

    continuum: GenericMap
    magnetogram: GenericMap


@u.quantity_input
def photosphere_scene(
    kind: str = "spot",
    *,
    shape: tuple[int, int] = (512, 512),
    scale: u.Quantity[u.arcsec / u.pix] = 0.1 * u.arcsec / u.pix,
    center: SkyCoord | None = None,
    time: Any = "2014-10-24T12:00:00",
    seed: int | np.random.Generator = 0,
    granulation: Floats | None = None,
    parameters: PhotosphereParameters | None = None,
) -> PhotosphereScene:
    """
    Simulate a continuum image and a magnetogram of the same piece of the photosphere.

    They are drawn at high resolution, without telescope and without noise: `~sunpy_ml.optics.degrade` tells what an
    instrument makes of them. Features have solar sizes, in Mm, whatever the plate scale. They are drawn after what is
    known of their shapes, brightness and field, not computed from magnetohydrodynamics.

    Parameters
    ----------
    kind : {"network", "plage", "pores", "quiet", "spot"}
        What to show: a spot has a penumbra, opposite polarity, pores and plage around it.
    shape : tuple of int, optional
        Rows and columns of the image.
    scale : `~astropy.units.Quantity`, optional
        Plate scale, in units of angle per pixel: 0.05 to 0.3 arcsec per pixel are meant.
    center : `~astropy.coordinates.SkyCoord`, optional
        The middle of the image, the middle of the disk unless given. Helioprojective coordinates count as the
        simulated observer's own; others are transformed. The scene is seen from above: it is not foreshortened, and
        the middle must be within half a solar radius of the disk's.
    time : str, `~astropy.time.Time` or `~datetime.datetime`, optional
        Time of the observation, anything that `sunpy.time.parse_time` reads.
    seed : int or `numpy.random.Generator`, optional
        The same seed gives the same scene.
    granulation : numpy.ndarray, optional
        Continuum of granulation to use in place of the drawn one, of the same shape, on the pixels of the scene, in
        any unit: it is divided by its mean. Flux concentrations follow its dark lanes.
    parameters : PhotosphereParameters, optional
        The card from which the scene is drawn.

    Returns
    -------
    PhotosphereScene
        The maps ``continuum`` and ``magnetogram``, as float32, seen from 1 au at Stonyhurst longitude and latitude
        0, with solar north up.

    Raises
    ------
    ValueError
        If ``kind`` is unknown, if ``shape`` or ``scale`` cannot be or leave no room for the features, if
        ``center`` is too far from the middle of the disk, or if ``granulation`` is not an image of this shape.
    TypeError
        If ``scale`` has no unit, or if ``center`` is not a SkyCoord of one point.
    astropy.units.UnitsError
        If ``scale`` is not an angle per pixel.

    Notes
    -----
    `~sunpy_ml.simulation.photosphere.PhotosphereParameters` holds the ranges from which sizes, brightness and fields
    are drawn, each with its source.
    Both polarities have the same flux, to a few per cent, where the field has room for it.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.photosphere import photosphere_scene
    >>> scene = photosphere_scene("pores", shape=(200, 200), scale=0.1 * u.arcsec / u.pix, seed=3)
    >>> scene.magnetogram.unit
    Unit("G")
    >>> bool(scene.continuum.data.min() < 0.6)
    True
    """
    if kind not in _KINDS:
        raise ValueError(f"kind is {kind!r}: choose one of {', '.join(_KINDS)}")
    card = PhotosphereParameters() if parameters is None else parameters
    step = float(pixel_angle(scale).to_value("rad")) * _DISTANCE
    rows, columns = _checked_shape(kind, shape, step)
    date = parse_time(time)
    middle = _pointing(center, date)
    given = None if granulation is None else _checked_granulation(granulation, (rows, columns))
    generator = np.random.default_rng(seed)
    parts = dict(zip(_PARTS, generator.spawn(len(_PARTS)), strict=True))
    # Given granulation says nothing finer than its own pixels.
    finer = 1 if given is not None else int(np.ceil(step / _FINEST))
    light, field = _draw(kind, _grid((rows * finer, columns * finer), step / finer), parts, given, card)
    return PhotosphereScene(
        _as_map(_binned(light, finer), "CONTINUUM INTENSITY", u.dimensionless_unscaled, kind, middle, scale),
        _as_map(_binned(field, finer), "MAGNETOGRAM", u.G, kind, middle, scale),
    )


def _draw(
    kind: str,
    grid: Grid,
    parts: dict[str, np.random.Generator],
    given: Floats | None,
    card: PhotosphereParameters,
) -> tuple[Floats, Floats]:
    """Draw the continuum, relative to the quiet Sun, and the vertical field in G."""
    granules = given
    if granules is None:
        granules = draw_granulation(
            parts["granules"],
            grid.shape,
            grid.pixel,
            spacing=card.draw(parts["card"], "granule_spacing"),
            contrast=card.draw(parts["card"], "granulation_contrast"),
        )
    dark = lanes(granules, grid.pixel)
    placed = draw_layout(parts["layout"], kind, grid, card)
    spots = draw_spots(parts["spots"], grid, placed)
    if placed:
        spots = add_umbral_detail(parts["umbrae"], grid, placed, spots, card)
    filaments = draw_filaments(parts["filaments"], grid, spots, card)
    strong = spot_field(spots, filaments)
    envelopes = draw_envelopes(parts["flux"], kind, grid, placed, card)
    tubes = _tubes(kind, grid, parts, card, dark, spots, strong, envelopes)
    outside = np.clip(spots.depth - 1 - 0.9 * spots.penumbra, 0, 0.3) / 0.3
    weak = flux_tubes.internetwork(parts["weak"], grid, dark, card.draw(parts["card"], "internetwork_field"))
    field = strong + tubes.field + weak * outside * (1 - tubes.cover)
    point = card.draw(parts["card"], "point_intensity")
    quiet = flux_tubes.lit(granules, grid, tubes.cover, point)
    return spot_light(parts["light"], spots, filaments, quiet, card), field


def _tubes(
    kind: str,
    grid: Grid,
    parts: dict[str, np.random.Generator],
    card: PhotosphereParameters,
    dark: Floats,
    spots: Spots,
    strong: Floats,
    envelopes: Envelopes,
) -> flux_tubes.Concentrations:
    """Draw plage and network such that both polarities of the scene have the same flux."""
    rng = parts["order"]
    strength = card.draw(rng, "tube_field")
    network = card.draw(rng, "network_field" if kind == "network" else "quiet_network_field") / strength
    # Spots have little plage close to them, in their moats.
    room = np.clip(spots.depth - 1 - 1.1 * spots.penumbra, 0, 0.5) / 0.5
    filling = card.draw(rng, "plage_filling")
    weights, targets = [], []
    for plage, lane in zip(envelopes.plage, envelopes.network, strict=True):
        weights.append(filling * plage + 0.5 * network * lane / max(float(lane.mean()), 1e-9))
        targets.append(0.5 * network + filling * float((plage * room).mean()))
    covers = flux_tubes.balanced(
        flux_tubes.draw_orders(rng, grid, dark),
        (weights[0], weights[1]),
        (targets[0], targets[1]),
        room,
        float(strong.mean()) / strength,
    )
    return flux_tubes.concentrations(rng, grid, *covers, strength)


def _checked_shape(kind: str, shape: tuple[int, int], step: float) -> tuple[int, int]:
    if len(shape) != 2 or min(shape) < 16:
        raise ValueError(f"shape is {shape}: give rows and columns, at least 16 of each")
    side = min(shape) * step
    if side < _SHORTEST[kind]:
        raise ValueError(
            f"shape is {shape} with pixels of {step:.3f} Mm, {side:.1f} Mm in all: kind {kind!r} needs "
            f"{_SHORTEST[kind]:g} Mm, so give more pixels or a coarser scale"
        )
    return int(shape[0]), int(shape[1])


def _checked_granulation(granulation: Floats, shape: tuple[int, int]) -> Floats:
    image = np.array(granulation, np.float32)
    if image.shape != shape or not np.isfinite(image).all() or not image.mean() > 0:
        raise ValueError(
            f"granulation has the shape {image.shape} and the mean {image.mean()}: give a finite image of the shape "
            f"{shape} and of positive mean"
        )
    return image / image.mean()


def _pointing(center: SkyCoord | None, date: Time) -> SkyCoord:
    """Return the middle of the image as the simulated observer sees it."""
    observer = HeliographicStonyhurst(0 * u.deg, 0 * u.deg, 1 * u.au, obstime=date)
    frame = Helioprojective(observer=observer, obstime=date, rsun=constants.radius)
    if center is None:
        return SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=frame)
    if not isinstance(center, SkyCoord) or not center.isscalar:
        raise TypeError(f"center is {center!r}: give a SkyCoord of one point, or None")
    if isinstance(center.frame, Helioprojective):
        middle = SkyCoord(center.Tx, center.Ty, frame=frame)
    else:
        middle = center.transform_to(frame)
    away = np.hypot(middle.Tx, middle.Ty) / frame.angular_radius
    if not away < _FARTHEST:
        raise ValueError(
            f"center is {center}, {away:.2f} solar radii from the middle of the disk: scenes are seen from above, "
            f"move it within {_FARTHEST:g}"
        )
    return middle


def _grid(shape: tuple[int, int], pixel: float) -> Grid:
    y, x = ((np.arange(count, dtype=np.float32) - (count - 1) / 2) * np.float32(pixel) for count in shape)
    return Grid(x[None, :], y[:, None], pixel)


def _binned(image: Floats, finer: int) -> Floats:
    rows, columns = image.shape
    blocks = image.reshape(rows // finer, finer, columns // finer, finer)
    return np.ascontiguousarray(blocks.mean(axis=(1, 3)), np.float32)


def _as_map(data: Floats, content: str, unit: u.UnitBase, kind: str, middle: SkyCoord, scale: u.Quantity) -> GenericMap:
    header = make_fitswcs_header(
        data,
        middle,
        scale=u.Quantity([scale, scale]),
        instrument="photosphere simulation",
        telescope="sunpy_ml simulation",
        wavelength=_WAVELENGTH,
        unit=unit,
    )
    header["timesys"] = "UTC"
    header["content"] = content
    header["features"] = kind
    header["origin"] = "sunpy_ml.simulation.photosphere_scene"
    return GenericMap(data, header)
