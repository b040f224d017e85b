"""Fixtures that all the tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data():
    """Real observations, which are too large for the repository; what needs them is skipped where they are not."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SUNPY_ML_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: SUNPY_ML_TEST_DATA names the one that holds the real observations")
    return folder
