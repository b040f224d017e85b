"""What a user waits for before anything happens."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "command",
    [
        ["-c", "pass"],
        ["-c", "import sunpy_ml"],
        ["-c", "from sunpy_ml import classify_map"],
        ["-m", "sunpy_ml", "--version"],
    ],
    ids=["python alone", "import sunpy_ml", "import classify_map", "sunpy-ml --version"],
)
def test_startup(benchmark, command):
    benchmark.pedantic(subprocess.run, ([sys.executable, *command],), {"check": True}, rounds=5, warmup_rounds=1)
