"""Time and memory of `deepvel_flow` on a pair of images, against the published network run eagerly and `lct_flow`."""

import subprocess
import sys

import pytest
import torch
from works import deepvel_flow as verb

from sunpy_ml import deepvel_flow, lct_flow
from sunpy_ml.inference import run_tiled
from sunpy_ml.weights import get_card, list_weights

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SIDE = 1024


def eagerly(side, device="cpu"):
    """One call of the published architecture, nothing folded."""
    return verb.eagerly(verb.network(), verb.frames(side), device)


def folded(side, device="cpu"):
    """The same numbers, folded and in tiles."""
    return run_tiled(
        verb.network(), verb.frames(side), halo=get_card("deepvel-2017").input.halo, device=device, progress=False
    )


def published(side, device="cpu"):
    """The verb with the published architecture."""
    card = get_card("deepvel-2017")
    return deepvel_flow(
        verb.observation(side), weights=verb.network(), card=card, device=device, progress=False, **verb.KNOWN
    )


def embedded(side, device="cpu"):
    """The verb with the weights of the package."""
    return verb.call(verb.observation(side), device)


def tracked(side, device="cpu"):
    """Local correlation tracking."""
    return lct_flow(verb.observation(side), device=device, **verb.KNOWN)


WORKS = [eagerly, folded, published, embedded, tracked]


def skip_without_weights(work):
    if work is embedded and not list_weights("flows")["default"].any():
        pytest.skip("no weights for flows are part of the package")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
def test_time(benchmark, work, device):
    skip_without_weights(work)
    work(64, device)
    benchmark.pedantic(work, (SIDE, device), rounds=1)


def test_folding_changes_nothing():
    expected = eagerly(96)[0].numpy()
    assert abs(folded(96) - expected).max() < 1e-4 * expected.std()


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory(benchmark, work):
    """Peak memory of a process of its own, above what it has once everything is imported and has run in small."""
    skip_without_weights(work)
    # Not by getrusage, which starts from the peak of the process that started this one.
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {__file__.rpartition("/")[0]!r})
from test_flows import {work.__name__}
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
{work.__name__}(64)
before = peak()
{work.__name__}({SIDE})
print(peak() - before)
"""

    def run():
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1])

    benchmark.extra_info["MiB"] = benchmark.pedantic(run, rounds=1) / 1024
