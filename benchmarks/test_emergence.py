"""Time and memory of `detect_emergence` on one cube, beside asking the ensemble about each ending of its video."""

import subprocess
import sys

import pytest
import torch
from works.detect_emergence import SOME, call, observation, published

from sunpy_ml.weights import list_weights

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]

pytestmark = pytest.mark.skipif(
    not list_weights("emergence")["default"].any(), reason="no weights for emergence are part of the package"
)


@pytest.mark.parametrize("device", DEVICES)
def test_time(benchmark, device):
    benchmark.pedantic(call, (observation(), device), rounds=2)


def test_time_of_some_endings_one_by_one(benchmark):
    benchmark.extra_info["endings"] = SOME
    benchmark.pedantic(published(), rounds=1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory(benchmark):
    """Peak memory of a process of its own, above what it has once the cube is there and all is imported."""
    # Not by getrusage, which starts from the peak of the process that started this one.
    script = """
from pathlib import Path
from sunpy_ml import detect_emergence
from sunpy_ml.simulation.emergence import emergence_patch
from sunpy_ml.weights import load
def memory(name):
    return int(Path("/proc/self/status").read_text().split(name + ":")[1].split()[0])
cube = emergence_patch(seed=4)
load("bipole-emergence-1")
# The peak so far is of the simulation.
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
detect_emergence(cube, progress=False)
print(memory("VmHWM") - before)
"""

    def run():
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1])

    benchmark.extra_info["MiB"] = benchmark.pedantic(run, rounds=1) / 1024
