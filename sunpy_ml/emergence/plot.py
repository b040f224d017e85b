"""The figure of a search for emerging flux: its probability over time, and frames before, at and after it."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from astropy.time import Time
from astropy.visualization.wcsaxes import WCSAxes
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from ndcube import NDCube

from sunpy_ml.emergence.video import CADENCE, UNSEEN
from sunpy_ml.observations import quiet_headers

if TYPE_CHECKING:
    from sunpy_ml.emergence.result import Emergence

__all__ = ["plot_emergence"]

Array = npt.NDArray[Any]

# Of the palette of Okabe & Ito, which readers of every colour vision tell apart.
_CURVE, _TIME, _FOR, _AGAINST, _GREY = "#0072b2", "#d55e00", "#e69f00", "#56b4e9", "#999999"
# Days before and after the emergence.
_APART = 1.5
# Percentiles of the absolute field and relevance that get the full contrast.
_FULL_FIELD, _FULL_COLOUR = 99.5, 99.8
# What is under the colour is to be seen through it.
_OPAQUE = 0.6


def plot_emergence(result: "Emergence", figure: Figure | None, saliency: str | None) -> Figure:
    """Draw a result; see `sunpy_ml.Emergence.plot`."""
    relevance = None if saliency is None else result.saliency(saliency)
    figure = figure or plt.figure(figsize=(10, 7), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 1.15))
    _draw_curve(figure.add_subplot(grid[0, :]), result)
    chosen = _chosen_frames(result)
    limit = float(np.nanpercentile(np.abs(result.patch.field[chosen]), _FULL_FIELD)) or 1.0
    panels = []
    for column, index in enumerate(chosen):
        with quiet_headers():
            axes = figure.add_subplot(grid[1, column], projection=result.cube[index].wcs)
            image = _draw_frame(axes, result, index, limit)
            if relevance is not None:
                _draw_relevance(axes, relevance, index)
        _label(axes, column)
        panels.append(axes)
    figure.colorbar(image, ax=panels, label="field along the line of sight [G]", extend="both", shrink=0.85)
    return figure


def _days(result: "Emergence", times: Time) -> Array:
    return np.asarray((times - result.patch.times[0]).to_value(u.day))


def _draw_curve(axes: Axes, result: "Emergence") -> None:
    days, patch = _days(result, result.times), result.patch
    low, high = result.curves.min(axis=1), result.curves.max(axis=1)
    axes.fill_between(days, low, high, color=_CURVE, alpha=0.25, lw=0, label="members")
    axes.plot(days, result.curve, color=_CURVE, label="mean")
    axes.axhline(0.5, color=_GREY, lw=0.8, ls=":")
    ends = days[0], UNSEEN * CADENCE / 86400, patch.seconds[patch.shows][-1] / 86400 - 1, days[-1]
    for number, (start, end) in enumerate((ends[:2], ends[2:])):
        if start < end:
            axes.axvspan(start, end, color=_GREY, alpha=0.2, lw=0, label="no time is told" if number == 0 else None)
    if result.time is not None and result.interval is not None:
        axes.axvspan(*_days(result, result.interval), color=_TIME, alpha=0.25, lw=0, label="times of the members")
        axes.axvline(float(_days(result, result.time)), color=_TIME, label="emergence")
    axes.set(xlim=(days[0], days[-1]), ylim=(-0.02, 1.02), ylabel="probability up to this time")
    axes.set_xlabel(f"days since {patch.times[0].isot[:16].replace('T', ' ')} UTC")
    when = "" if result.time is None else f" at {result.time.isot[:16].replace('T', ' ')} UTC"
    notice = f"; {result.notice}" if result.notice else ""
    axes.set_title(
        f"{'emergence' if result.emerged else 'no emergence'}{when}, probability {result.probability:.2f} ± "
        f"{result.spread:.2f}\n{result.weights}{notice}; domain: {result.in_domain.status}",
        fontsize="medium",
    )
    axes.legend(loc="upper left", fontsize="small")


def _chosen_frames(result: "Emergence") -> list[int]:
    """Frames of the cube before, at and after the emergence; the first, middle and last one where there is none."""
    seen = np.flatnonzero(result.patch.shows)
    days = result.patch.seconds[seen] / 86400
    if result.time is None:
        wanted = np.array([days[0], days.mean(), days[-1]])
    else:
        wanted = float(_days(result, result.time)) + np.array([-_APART, 0, _APART])
    return [int(seen[np.abs(days - day).argmin()]) for day in wanted]


def _draw_frame(axes: WCSAxes, result: "Emergence", index: int, limit: float) -> Any:
    cube = result.cube
    frame = np.array(cube.data[index], dtype=float) * cube.unit.to(u.G)
    if cube.mask is not None:
        frame[np.broadcast_to(cube.mask, cube.data.shape)[index]] = np.nan
    axes.set_facecolor(_GREY)
    time = result.patch.times[index]
    title = time.isot[:16].replace("T", " ")
    if result.time is not None:
        # Nothing is added to what is rounded, so that there is no minus before a zero.
        title += f"\n{round((time - result.time).to_value(u.day), 1) + 0.0:+.1f} days"
    axes.set_title(title, fontsize="medium")
    return axes.imshow(frame, origin="lower", cmap="gray", vmin=-limit, vmax=limit)


def _draw_relevance(axes: WCSAxes, relevance: NDCube, index: int) -> None:
    strengths = np.abs(relevance.data[~relevance.mask])
    full = (float(np.percentile(strengths, _FULL_COLOUR)) if strengths.size else 0.0) or 1.0
    frame = np.where(relevance.mask[index], 0, relevance.data[index]) / full
    shown = np.empty((*frame.shape, 4))
    shown[..., :3] = np.where(frame[..., np.newaxis] < 0, to_rgb(_AGAINST), to_rgb(_FOR))
    shown[..., 3] = _OPAQUE * np.abs(frame).clip(0, 1)
    axes.imshow(shown, origin="lower")


def _label(axes: WCSAxes, column: int) -> None:
    for coordinate, name in zip(axes.coords, ("longitude", "latitude"), strict=False):
        coordinate.set_axislabel(name if name == "longitude" or column == 0 else " ")
