"""Figures of velocity fields and their spectra."""

from typing import TYPE_CHECKING, Any, Literal

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.visualization.wcsaxes import WCSAxes
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from ndcube import NDCollection
from sunpy.map import GenericMap

from sunpy_ml.flows.result import Flow, read_flow

if TYPE_CHECKING:
    from sunpy_ml.flows.energy import EnergySpectrum

__all__ = ["plot_flow", "plot_spectrum"]

# Of the palette of Okabe & Ito, which readers of every colour vision tell apart.
_ARROWS, _NOISE, _LIMIT = "#d55e00", "#0072b2", "#999999"
# Arrows along the longer side, unless another number is asked for.
_ARROWS_PER_SIDE = 32


def plot_flow(
    flow: NDCollection,
    image: GenericMap | Any | None = None,
    *,
    kind: Literal["quiver", "streamlines"] = "quiver",
    field: int = 0,
    every: int | None = None,
    axes: WCSAxes | None = None,
) -> WCSAxes:
    """Draw a velocity field over the image in which it was found.

    Parameters
    ----------
    flow : ndcube.NDCollection
        "vx" and "vy", as `~sunpy_ml.lct_flow` gives them.
    image : sunpy.map.GenericMap or numpy.ndarray, optional
        On the same pixels. By default the speed is shown.
    kind : {"quiver", "streamlines"}
        Arrows, whose length is the speed, or lines along the velocity, whose width is.
    field : int
        Of several in time, which one.
    every : int, optional
        Pixels from arrow to arrow.
    axes : astropy.visualization.wcsaxes.WCSAxes, optional
        With the coordinates of the image; by default those of a new figure.

    Returns
    -------
    astropy.visualization.wcsaxes.WCSAxes

    Raises
    ------
    ValueError
        If image and flow have other pixels, or if there is no such field or kind.

    Examples
    --------
    >>> from sunpy_ml.flows import plot_flow
    >>> from sunpy_ml.simulation import moving_granulation
    >>> frames, velocity, _ = moving_granulation(shape=(64, 64))
    >>> axes = plot_flow(velocity, frames.data[0])
    >>> axes.get_xlabel()
    'solar x [arcsec]'
    """
    known = read_flow(flow)
    count, _, rows, columns = known.velocity.shape
    if not -count <= field < count:
        raise ValueError(f"field: got {field!r}, where there are {count}.")
    if kind not in ("quiver", "streamlines"):
        raise ValueError(f"kind: got {kind!r}, choose 'quiver' or 'streamlines'.")
    shape = (rows, columns) if image is None else np.shape(image.data if isinstance(image, GenericMap) else image)
    if shape != (rows, columns):
        raise ValueError(f"image: it has the shape {shape}, the flow {(rows, columns)}.")
    if axes is None:
        own = flow["vx"][field].wcs if known.wcs is None else known.wcs
        axes = plt.figure(layout="constrained").add_subplot(projection=image if isinstance(image, GenericMap) else own)
    _show(axes, known, field, image)
    pixels = known.in_pixels[field]
    speed = np.hypot(*known.velocity[field])
    step = max(1, max(rows, columns) // _ARROWS_PER_SIDE) if every is None else every
    if kind == "quiver":
        row, column = np.mgrid[step // 2 : rows : step, step // 2 : columns : step]
        # Arrows point along the pixels, and are as long as the speed along the Sun.
        length = speed / np.where(np.hypot(*pixels) > 0, np.hypot(*pixels), 1)
        arrows = [component[row, column] for component in pixels * length]
        # One km/s counts where nothing moves.
        typical = float(f"{np.percentile(np.nan_to_num(speed), 95):.1g}") or 1.0
        drawn = axes.quiver(column, row, *arrows, color=_ARROWS, width=0.003, scale=_ARROWS_PER_SIDE * typical)
        # An empty title makes room for the key.
        axes.set_title(" ")
        axes.quiverkey(drawn, 0.9, 1.03, typical, f"{typical:g} km/s", labelpos="W")
    else:
        width = 2 * np.nan_to_num(speed) / max(float(np.nan_to_num(speed).max()), 1e-30)
        lines = np.ma.masked_invalid(pixels)
        axes.streamplot(np.arange(columns), np.arange(rows), *lines, color=_ARROWS, linewidth=width, density=1.5)
        axes.set(xlim=(-0.5, columns - 0.5), ylim=(-0.5, rows - 0.5))
    along, up = _labels(known)
    axes.set_xlabel(along)
    axes.set_ylabel(up)
    return axes


def _labels(known: Flow) -> tuple[str, str]:
    if known.wcs is None:
        return "x [Mm]", "y [Mm]"
    if known.wcs.wcs.ctype[known.wcs.wcs.lng].startswith("HPLN"):
        return "solar x [arcsec]", "solar y [arcsec]"
    return "longitude [deg]", "latitude [deg]"


def _show(axes: WCSAxes, known: Flow, field: int, image: GenericMap | Any | None) -> None:
    if isinstance(image, GenericMap):
        image.plot(axes=axes, autoalign=False, title=False)
    elif image is not None:
        axes.imshow(image, origin="lower", cmap="gray")
    else:
        shown = axes.imshow(np.hypot(*known.velocity[field]), origin="lower", cmap="gray_r")
        axes.figure.colorbar(shown, ax=axes, label="speed [km/s]")


def plot_spectrum(spectrum: "EnergySpectrum", axes: Axes | None = None) -> Axes:
    """Draw a spectrum; see `sunpy_ml.flows.EnergySpectrum.plot`."""
    axes = axes or plt.figure(layout="constrained").add_subplot()
    number = spectrum.wavenumber.to_value(1 / u.Mm)
    for values, label, colour in ((spectrum.energy, "energy", "k"), (spectrum.noise, "noise", _NOISE)):
        shown = values.to_value(u.km**2 / u.s**2 * u.Mm)
        axes.loglog(number, np.where(shown > 0, shown, np.nan), color=colour, label=label)
    limits = {"window": spectrum.cutoff, "Nyquist": spectrum.nyquist}
    for (name, limit), style in zip(limits.items(), (":", "--"), strict=True):
        if limit is not None:
            axes.axvline(limit.to_value(1 / u.Mm), color=_LIMIT, linestyle=style, label=name)
    # All nine minor ticks of a decade, as matplotlib labels them where there are few decades, would overlap.
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.set_xlabel(r"wavenumber $2\pi/\lambda$ [Mm$^{-1}$]")
    axes.set_ylabel(r"E(k) [km$^2$ s$^{-2}$ Mm]")
    axes.legend()
    return axes
