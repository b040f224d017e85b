"""The pairs of images with known motion that the embedded weights are trained on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import astropy.units as u
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from sunpy_ml.flows.sources import Source, sources
from sunpy_ml.optics import Padding, Transfer, apply_transfer, pixel_transfer, product
from sunpy_ml.optics.airy import annular_mtf
from sunpy_ml.simulation.convection import ConvectionRun, convection_run
from sunpy_ml.simulation.motion import SOLAR_SPECTRUM, FlowPart, draw_pairs, granulation

__all__ = [
    "CADENCE",
    "FASTEST_STEP",
    "PIXEL",
    "Pair",
    "contrast",
    "convection",
    "convection_pairs",
    "read_pairs",
    "seen_through",
    "training_pairs",
    "write_pairs",
]

#: Pixels in km and cadences in s, and the most that 1 km/s moves in pixels: finer images are binned first.
PIXEL, CADENCE, FASTEST_STEP = (36.0, 364.0), (10.0, 60.0), 0.9
# Side of the images, and how many are drawn at a time, of one source and pixel.
_SIDE, _TOGETHER = 160, 8
# Width of the diffraction pattern, wavelength over diameter, in pixels: 2 is critical sampling.
_BLUR = (1.4, 3.2)
_OBSCURATION = 0.2
# How often pixels are finer than this, in km, where granules have most to tell.
_FINE, _FINER = 80.0, 0.85
# Correlations of frames, of which one is as frequent as another: nothing changes but for noise, little does, much does.
_CORRELATIONS = ((1.0, 1.0), (0.985, 1.0), (0.95, 1.0))
_NOISE = (1e-3, 2e-2)
# Least and largest rms of the speed in km/s: how fast flows are tells the network how much of what it sees is noise.
_SPEED = (0.4, 2.0)
# Of flows that follow granules as much the brightness as the motion would be learned, and taken for it elsewhere.
_MIXTURE = {"unrelated": 0.65, "diverging": 0.05, "converging": 0.05, "uniform": 0.15, "still": 0.1}
# How often flows have no more than can be seen in them: parts at equal distances in the logarithm of the scale, the
# smallest of at least so many Mm and pixels and at most twice that; their largest number; how they rise and fall off.
_RESOLVED, _LEAST, _SEEN, _LARGEST = 0.9, 0.8, 16, 24.0
_PARTS, _RISE, _FALL = 4, (0.5, 3.0), 8.0
# How often each source is drawn: drawn granules, and the list of `sources` by name.
_DRAWN, _SHARES = 3.0, {"MHD": 3.0, "SUN": 1.5, "Hin": 0.5, "HMI": 0.25}
# Convection: minutes that are watched, of which those to train on, and frames that pairs are apart.
_WATCHED, _TRAINED = 30, 18
_STRIDES = (1, 2, 4)


@dataclass(frozen=True)
class Pair:
    """Two images and the motion between them.

    Attributes
    ----------
    frames, velocity : torch.Tensor
        float16 contrasts (2, H, W), the earlier first; float32 km/s (2, H, W), towards larger columns, then rows.
    known : torch.Tensor
        bool, (H, W): where the velocity is to be learned.
    pixel, cadence : float
        In km and s.
    """

    frames: Tensor
    velocity: Tensor
    known: Tensor
    pixel: float
    cadence: float


def telescope(width: float) -> Transfer:
    """What an obscured aperture and square pixels do to images, for frequencies per pixel."""

    def mtf(fy: Tensor, fx: Tensor) -> Tensor:
        return annular_mtf(width * torch.hypot(fy, fx), _OBSCURATION)

    return product(mtf, pixel_transfer(1 * u.arcsec / u.pix))


def seen_through(width: float, frames: Tensor) -> Tensor:
    """Images (..., H, W) seen by a telescope whose diffraction pattern is so many pixels wide."""
    return apply_transfer(frames, telescope(width), scale=1 * u.arcsec / u.pix, padding=Padding("reflect", 16))


def training_pairs(data: Path, count: int, seed: int) -> Iterator[Pair]:
    """Images of all sources, moved in all ways.

    Parameters
    ----------
    data : pathlib.Path
        As `sources` takes it.
    count : int
        Of pairs.
    seed : int
        Of all chance.

    Yields
    ------
    Pair
    """
    rng = np.random.default_rng(seed)
    found: list[Source | None] = [None, *sources(data, "train")]
    shares = np.array([_DRAWN if source is None else _SHARES[source.name[:3]] for source in found])
    for _ in range(math.ceil(count / _TOGETHER)):
        source = found[rng.choice(len(found), p=shares / shares.sum())]
        coarsest = PIXEL[1] if source is None else source.coarsest
        finest = PIXEL[0] if source is None else max(PIXEL[0], 0.8 * source.pixel)
        finest, coarsest = (
            min(finest, coarsest),
            coarsest if rng.random() > _FINER else min(coarsest, max(finest, _FINE)),
        )
        pixel = math.exp(rng.uniform(math.log(finest), math.log(coarsest)))
        longest = min(CADENCE[1], FASTEST_STEP * pixel)
        cadence = rng.uniform(CADENCE[0], longest, _TOGETHER)
        speed = math.exp(rng.uniform(*np.log(_SPEED)))
        blur = partial(seen_through, rng.uniform(*_BLUR)) if source is None or not source.seen else None
        pairs = draw_pairs(
            _images(source, pixel, rng),
            pixel=pixel * u.km,
            cadence=cadence * u.s,
            rms=[speed, speed] * u.km / u.s,
            mixture=_MIXTURE,
            parts=_parts(rng, pixel),
            rotation=(0, 1),
            correlation=_CORRELATIONS[rng.integers(len(_CORRELATIONS))],
            noise=_NOISE,
            instrument=blur,
            seed=int(rng.integers(2**62)),
        )
        for index in range(_TOGETHER):
            yield Pair(
                contrast(pairs.frames[index]).half(),
                pairs.velocity[index],
                ~pairs.outside[index],
                pixel,
                float(cadence[index]),
            )


def _parts(rng: np.random.Generator, pixel: float) -> Sequence[FlowPart]:
    """The Sun's spectrum, or parts that fall off so steeply that nothing in them is too small to be followed."""
    if rng.random() > _RESOLVED:
        return SOLAR_SPECTRUM
    least = max(_LEAST, _SEEN * pixel / 1e3)
    smallest = least * 2 ** rng.uniform()
    largest = math.exp(rng.uniform(math.log(smallest), math.log(_LARGEST)))
    return [
        FlowPart(scale * u.Mm, share=1.0, rise=rng.uniform(*_RISE), fall=_FALL)
        for scale in np.geomspace(smallest, largest, int(rng.integers(1, _PARTS + 1)))
    ]


def write_pairs(pairs: Sequence[Pair], path: Path) -> None:
    """Keep pairs of one size in a file."""
    columns = {name: [getattr(pair, name) for pair in pairs] for name in ("frames", "velocity", "known")}
    numbers = {name: torch.tensor([getattr(pair, name) for pair in pairs]) for name in ("pixel", "cadence")}
    save_file({**{name: torch.stack(values) for name, values in columns.items()}, **numbers}, path)


def read_pairs(path: Path) -> list[Pair]:
    """Pairs that `write_pairs` has kept."""
    columns = load_file(path)
    numbers = zip(columns["pixel"].tolist(), columns["cadence"].tolist(), strict=True)
    images = zip(columns["frames"], columns["velocity"], columns["known"], strict=True)
    return [Pair(*parts, *pair) for parts, pair in zip(images, numbers, strict=True)]


def contrast(frames: Tensor) -> Tensor:
    """Frames (2, H, W) relative to the mean of both."""
    return frames / frames.mean() - 1


def _images(source: Source | None, pixel: float, rng: np.random.Generator) -> Tensor:
    if source is None:
        return granulation(
            (_SIDE, _SIDE),
            pixel=pixel * u.km,
            contrast=rng.uniform(0.08, 0.2),
            spacing=rng.uniform(1.1, 1.7) * u.Mm,
            count=_TOGETHER,
            seed=int(rng.integers(2**62)),
        )
    image = source.at(pixel)
    # What is smaller than the piece goes on as its own mirror image.
    missing = [max(0, _SIDE - length) for length in image.shape]
    image = F.pad(image[None, None], (0, missing[1], 0, missing[0]), mode="reflect")[0, 0]
    places = [[rng.integers(0, length - _SIDE + 1) for length in image.shape] for _ in range(_TOGETHER)]
    pieces = [image[top : top + _SIDE, left : left + _SIDE] for top, left in places]
    return torch.stack([piece / piece.mean() for piece in pieces])


def convection(out: Path) -> ConvectionRun:
    """A run of convection, from the folder of the training if it is there already."""
    path = out / "convection.safetensors"
    if not path.is_file():
        run = convection_run(
            _WATCHED * u.min,
            spin_up=40 * u.min,
            cadence=15 * u.s,
            shape=(64, 64, 64),
            cell=(30, 150, 150) * u.km,
            compiled=True,
        )
        run.write(path)
    return ConvectionRun.read(path)


def convection_pairs(
    run: ConvectionRun, part: str, *, strides: Sequence[int] = _STRIDES, width: float = 1.6
) -> Iterator[Pair]:
    """Pairs of frames of convection, with the plasma's velocity at optical depth 1 in the middle of their time.

    Parameters
    ----------
    run : ConvectionRun
        As `convection` gives it.
    part : {"train", "test"}
        The first 18 minutes, or the last ten.
    strides : sequence of int
        Frames that pairs are apart, of 15 s each.
    width : float
        As of `seen_through`.

    Yields
    ------
    Pair
        On a periodic box one and a half times as large.
    """
    step = float(run.cadence.to_value(u.s))
    final = len(run.seconds) - 1
    if part == "train":
        first, last = 0, min(final, round(_TRAINED * 60 / step))
    else:
        first, last = round((_WATCHED - 10) * 60 / step), final
    intensity = torch.from_numpy(np.array(run.intensity.data, np.float32))
    velocity = torch.from_numpy(np.stack([np.array(run.field(name).data, np.float32) for name in ("vx", "vy")], axis=1))
    for stride in strides:
        for start in range(first, last - stride + 1, max(stride, 2)):
            middle = start + stride // 2
            between = velocity[middle] if stride % 2 == 0 else 0.5 * (velocity[middle] + velocity[middle + 1])
            frames = seen_through(width, _wide(intensity[[start, start + stride]]))
            speed = 1e-3 * _wide(between)
            yield Pair(
                contrast(frames).half(),
                speed,
                torch.ones_like(speed[0], dtype=torch.bool),
                float(run.pixel[1].to_value(u.km)),
                stride * step,
            )


def _wide(images: Tensor) -> Tensor:
    rows, columns = (length // 4 for length in images.shape[-2:])
    return F.pad(images, (columns, columns, rows, rows), mode="circular")
