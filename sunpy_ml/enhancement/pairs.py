"""Pairs of images: as HMI sees the Sun, and as an ideal telescope of twice the aperture does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import map_coordinates, spline_filter

from sunpy_ml.enhancement.sources import QUIET_CONTRAST, SOURCE_FLOOR, Source
from sunpy_ml.optics import HMI, IDEAL_28CM, Camera, Padding

__all__ = ["Pair", "make_pairs"]

Array = npt.NDArray[Any]

_PIXEL = float(HMI.pixel.to_value(u.arcsec / u.pix))
# What the telescopes give is first sampled on pixels of this many arcsec: a 28 cm telescope resolves 0.45.
_FINE = 0.08
# How far the wings of the point spread function are followed beyond the edges of a source, which is mirrored there.
_WINGS = 60.0
# Places within a pixel, along each axis, of which its value is the mean: its transfer to 3 %, where it is least.
_PLACES = 4
_ORDER = 5


@dataclass(frozen=True)
class Pair:
    """What goes in, without noise, and what should come out.

    Attributes
    ----------
    seen : numpy.ndarray
        (H, W), float32, as HMI sees it.
    target : numpy.ndarray
        (2H, 2W), float32, of the same field, at points.
    group : str
        Of the source that it was made of.
    """

    seen: Array
    target: Array
    group: str


def make_pairs(
    sources: Sequence[Source], *, size: int, looks: int = 1, places: int = 1, seed: int = 0, scales: float = 0.2
) -> list[Pair]:
    """Pairs of ``size`` x ``size`` pixels of HMI from each source, which is mirrored where it is smaller.

    Parameters
    ----------
    sources : sequence of Source
        The transfer of a source's own telescope is divided out.
    size : int
        Of the pairs, in pixels of HMI.
    looks, places : int
        How often each source is looked at, at another contrast and scale, and how many pairs are cut out of each look,
        at random places, directions and sub-pixel phases.
    seed : int
        Of all chance.
    scales : float
        By how much the sizes on the Sun vary: 0.2 is from 1.2 times smaller to 1.2 times larger.

    Returns
    -------
    list of Pair
        Source by source.
    """
    pairs: list[Pair] = []
    for source, rng in zip(sources, np.random.default_rng(seed).spawn(len(sources)), strict=True):
        for _ in range(looks):
            contrast, scale = rng.uniform(*QUIET_CONTRAST), (1 + scales) ** rng.uniform(-1, 1)
            pairs += _cut(source.group, _look(source, contrast, scale), size, places, rng)
    return pairs


def _look(source: Source, contrast: float, scale: float) -> tuple[Array, Array]:
    """The source as HMI's optics and the ideal ones show it, as splines on pixels of `_FINE`."""
    image = torch.from_numpy(source.with_contrast(contrast))
    step = source.step * scale * u.arcsec / u.pix
    seen, target = (
        Camera(
            telescope,
            (image.shape[0], image.shape[1]),
            scale=step,
            pixel=_FINE * u.arcsec / u.pix,
            integrate=False,
            source=source.telescope,
            source_integrated=source.integrated and source.telescope is not None,
            padding=Padding("reflect", round(_WINGS / (source.step * scale))),
            floor=SOURCE_FLOOR,
        )(image)
        for telescope in (HMI, IDEAL_28CM)
    )
    return tuple(spline_filter(shown.numpy(), _ORDER, np.float32, "reflect") for shown in (seen, target))


def _cut(group: str, look: tuple[Array, Array], size: int, places: int, rng: np.random.Generator) -> Iterator[Pair]:
    seen, target = look
    for _ in range(places):
        middle = np.array([rng.uniform(0.15, 0.85) * length for length in seen.shape])
        angle = rng.uniform(0, 2 * np.pi)
        within = _sampled(seen, middle, angle, _PLACES * size, _PIXEL / _PLACES)
        means = within.reshape(size, _PLACES, size, _PLACES).mean(axis=(1, 3), dtype=np.float64)
        yield Pair(means.astype(np.float32), _sampled(target, middle, angle, 2 * size, _PIXEL / 2), group)


def _sampled(spline: Array, middle: Array, angle: float, number: int, step: float) -> Array:
    """The spline at ``number`` x ``number`` places ``step`` arcsec apart, about ``middle`` and turned by ``angle``."""
    along = (np.arange(number) - (number - 1) / 2) * step / _FINE
    y, x = np.meshgrid(along, along, indexing="ij")
    cosine, sine = np.cos(angle), np.sin(angle)
    places = np.stack([middle[0] + cosine * y - sine * x, middle[1] + sine * y + cosine * x])
    return map_coordinates(spline, places, order=_ORDER, mode="reflect", prefilter=False, output=np.float32)
