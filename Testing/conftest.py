"""Fixtures for all tests: data that lies beside the checkout and is no part of it; a fake 3D Slicer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Before torch is imported, here and in the processes that tests start: the tests' volumes are so small that a second
# thread costs more than it saves (up to eight times the processor time), and pytest-xdist uses the other cores.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ.setdefault(variable, "1")

import pytest

from slicer_harness.fixtures import (  # noqa: F401
    dialogs,
    layout,
    main_window,
    open_module,
    pip,
    pytorch_extension,
    scene,
    settings,
    slot_errors,
    testing_mode,
)


@pytest.fixture(autouse=True)
def same_modules():
    """A test that reloads the module, as Slicer does, leaves the next test the modules that it has imported."""

    def ours() -> dict:
        return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "FAAnomalyLib"}

    before = ours()
    yield
    after = ours()
    if any(after.get(name) is not module for name, module in before.items()):
        for name in after:
            del sys.modules[name]
        sys.modules.update(before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``shared`` beside the repository; the test is skipped where there is none."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("there is no folder 'shared' beside the repository")
    return folder


@pytest.fixture
def bench(open_module, monkeypatch, settings):  # noqa: F811
    """``bench(mode)`` opens the panel on an engine of ``panel_engine.py``; see ``panel_bench.py``."""
    from support.panel_bench import PanelBench

    made = []

    def make(mode: str | None = "quick") -> PanelBench:
        made.append(PanelBench(open_module, monkeypatch, mode))
        return made[-1]

    yield make
    for one in made:
        one.close()
