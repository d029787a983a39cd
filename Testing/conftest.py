"""Fixtures and options of all tests. How the tests are organised: README.md beside this file."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

# Before torch is imported, here and in the processes that tests start: the tests' volumes are so small that a second
# thread costs more than it saves (up to eight times the processor time), and pytest-xdist uses the other cores.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ.setdefault(variable, "1")

import pytest
from _pytest.doctest import DoctestModule

from slicer_harness.fixtures import (  # noqa: F401
    dialogs,
    layout,
    leaking_wrapper,
    main_window,
    open_module,
    pip,
    pytorch_extension,
    scene,
    settings,
    slot_errors,
    testing_mode,
)
from support.harness_tests import HarnessTests
from support.paths import ROOT, TESTING

FAST = "(fast or not slow)"


def pytest_addoption(parser):
    parser.addoption("--fast", action="store_true", help="leave out what is marked slow")
    parser.addoption("--harness", action="store_true", help="run slicer_harness's own tests in any case")


def pytest_configure(config):
    if config.option.fast:
        given = config.option.markexpr
        config.option.markexpr = f"({given}) and {FAST}" if given else FAST
    config.pluginmanager.register(HarnessTests(config))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Of the files in this folder the tests are collected; examples in docstrings are those of the packages."""
    collectors = yield
    return [collector for collector in collectors if not isinstance(collector, DoctestModule)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(TESTING / "Python" / "slicer") or "scene" in getattr(item, "fixturenames", ()):
            item.add_marker("slicer")
    # Files with slow tests begin: the last to end are then quick ones, and no worker waits long for another.
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module", autouse=True)
def settled_memory(request):
    """What exists before the first test of a file that uses the harness stays: each time that the harness collects a
    test's widgets it would otherwise look through torch and the rest, which took longer than most tests do."""
    if hasattr(request.module, "slicer_harness"):
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def same_modules():
    """A test that reloads the module, as Slicer does, leaves the next test the modules that it has imported."""

    def engine_modules() -> dict:
        return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "FAAnomalyLib"}

    before = engine_modules()
    yield
    after = engine_modules()
    if any(after.get(name) is not module for name, module in before.items()):
        for name in after:
            del sys.modules[name]
        sys.modules.update(before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``shared`` beside the repository; the test is skipped where there is none."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("there is no folder 'shared' beside the repository")
    return folder


@pytest.fixture
def bench(open_module, monkeypatch, settings):  # noqa: F811
    """``bench(mode)`` opens the panel on an engine of ``panel_engine.py``; see ``panel_bench.py``."""
    from support.drivers.panel_bench import PanelBench

    made = []

    def make(mode: str | None = "quick") -> PanelBench:
        made.append(PanelBench(open_module, monkeypatch, mode))
        return made[-1]

    yield make
    for one in made:
        one.close()
