"""How the patches are simulated that the embedded ensemble is trained and scored on."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import torch
from ndcube import NDCube

from sunpy_ml.emergence.networks import flux_blocks
from sunpy_ml.emergence.patch_files import FINE, Case
from sunpy_ml.emergence.video import CADENCE, FRAMES, video
from sunpy_ml.simulation.emergence import emergence_patch

__all__ = ["ALL_SEEDS", "PARTS", "SEED", "SEEDS", "Part", "make_chunk", "thinned"]

Array = npt.NDArray[Any]

#: Of all chance, unless another is asked for. Patches of 0 were looked at while the simulation was made.
SEED = 1
#: Seeds of a part of the material at most.
SEEDS = 1_000_000
#: Seeds of all parts; those of another seed of all chance begin so much later.
ALL_SEEDS = 4 * SEEDS
#: Seeds of a file of patches.
CHUNK = 25
# The latitudes that are trained on end here, in degrees.
_POLEWARD = 30.0
_USUAL, _UNUSUAL = ((0.10, 0.25),), ((0.085, 0.10), (0.25, 0.30))
# Mean numbers in a patch, from few to many.
_OLD_REGIONS = (2.0, 5.5)
# One pair in so many comes with a patch without any region, in the training.
_QUIET = 5
_MM_PER_DEGREE = 12.142
# Field counts as such above so much noise.
_ABOVE = 3.0


@dataclass(frozen=True)
class Part:
    """A part of the material.

    Attributes
    ----------
    first : int
        Its first seed.
    scales : tuple
        Ranges of degrees per pixel, of which one is drawn.
    poleward : bool
        Whether it has latitudes above 30 degrees.
    scored : bool
        Whether the patches come with frames missing as well, and what was there before the region is measured.
    """

    first: int
    scales: tuple[tuple[float, float], ...] = _USUAL
    poleward: bool = False
    scored: bool = False


PARTS = {
    "training": Part(0),
    "validation": Part(SEEDS, scored=True),
    # Earlier seeds of these two were looked at before the last choices were made.
    "test": Part(9 * SEEDS // 4, scored=True),
    # What was not trained on: other scales, and with them sizes in pixels, and higher latitudes.
    "elsewhere": Part(11 * SEEDS // 4, _UNUSUAL, poleward=True, scored=True),
}


def make_chunk(part: str, number: int, folder: Path, *, seed: int = SEED) -> Path:
    """Simulate the patches of some seeds, unless their file is there, and write what the first stage makes of them."""
    path = folder / f"{part}-{seed}-{number:03d}.npz"
    if path.is_file():
        return path
    chosen = PARTS[part]
    begin = chosen.first + ALL_SEEDS * seed + CHUNK * number
    made = [made for one in range(begin, begin + CHUNK) for made in _patches(chosen, one)]
    arrays = {name: np.stack([each[1][name] for each in made]) for name in made[0][1]}
    facts = {name: np.array([asdict(each[0])[name] for each in made]) for name in asdict(made[0][0])}
    contents: dict[str, Any] = {**arrays, **facts}
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **contents)
    partial.rename(path)
    return path


def _patches(part: Part, seed: int) -> Iterator[tuple[Case, dict[str, Array]]]:
    rng = np.random.default_rng([seed, 8])
    low, high = part.scales[rng.integers(len(part.scales))]
    scale, month = float(np.exp(rng.uniform(np.log(low), np.log(high)))), int(rng.integers(1, 13))
    old_regions = float(rng.uniform(*_OLD_REGIONS))
    small = emergence_patch("quiet", shape=(8, 8), frames=40, cadence=9 * u.h, seed=seed)
    if abs(small.meta["latitude"].value) > _POLEWARD and not part.poleward:
        return
    options: dict[str, Any] = {"scale": scale * u.deg / u.pix, "old_regions": old_regions, "seed": seed}
    kinds = ["emerging", "emerged"] + (["quiet"] if not part.scored and seed % _QUIET == 0 else [])
    try:
        cubes = {kind: emergence_patch(kind, **options) for kind in kinds}
    except ValueError:
        # With the frames that are lost there is no time in which an emergence could be observed.
        return
    around = np.nan
    if part.scored:
        clean = emergence_patch("quiet", instrument="hmi_720s", radial=True, **options)
        around = _around(clean, cubes["emerging"])
    for kind, cube in cubes.items():
        arrays: dict[str, Array] = {
            "blocks": _blocks(cube.data),
            "curve": _curve(cube),
            "cosines": _cosines(cube).astype(np.float32),
        }
        if part.scored:
            for name, gone in thinned(rng, _tenth(cube)).items():
                data = cube.data.copy()
                data[gone] = np.nan
                arrays[name] = _blocks(data)
        yield _case(kind, cube, seed, month, scale, old_regions, around), arrays


def _case(kind: str, cube: NDCube, seed: int, month: int, scale: float, old_regions: float, around: float) -> Case:
    tenth, cosines = _tenth(cube), _cosines(cube)
    empty = np.isnan(cube.data).all(axis=(1, 2))
    longitude = np.nan
    if kind == "emerging":
        east = cube.meta["place"][0].value / _MM_PER_DEGREE / np.cos(cube.meta["latitude"])
        longitude = float(np.interp(tenth, _days(), cube.meta["longitudes"].value) + east)
    return Case(
        kind=kind,
        seed=seed,
        month=month,
        scale=scale,
        old_regions=old_regions,
        latitude=float(cube.meta["latitude"].value),
        noise=float(cube.meta["noise"].value),
        missing=float(empty.mean()),
        mu=float(cosines[~empty].mean()),
        tenth=tenth,
        longitude=longitude,
        flux=float(cube.meta["flux"].value.max()),
        around=around,
    )


def _days() -> Array:
    return np.arange(FRAMES) * CADENCE / 86400


def _tenth(cube: NDCube) -> float:
    when = cube.meta["t10"]
    if when is None:
        return np.nan
    first = cube.wcs.array_index_to_world(0, 0, 0)[1]
    return float((when - first).to_value("day"))


def _cosines(cube: NDCube) -> Array:
    return np.cos(cube.meta["latitude"]) * np.clip(np.cos(cube.meta["longitudes"]), 0, None)


def _blocks(data: Array) -> npt.NDArray[np.uint8]:
    """Root of the field in blocks, on 255 steps."""
    images = torch.from_numpy(video(data, np.arange(FRAMES) * CADENCE))
    return (255 * flux_blocks(images[None], FINE)[0].sqrt()).round().to(torch.uint8).numpy()


def _curve(cube: NDCube) -> npt.NDArray[np.float32]:
    """Unsigned flux above the noise in each frame, in Mx, NaN where it is missing."""
    strong = np.where(np.abs(cube.data) > _ABOVE * cube.meta["noise"].value, np.abs(cube.data), 0)
    area = (cube.wcs.wcs.cdelt[0] * _MM_PER_DEGREE * 1e8) ** 2
    flux = strong.sum(axis=(1, 2), dtype=float) * area
    return np.where(np.isnan(cube.data).all(axis=(1, 2)), np.nan, flux).astype(np.float32)


def _around(clean: NDCube, cube: NDCube) -> float:
    """Mean unsigned field within 15 Mm of where the region emerges, when it does."""
    rows, columns = clean.data.shape[1:]
    pixel = clean.wcs.wcs.cdelt[0] * _MM_PER_DEGREE
    x, y = (place.value / pixel for place in cube.meta["place"])
    row, column = np.indices((rows, columns))
    near = np.hypot(column - (columns - 1) / 2 - x, row - (rows - 1) / 2 - y) * pixel < 15
    good = np.flatnonzero(~clean.meta["lost"] & ~clean.meta["bad"])
    frame = good[np.argmin(np.abs(_days()[good] - _tenth(cube)))]
    return float(np.nanmean(np.abs(clean.data[frame][near])))


def thinned(rng: np.random.Generator, tenth: float, share: float = 0.3) -> dict[str, npt.NDArray[np.bool_]]:
    """Which frames to leave out: so many of them, at random, and in gaps of 2 to 12 hours that do not cover a day."""
    random = rng.uniform(size=FRAMES) < share
    gaps = np.zeros(FRAMES, dtype=bool)
    days = _days()
    while gaps.mean() < share:
        start, length = rng.uniform(0, days[-1]), rng.uniform(2, 12) / 24
        gap = (days >= start) & (days < start + length)
        # Neighbouring gaps must not become a longer one.
        wide = (days >= start - CADENCE / 86400) & (days < start + length + CADENCE / 86400)
        if gap.any() and not gaps[wide].any() and not start <= tenth <= start + length:
            gaps |= gap
    return {"random": random, "gaps": gaps}
