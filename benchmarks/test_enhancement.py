"""Time and memory of `enhance_hmi`, against the published network run as its authors ran it."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sunpy.map import Map

from sunpy_ml import enhance_hmi
from sunpy_ml.enhancement.networks import EnhanceNetwork
from sunpy_ml.enhancement.running import TILE
from sunpy_ml.inference import run_tiled

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SIDES = (256, 1024)
#: Of the published network; see its card.
HALO = 13

_HEADER = {
    "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec", "crval1": 0.0, "crval2": 0.0,
    "cdelt1": 0.504, "cdelt2": 0.504, "date-obs": "2014-10-24T12:00:00", "hgln_obs": 0.0, "hglt_obs": 0.0,
    "dsun_obs": 1.496e11, "rsun_ref": 6.957e8, "wavelnth": 6173.0, "telescop": "SDO/HMI", "bunit": "DN / s",
}  # fmt: skip


def image(side):
    return np.random.default_rng(0).normal(1, 0.04, (side, side)).astype(np.float32)


def observation(side):
    """A field of a full disk's size, all of it on the disk."""
    middle = (side + 1) / 2
    return Map(50000 * image(side), {**_HEADER, "crpix1": middle, "crpix2": middle, "rsun_obs": 0.8 * side})


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(0)
    return EnhanceNetwork().eval()


@pytest.mark.parametrize("side", SIDES)
def test_published_eagerly(benchmark, published, side):
    """One call, nothing folded."""
    batch = torch.from_numpy(image(side))[None, None]
    with torch.inference_mode():
        benchmark.pedantic(published, (batch,), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("side", SIDES)
def test_published_here(benchmark, published, side, device):
    """The same numbers, folded and in tiles."""
    answer = benchmark.pedantic(
        run_tiled,
        (published, image(side)),
        {"tile": TILE, "halo": HALO, "device": device, "progress": False},
        rounds=3,
        warmup_rounds=1,
    )
    if side == SIDES[0]:
        with torch.inference_mode():
            expected = published(torch.from_numpy(image(side))[None, None])[0].numpy()
        benchmark.extra_info["largest difference over std"] = float(abs(answer - expected).max() / expected.std())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("side", [*SIDES, 4096])
def test_enhance_hmi(benchmark, side, device):
    """The verb with the embedded weights, consistency map included."""
    m = observation(side)
    benchmark.pedantic(enhance_hmi, (m,), {"device": device, "progress": False}, rounds=1 if side == 4096 else 3)


def enhance(side):
    """Ours, from a Map to a Map."""
    return enhance_hmi(observation(side), progress=False)


def published_eagerly(side):
    """One call of the published network."""
    with torch.inference_mode():
        return EnhanceNetwork().eval()(torch.from_numpy(image(side))[None, None])


@pytest.mark.parametrize(
    ("work", "side"), [("enhance", 256), ("enhance", 1024), ("enhance", 4096), ("published_eagerly", 256),
                       ("published_eagerly", 1024)]
)  # fmt: skip
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory(benchmark, work, side):
    """Peak memory of a process of its own, above what it has once everything is imported and has run in small."""
    # Not by getrusage, which starts from the peak of the process that started this one.
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {__file__.rpartition("/")[0]!r})
from test_enhancement import {work}
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
{work}(32)
before = peak()
{work}({side})
print(peak() - before)
"""

    def run():
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1])

    benchmark.extra_info["MiB"] = benchmark.pedantic(run, rounds=1) / 1024
