"""A picture of a patch by which a person can tell whether flux emerges in it."""

from pathlib import Path
from typing import Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from ndcube import NDCube

from sunpy_ml.emergence.cubes import read_patch
from sunpy_ml.emergence.video import SIDE

__all__ = ["quick_look"]

# Frames that are shown, the field in gauss that gets the full contrast, and that above which no noise is.
_FRAMES, _LIMIT, _STRONG = 12, 300.0, 100.0


def quick_look(cube: NDCube, path: Path, title: str) -> None:
    """Write a picture of frames through the whole cube, above the course of its strong field."""
    patch = read_patch(cube, (SIDE, SIDE))
    seen = np.flatnonzero(patch.shows)
    chosen = seen[np.linspace(0, len(seen) - 1, _FRAMES).round().astype(int)]
    days = patch.seconds / u.day.to(u.s)
    rows = [str(number) for number in range(_FRAMES)]
    mosaic: list[Any] = [rows[: _FRAMES // 2], rows[_FRAMES // 2 :], ["curve"] * (_FRAMES // 2)]
    figure, axes = plt.subplot_mosaic(mosaic, figsize=(10, 6), layout="constrained")
    for number, index in enumerate(chosen):
        panel = axes[str(number)]
        panel.imshow(patch.field[index], origin="lower", cmap="gray", vmin=-_LIMIT, vmax=_LIMIT)
        panel.set_title(f"day {days[index]:.1f}", fontsize="small")
        panel.set(xticks=[], yticks=[], facecolor="#999999")
    sizes = np.abs(patch.field[seen])
    strong = np.nanmean(np.where(sizes < _STRONG, 0, sizes), axis=(1, 2))
    axes["curve"].plot(days[seen], strong, color="#0072b2")
    axes["curve"].set(
        # A bad frame must not make all others look alike.
        ylim=(0, 1.5 * max(float(np.percentile(strong, 95)), 1.0)),
        xlabel=f"days since {patch.times[0].isot[:16].replace('T', ' ')} UTC",
        ylabel=f"mean of field above {_STRONG:g} G [G]",
    )
    figure.suptitle(title)
    figure.savefig(path, dpi=80)
    plt.close(figure)
