"""Fixtures of the tests of training."""

import pytest
import torch


@pytest.fixture
def one_thread():
    """One thread, as in the other processes of these tests, and everything as before afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
