"""A weak vertical magnetic field that the flow at the surface carries: magnetograms of the same run."""

from dataclasses import dataclass
from itertools import pairwise

import astropy.units as u
import numpy as np
from ndcube import NDCube
from numpy.typing import NDArray

from sunpy_ml.simulation.convection.result import ConvectionRun

__all__ = ["carried_field"]

Floats = NDArray[np.float64]
# Of the longest step that is stable for flow and for diffusion.
_COURANT = 0.4


@dataclass(frozen=True)
class _Sheet:
    """Size of a pixel along y and x (m), and diffusivity (m2/s)."""

    pixel: tuple[float, float]
    diffusivity: float

    def step_limit(self, fastest: float) -> float:
        """Return the longest stable step, in s, for this speed in m/s."""
        smallest = min(self.pixel)
        return _COURANT / (2 * fastest / smallest + 4 * self.diffusivity / smallest**2 + 1e-12)

    def rate(self, field: Floats, vy: Floats, vx: Floats) -> Floats:
        """Return the rate of change of a field (y, x), as the difference of the fluxes through the sides of pixels."""
        total = np.zeros_like(field)
        for axis, (velocity, size) in enumerate(zip((vy, vx), self.pixel, strict=True)):
            after = np.roll(field, -1, axis)
            backward, forward = field - np.roll(field, 1, axis), after - field
            # The monotonised central slope, as for the gas.
            slope = np.minimum(2 * np.minimum(abs(backward), abs(forward)), 0.5 * abs(backward + forward))
            slope = np.where(backward * forward > 0, np.copysign(slope, forward), 0)
            speed = 0.5 * (velocity + np.roll(velocity, -1, axis))
            upwind = np.where(speed > 0, field + 0.5 * slope, after - 0.5 * np.roll(slope, -1, axis))
            flux = speed * upwind - self.diffusivity * forward / size
            total += (np.roll(flux, 1, axis) - flux) / size
        return total


@u.quantity_input
def carried_field(
    run: ConvectionRun,
    start: u.Quantity[u.G] = 10 * u.G,
    *,
    diffusivity: u.Quantity[u.km**2 / u.s] = 50 * u.km**2 / u.s,
    depth: float = 1.0,
) -> NDCube:
    """
    Carry a vertical magnetic field with the horizontal flow at the surface of a run.

    The field has no force of its own: it gathers in the lanes between granules, where a real field of more than about
    500 G would resist. It obeys the vertical part of the induction equation at a height without vertical shear,
    dB/dt + div(v B) = D lap(B), so that its flux is conserved.

    Parameters
    ----------
    run : `ConvectionRun`
        The run, of two frames at least. Between frames the flow is interpolated in time.
    start : `~astropy.units.Quantity`, optional
        Field at the first frame: one value, or one for each pixel (y, x).
    diffusivity : `~astropy.units.Quantity`, optional
        Of the field. The default spreads it by a pixel or so in the life of a granule; the Sun's own is far smaller
        than any grid can hold.
    depth : float, optional
        Optical depth of the surface whose flow carries the field, one of the run's.

    Returns
    -------
    `~ndcube.NDCube`
        In G, float32, of shape (time, y, x), with the coordinates of the run.

    Raises
    ------
    ValueError
        If the run is too short, has no such depth, or if ``start`` or ``diffusivity`` cannot be.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.convection import carried_field, convection_run
    >>> run = convection_run(40 * u.s, cadence=10 * u.s, shape=(24, 16, 16), cell=(60, 200, 200) * u.km)
    >>> field = carried_field(run, 20 * u.G)
    >>> float(field.data[-1].mean())
    20.0
    """
    cadence = float(run.cadence.to_value("s"))
    vy, vx = (run.field(name, depth).data.astype(float) for name in ("vy", "vx"))
    shape = vx.shape[1:]
    if start.shape not in ((), shape) or not np.all(np.isfinite(start)):
        raise ValueError(f"start has the shape {start.shape}: give one finite value, or an image of {shape}")
    if not diffusivity.isscalar or not 0 <= diffusivity.to_value("km2/s") < np.inf:
        raise ValueError(f"diffusivity is {diffusivity}: give one value, zero or more")
    pixel = tuple(float(size) for size in run.pixel.to_value("m"))
    sheet = _Sheet((pixel[0], pixel[1]), float(diffusivity.to_value("m2/s")))
    field = np.broadcast_to(start.to_value("G"), shape).astype(float)
    frames = [field]
    for flow in pairwise(zip(vy, vx, strict=True)):
        field = _carry(field, np.array(flow), cadence, sheet)
        frames.append(field)
    return run.cube(np.array(frames, np.float32), u.G, "vertical magnetic field, carried without force")


def _carry(field: Floats, flow: Floats, cadence: float, sheet: _Sheet) -> Floats:
    """Return the field after a time in which the flow changes linearly; ``flow`` is (2 times, 2 components, y, x)."""
    fastest = float(np.abs(flow).max())
    count = int(np.ceil(cadence / sheet.step_limit(fastest)))
    dt = cadence / count
    for number in range(count):
        before, after = (flow[0] + (flow[1] - flow[0]) * (number + more) / count for more in (0, 1))
        first = field + dt * sheet.rate(field, *before)
        field = 0.5 * (field + first + dt * sheet.rate(first, *after))
    return field
