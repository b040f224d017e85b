"""A picture of a patch by which a person can tell whether flux emerges in it."""

from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from ndcube import NDCube

from sunpy_ml.emergence.cubes import read_patch
from sunpy_ml.emergence.video import SIDE

__all__ = ["quick_look"]

# Frames that are shown, and the field in gauss that gets the full contrast.
_FRAMES, _LIMIT = 12, 300.0


def quick_look(cube: NDCube, path: Path, title: str) -> None:
    """Write a picture of frames through the whole cube, above the course of its mean unsigned field."""
    patch = read_patch(cube, (SIDE, SIDE))
    seen = np.flatnonzero(patch.shows)
    chosen = seen[np.linspace(0, len(seen) - 1, _FRAMES).round().astype(int)]
    days = patch.seconds / u.day.to(u.s)
    figure, axes = plt.subplot_mosaic(
        [[str(column) for column in range(_FRAMES // 2)], [str(_FRAMES // 2 + column) for column in range(_FRAMES // 2)]]
        + [["curve"] * (_FRAMES // 2)],
        figsize=(10, 6),
        layout="constrained",
    )
    for number, index in enumerate(chosen):
        panel = axes[str(number)]
        panel.imshow(patch.field[index], origin="lower", cmap="gray", vmin=-_LIMIT, vmax=_LIMIT)
        panel.set_title(f"day {days[index]:.1f}", fontsize="small")
        panel.set(xticks=[], yticks=[], facecolor="#999999")
    axes["curve"].plot(days[seen], [np.nanmean(np.abs(patch.field[index])) for index in seen], color="#0072b2")
    axes["curve"].set(
        xlabel=f"days since {patch.times[0].isot[:16].replace('T', ' ')} UTC", ylabel="mean unsigned field [G]"
    )
    figure.suptitle(title)
    figure.savefig(path, dpi=80)
    plt.close(figure)
