"""Relevance drawn over the image that it explains."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.colors import Colormap, ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from sunpy.map import GenericMap

from sunpy_ml.observations import as_map, quiet_headers, self_contained

__all__ = ["plot_relevance", "relevance_settings"]

Array = npt.NDArray[Any]

# Of the palette of Okabe & Ito, which readers of every colour vision tell apart.
_FOR, _AGAINST = "#d55e00", "#0072b2"
#: The percentile of the absolute relevance that gets the full colour, so that a few pixels do not hide the rest.
_FULL_COLOUR = 99.8
_OPACITY = 0.9


def plot_relevance(relevance: GenericMap, m: Any, figure: Figure | None = None) -> Figure:
    """Draw relevance over its image: orange where it speaks for the target, blue where it speaks against it.

    Parameters
    ----------
    relevance : sunpy.map.GenericMap
        From `~sunpy_ml.explain.explain_map`.
    m : sunpy.map.GenericMap, ndcube.NDCube, str or pathlib.Path
        The observation that it was made of.
    figure : matplotlib.figure.Figure, optional
        An empty one to draw on; by default a new one.

    Returns
    -------
    matplotlib.figure.Figure
        The image in grey, alone and under the relevance, on axes with coordinates. The smaller the relevance, the more
        of the image shows through.

    Raises
    ------
    ValueError
        If the two do not have the same shape.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sunpy_ml.explain import explain_map, plot_relevance
    >>> from sunpy_ml.simulation import halpha_scene
    >>> m = halpha_scene("sunspots", seed=1)
    >>> figure = plot_relevance(explain_map(m), m)
    >>> figure.axes[1].get_title()
    'relevance for sunspots (gradcam)'
    >>> plt.close(figure)
    """
    image = self_contained(as_map(m))
    if image.data.shape != relevance.data.shape:
        raise ValueError(
            f"relevance: its shape is {relevance.data.shape} and that of the observation {image.data.shape}; "
            "give the observation that it was made of."
        )
    figure = figure or plt.figure(figsize=(10.5, 4.6), layout="constrained")
    values = np.ma.masked_array(relevance.data, relevance.mask)
    signed = bool((values < 0).any())
    with quiet_headers():
        alone, under = figure.subplots(1, 2, subplot_kw={"projection": image})
        for axes in (alone, under):
            image.plot(axes=axes, autoalign=False, cmap="gray", norm=_contrast(image.data))
    drawn = under.imshow(values, origin="lower", cmap=_overlay(signed), norm=_norm(values, signed))
    method, target = relevance.meta.get("relmeth", "unknown method"), relevance.meta.get("reltarg", "unknown target")
    under.set_title(f"relevance for {target} ({method})")
    under.coords[1].set_axislabel(" ")
    figure.colorbar(drawn, ax=under, label="relevance", extend="both" if signed else "max")
    return figure


def relevance_settings(relevance: Array, signed: bool) -> dict[str, Any]:
    """Plot settings for relevance as a Map by itself: opaque colours, white or dark where it is zero."""
    return {"cmap": "RdBu_r" if signed else "viridis", "norm": _norm(relevance, signed)}


def _norm(relevance: Array, signed: bool) -> Normalize:
    values = np.abs(np.ma.compressed(relevance))
    # Where everything is masked or zero, any positive limit will do.
    limit = (float(np.percentile(values, _FULL_COLOUR)) or float(values.max())) if values.size else 0.0
    return Normalize(-(limit or 1.0) if signed else 0.0, limit or 1.0)


def _contrast(image: Array) -> Normalize:
    values = np.asarray(image)
    low, high = np.percentile(values[np.isfinite(values)], [0.5, 99.5])
    return Normalize(low, high)


def _overlay(signed: bool) -> Colormap:
    strength = np.linspace(-1.0 if signed else 0.0, 1.0, 257)[:, np.newaxis]
    colours = np.where(strength < 0, to_rgb(_AGAINST), to_rgb(_FOR))
    return ListedColormap(np.hstack([colours, _OPACITY * np.abs(strength)]), name="relevance")
