"""What the benchmarks share."""

import sys
from pathlib import Path

import numpy as np
import pytest

# The tests are imported by themselves, and share what is measured with table.py.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def images():
    """A batch as the classifiers read it."""
    return np.random.default_rng(0).random((8, 256, 256), dtype=np.float32)
