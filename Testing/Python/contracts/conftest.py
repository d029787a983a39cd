"""Fixtures of the contract tests."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="package")
def one_thread():
    """Torch on one thread: volumes as small as these are slower on two, and other work may hold the second."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
