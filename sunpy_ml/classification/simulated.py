"""Simulated patches, for what the real data lack: flares, and limbs without an artificial ring."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from scipy import ndimage
from sunpy.coordinates import Helioprojective

from sunpy_ml.classification.patches import CLASSES, FEATURES, Disk, Patch
from sunpy_ml.simulation import halpha_scene, two_ribbon_flare

__all__ = ["bare_limbs", "flares_on", "scenes"]

_GONG_SCALE = 1.06 * u.arcsec / u.pix
_FLARE = FEATURES.index("flares")
_PROMINENCE_ALONE = tuple(float(name == "prominences") for name in FEATURES)
#: Distance from the centre, in radii, where the artificial ring of GONG's JPEGs ends.
_ABOVE_RING = 1.007


def flares_on(patches: Sequence[Patch], n: int, rng: np.random.Generator) -> list[Patch]:
    """``n`` simulated two-ribbon flares on real GONG fields that lie on the disk.

    The images have eight bits and saturate at grey level 255, and so do about half of the flares put on them.
    """
    grounds = [patch for patch in patches if patch.source in ("gong", "gong-grid") and not patch.at_limb]
    flares = []
    for index in rng.integers(len(grounds), size=n):
        ground = grounds[index]
        x, y = ground.window.shape[0] / 2 + rng.uniform(-0.25, 0.25, 2) * ground.size
        flare = two_ribbon_flare(ground.window, scale=_GONG_SCALE, rng=rng, center=(x, y))
        saturated = rng.random() < 0.5
        present = tuple(1.0 if i == _FLARE else value for i, value in enumerate(ground.present))
        flares.append(
            replace(
                ground,
                window=flare.image.clip(0, 255).astype(np.uint8) if saturated else flare.image,
                label="flares",
                present=present,
                source="gong-flare",
                focus=(float(x), float(y)),
            )
        )
    return flares


def bare_limbs(patches: Sequence[Patch], rng: np.random.Generator) -> list[Patch]:
    """Every real limb with nothing else but prominences, and these taken away.

    What lies beyond the limb becomes the lower third of what is seen at the same height, with the same grain. So a
    network cannot tell a prominence by the limb, the artificial ring or the sky.
    """
    limbs = [patch for patch in patches if patch.source in ("gong", "gong-grid") and patch.present == _PROMINENCE_ALONE]
    return [_bare(patch, rng) for patch in limbs]


def _bare(patch: Patch, rng: np.random.Generator) -> Patch:
    rows, columns = np.indices(patch.window.shape)
    distance = patch.disk.distance(columns, rows)
    ring = np.round((distance - _ABOVE_RING) * patch.disk.radius).astype(int)
    beyond = ring >= 0
    heights = np.arange(ring.max() + 1)
    level = ndimage.labeled_comprehension(
        patch.window, np.where(beyond, ring, -1), heights, lambda sky: np.percentile(sky, 35), float, 0.0
    )
    grain = ndimage.gaussian_filter(rng.standard_normal(ring.shape), 0.6) * rng.uniform(0, 8)
    sky = ndimage.gaussian_filter1d(level, 1)[np.maximum(ring, 0)]
    window = np.where(beyond, (sky + grain * (sky > 3)).clip(0, 255), patch.window).astype(np.uint8)
    return replace(patch, window=window, label="quiet", present=(0.0,) * 4, source="gong-bare", focus=None)


def scenes(n: int, rng: np.random.Generator) -> list[Patch]:
    """``n`` fully simulated fields, the classes in turn, 0.3 to 2.5 arcsec per pixel.

    Every other quiet field lies at the limb, so that a limb does not mean a prominence.
    """
    return [_scene(CLASSES[index % len(CLASSES)], index, rng) for index in range(n)]


def _scene(label: str, index: int, rng: np.random.Generator) -> Patch:
    scale = float(np.exp(rng.uniform(np.log(0.4), np.log(2.0))))
    options: dict[str, Any] = {"scale": scale * u.arcsec / u.pix, "seed": int(rng.integers(2**31))}
    if label == "quiet" and index % 2:
        angle, height = rng.uniform(0, 2 * np.pi), 955 + 60 * scale * rng.uniform(-1, 1)
        options["center"] = SkyCoord(
            height * np.cos(angle) * u.arcsec,
            height * np.sin(angle) * u.arcsec,
            frame=Helioprojective(obstime="2014-10-24", observer="earth"),
        )
    scene = halpha_scene(label, **options)
    image = np.asarray(scene.data, dtype=np.float32)
    size = image.shape[0]
    x, y = (
        value.to_value(u.pix)
        for value in scene.world_to_pixel(SkyCoord(0, 0, unit=u.arcsec, frame=scene.coordinate_frame))
    )
    disk = Disk(float(x) + size / 2, float(y) + size / 2, scene.rsun_obs.to_value(u.arcsec) / scale)
    window = np.pad(image * np.float32(255 / max(float(image.max()), 1.0)), size // 2, mode="reflect")
    present = tuple(float(name == label) for name in FEATURES)
    return Patch(window, label, present, "simulated", f"scene {options['seed']}", "2014-10-24", disk)
