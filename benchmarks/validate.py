"""Measure, on real observations, what the validation page compares with what was set out to be reached.

Run it by::

    python benchmarks/validate.py --data DIR

It writes ``docs/validation.json``, of which the page is made when the documentation is built.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import astropy.units as u
import numpy as np
import torch
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from ndcube import NDCollection, NDCube
from sunpy.map import GenericMap, Map, make_fitswcs_header

from sunpy_ml import __version__, deepvel_flow, enhance_hmi, lct_flow
from sunpy_ml.enhancement.sources import quiet_contrast
from sunpy_ml.optics import HMI, IDEAL_28CM, apply_transfer

Measured = Iterator[tuple[str, float, int]]

# Ten arcsec at the edges of the cut-outs, in pixels of HMI, do not count; nor does their quiet corner see the spot.
EDGE, QUIET = 20, (slice(140, 200), slice(0, 60))
ORDERS = 6


def optics(data: Path) -> Measured:
    """Contrast of simulated granulation, through telescopes."""
    image = torch.as_tensor(np.load(data / "high_resolution" / "mhd_continuum_48km.npy")).double()
    for name, camera in (("contrast_hmi", HMI), ("contrast_28cm", IDEAL_28CM)):
        seen = apply_transfer(image, camera.transfer(), scale=48 / 725.27 * u.arcsec / u.pix)
        yield name, float(seen.std(correction=0) / seen.mean()), 1


def enhancement(data: Path) -> Measured:
    """Real cut-outs of an active region."""
    seen, sharp = _enhanced(data, "ar_continuum", u.dimensionless_unscaled)
    yield "quiet_contrast", quiet_contrast(sharp.data[tuple(slice(2 * s.start, 2 * s.stop) for s in QUIET)]), 1
    yield "seen_again", _rms(_inner(sharp.meta["consistency"].data)), 1
    yield "mean_change", abs(_inner(sharp.data, 2).mean() / _inner(seen.data).mean() - 1), 1
    yield "darkest", sharp.data.min(), 1
    seen, sharp = _enhanced(data, "ar_blos", u.G)
    yield "seen_again_field", _rms(_inner(sharp.meta["consistency"].data)), 1
    before, after = 4 * _inner(seen.data), _inner(sharp.data, 2)
    yield "signed_flux", abs(after.sum() - before.sum()) / np.abs(before).sum(), 1
    yield "unsigned_flux", np.abs(after).sum() / np.abs(before).sum(), 1
    yield "peak_field", np.abs(sharp.data).max() / np.abs(seen.data).max(), 1


def _enhanced(data: Path, name: str, unit: u.UnitBase) -> tuple[GenericMap, GenericMap]:
    image = fits.getdata(data / "hmi_cutouts" / f"{name}.fits").astype(np.float32)
    # The files have no header; where on the disk they are does not matter.
    centre = SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame="helioprojective", observer="earth", obstime="2014-10-24")
    scale = [0.504, 0.504] * u.arcsec / u.pix
    header = make_fitswcs_header(
        image, centre, scale=scale, unit=unit, wavelength=617.3 * u.nm, telescope="SDO/HMI", instrument="HMI"
    )
    seen = Map(image, header)
    return seen, enhance_hmi(seen)


def _inner(image: np.ndarray, factor: int = 1) -> np.ndarray:
    return image[factor * EDGE : -factor * EDGE, factor * EDGE : -factor * EDGE]


def _rms(image: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(image))))


def moat(data: Path) -> Measured:
    """The outflow around a spot, of 30 frames that are taken to be 720 s and 0.504 arcsec apart."""
    frames = fits.getdata(data / "time_series" / "hmi_sunspot_cube.fits").astype(np.float32)
    mean = frames.mean(axis=0)
    row, column = (axis[mean < 0.5 * np.median(mean)].mean() for axis in np.indices(mean.shape))
    y, x = np.indices(mean.shape) - np.array([row, column])[:, None, None]
    radius = np.sqrt((mean < 0.9 * np.median(mean)).sum() / np.pi)
    distance = np.hypot(x, y)
    ring = (distance >= 1.2 * radius) & (distance < 2.3 * radius)
    stated = {"cadence": 720 * u.s, "scale": 0.504 * u.arcsec / u.pix}

    def outward(method: Callable[..., NDCollection], given: np.ndarray, **options: object) -> tuple[float, float]:
        flow = method(NDCube(given, wcs=WCS(naxis=3)), **stated, **options)
        speeds = np.nanmean(((x * flow["vx"].data + y * flow["vy"].data) / distance)[:, ring], axis=1)
        return float(speeds.mean()), float(speeds.std(ddof=1) / np.sqrt(len(speeds)))

    tracking = {"window": 7 * u.arcsec, "fastest": 2 * u.km / u.s}
    speed, error = outward(lct_flow, frames, **tracking)
    pairs = len(frames) - 1
    yield "moat", speed, pairs
    yield "moat_over_error", speed / error, pairs
    shuffled = (np.random.default_rng(seed).permutation(len(frames)) for seed in range(ORDERS))
    found = [outward(lct_flow, frames[order], **tracking) for order in shuffled]
    yield "moat_shuffled", max(abs(speed / error) for speed, error in found), ORDERS
    speed, _ = outward(deepvel_flow, frames)
    yield "moat_deepvel", speed, pairs


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description="Measure the figures of the validation page.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the real observations")
    data = parser.parse_args().data
    found = {
        name: {"value": round(float(value), 5), "n": n}
        for measure in (optics, enhancement, moat)
        for name, value, n in measure(data)
    }
    path = Path(__file__).parents[1] / "docs" / "validation.json"
    path.write_text(json.dumps({"version": __version__, "figures": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
