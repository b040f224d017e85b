"""What the benchmarks share."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def images():
    """A batch as the classifiers read it."""
    return np.random.default_rng(0).random((8, 256, 256), dtype=np.float32)
