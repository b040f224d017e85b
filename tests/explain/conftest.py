"""What the tests of explanations share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Single images gain little from threads, which on a busy machine wait for each other most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
