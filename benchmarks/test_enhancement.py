"""Time and memory of `enhance_hmi`, against the published network run as its authors ran it."""

import subprocess
import sys

import pytest
import torch
from works.enhance_hmi import call, eagerly, image, network, observation

from sunpy_ml.enhancement.running import TILE
from sunpy_ml.inference import run_tiled

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SIDES = (256, 1024)
#: Of the published network; see its card.
HALO = 13


@pytest.fixture(scope="module")
def published():
    return network()


@pytest.mark.parametrize("side", SIDES)
def test_published_eagerly(benchmark, published, side):
    """One call, nothing folded."""
    batch = torch.from_numpy(image(side))[None, None]
    benchmark.pedantic(eagerly, (published, batch), rounds=3, warmup_rounds=1)


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
        expected = eagerly(published, torch.from_numpy(image(side))[None, None])[0].numpy()
        benchmark.extra_info["largest difference over std"] = float(abs(answer - expected).max() / expected.std())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("side", [*SIDES, 4096])
def test_enhance_hmi(benchmark, side, device):
    """The verb with the embedded weights, consistency map included."""
    benchmark.pedantic(call, (observation(side), device), rounds=1 if side == 4096 else 3)


def enhance(side):
    """Ours, from a Map to a Map."""
    return call(observation(side))


def published_eagerly(side):
    """One call of the published network."""
    return eagerly(network(), torch.from_numpy(image(side))[None, None])


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
