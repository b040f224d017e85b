"""Bipoles: regions that emerge, that emerged long ago, and ephemeral ones."""

from typing import NamedTuple

import numpy as np

from sunpy_ml.simulation.drawing import Floats
from sunpy_ml.simulation.emergence.elements import Elements, since, smooth_step, together, walk
from sunpy_ml.simulation.emergence.parameters import PARAMETERS, draw, value

__all__ = ["Bipole", "bipole_elements", "bipole_flux", "draw_bipole", "draw_ephemeral", "time_of_tenth"]

# Mx that a fragment has, and how many there are at least and at most in a polarity.
_FRAGMENT = 3e19
_FEWEST, _MOST = 12, 60
# How long a fragment takes to come up, in days.
_FRAGMENT_RISE = 0.15
# Mm along the line between the polarities where fragments come up.
_SPREAD = 2.0
_TENTH = 0.1


class Bipole(NamedTuple):
    """
    A bipole, in Mm, days, Mx and radians.

    Parameters
    ----------
    x, y : float
        Where it emerges.
    onset : float
        When, counted as the days of the frames.
    rise, decay : float
        Time in which it emerges, and e-fold of its decay.
    flux : float
        Unsigned, of both polarities, if nothing decayed.
    separation : float
        Final.
    fast_part, fast_time, slow_time : float
        How the polarities part.
    tilt : float
        From the east-west direction, positive where the leading polarity is nearer to the equator.
    polarity : int
        Of the leading part, 1 or -1.
    leading_part, leading_radius, following_radius : float
        Of the separation.
    imbalance : float
        What the leading polarity has more, over the flux of both.
    diffusion : float
        In km2/s.
    fragments : int
        How many each polarity has.
    seed : int
        Of the fragments.
    """

    x: float
    y: float
    onset: float
    rise: float
    decay: float
    flux: float
    separation: float
    fast_part: float
    fast_time: float
    slow_time: float
    tilt: float
    polarity: int
    leading_part: float
    leading_radius: float
    following_radius: float
    imbalance: float
    diffusion: float
    fragments: int
    seed: int


def draw_bipole(
    rng: np.random.Generator, x: float, y: float, latitude: float, cycle: int, *, flux: str = "flux"
) -> Bipole:
    """Draw a region that begins to emerge at day 0; ``cycle`` is the polarity that leads in the north.

    ``flux`` is the name of the parameter that its flux is drawn from.
    """
    return _drawn(rng, x, y, latitude, cycle, draw(rng, flux), draw(rng, "rise"), draw(rng, "decay"), "against_hale")


def draw_ephemeral(rng: np.random.Generator, x: float, y: float, latitude: float, cycle: int) -> Bipole:
    """Draw an ephemeral region that begins to emerge at day 0."""
    times = draw(rng, "ephemeral_rise"), draw(rng, "ephemeral_life")
    flux = draw(rng, "ephemeral_flux")
    return _drawn(rng, x, y, latitude, cycle, flux, *times, "against_hale_ephemeral")


def _drawn(
    rng: np.random.Generator,
    x: float,
    y: float,
    latitude: float,
    cycle: int,
    flux: float,
    rise: float,
    decay: float,
    against: str,
) -> Bipole:
    side = 1 if latitude >= 0 else -1
    scatter = PARAMETERS["tilt_scatter"]
    # From small regions to those of 1e22 Mx.
    width = np.interp(np.log10(flux), [20, 22], [scatter.high, scatter.low])
    joy = np.arcsin(value("joy_slope") * np.sin(np.deg2rad(abs(latitude))) + value("joy_offset"))
    leading = draw(rng, "leading_radius")
    return Bipole(
        x=x,
        y=y,
        onset=0.0,
        rise=rise,
        decay=decay,
        flux=flux,
        separation=draw(rng, "separation") * (flux / 1e21) ** 0.3,
        fast_part=draw(rng, "fast_part"),
        fast_time=draw(rng, "fast_time") / 24,
        slow_time=min(draw(rng, "slow_time"), 5 * rise),
        tilt=side * (float(joy) + float(rng.normal(0, np.deg2rad(width)))),
        polarity=cycle * side * (-1 if rng.uniform() < value(against) else 1),
        leading_part=draw(rng, "leading_part"),
        leading_radius=leading,
        following_radius=leading * draw(rng, "following_ratio"),
        imbalance=draw(rng, "imbalance") * rng.choice([-1, 1]),
        diffusion=draw(rng, "diffusion_in_regions"),
        fragments=int(np.clip(flux / 2 / _FRAGMENT, _FEWEST, _MOST)),
        seed=int(rng.integers(2**31)),
    )


def _fragments(bipole: Bipole, side: int) -> tuple[Floats, Floats]:
    """Return when the fragments of a polarity come up, and their fluxes; they follow a smooth rise."""
    total = 0.5 * bipole.flux * (1 + side * bipole.imbalance)
    part = (np.arange(bipole.fragments) + 0.5) / bipole.fragments
    position = 0.5 - np.sin(np.arcsin(1 - 2 * part) / 3)
    return bipole.onset + bipole.rise * position, np.full(bipole.fragments, total / bipole.fragments)


def _grown(bipole: Bipole, days: Floats, up: Floats) -> Floats:
    age = days - up[:, None]
    rise = min(_FRAGMENT_RISE, bipole.rise)
    return smooth_step(age / rise) * np.exp(-np.maximum(age, 0) / bipole.decay)


def bipole_flux(bipole: Bipole, days: Floats) -> Floats:
    """Return the unsigned flux of both polarities, in Mx, wherever it is."""
    curves = []
    for side in (1, -1):
        up, flux = _fragments(bipole, side)
        curves.append(flux @ _grown(bipole, np.asarray(days, dtype=float), up))
    return curves[0] + curves[1]


def time_of_tenth(bipole: Bipole) -> float:
    """Return when the flux reaches 10 % of its largest, in days."""
    days = bipole.onset + np.linspace(0, 1.2 * bipole.rise + 0.5, 2000)
    curve = bipole_flux(bipole, days)
    top = int(np.argmax(curve))
    return float(np.interp(_TENTH * curve[top], curve[: top + 1], days[: top + 1]))


def bipole_elements(bipole: Bipole, days: Floats) -> Elements:
    """Return the fragments of a bipole."""
    rng = np.random.default_rng(bipole.seed)
    # Leading polarities are to the west, and nearer to the equator where the tilt is positive in the north.
    along = np.array([np.cos(bipole.tilt), -np.sin(bipole.tilt)])
    across = np.array([-along[1], along[0]])
    parts = []
    for side in (1, -1):
        up, flux = _fragments(bipole, side)
        age = np.maximum(days - up[:, None], 0)
        apart = 1 - bipole.fast_part * np.exp(-age / bipole.fast_time)
        apart -= (1 - bipole.fast_part) * np.exp(-age / bipole.slow_time)
        way = bipole.leading_part if side > 0 else bipole.leading_part - 1
        radius = bipole.leading_radius if side > 0 else bipole.following_radius
        scatter = rng.normal(0, radius * bipole.separation, (2, len(up), 1))
        # What was up before the first frame has walked already.
        walked = rng.normal(0, 1, (2, len(up), 1)) * np.sqrt(2 * bipole.diffusion * 0.0864 * age[:, :1])
        rooms = rng.normal(0, _SPREAD, (len(up), 1))
        steps = [since(step, days > up[:, None]) for step in walk(rng, len(up), days, bipole.diffusion)]
        coordinates = []
        for axis, origin in enumerate((bipole.x, bipole.y)):
            target = along[axis] * way * bipole.separation + scatter[axis]
            place = origin + across[axis] * rooms * (1 - apart) + target * apart
            coordinates.append(place + walked[axis] + steps[axis] * (age > 0))
        x, y = coordinates
        parts.append(Elements(x, y, side * bipole.polarity * flux[:, None] * _grown(bipole, days, up)))
    return together(*parts)
