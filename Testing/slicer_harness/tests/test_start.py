"""The fake application starts once, and says why where it cannot."""

from __future__ import annotations

import slicer_harness

slicer_harness.require()

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import qt
import slicer

from slicer_harness import start

pytestmark = pytest.mark.slow

START = "import slicer_harness; slicer_harness.install(); slicer_harness.install(); import qt, ctk, slicer"


def run(code: str):
    return subprocess.run([sys.executable, "-c", code], cwd=start.HERE.parent, capture_output=True, text=True)


def test_there_is_one_application_and_one_scene(scene):
    assert qt.QApplication.instance() is slicer.app
    assert slicer.app.mrmlScene() is slicer.mrmlScene is scene


def test_it_starts_in_a_fresh_process_and_leaves_it_cleanly(tmp_path):
    code = f"""{START}
slicer_harness.open_layout()
import numpy
slicer.util.setSliceViewerLayers(background=slicer.util.addVolumeFromArray(numpy.ones((3, 4, 5))))
slicer_harness.render_slices({str(tmp_path / "x.png")!r}, size=(50, 50))
print(slicer_harness.application().folder)"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.png").is_file()
    assert not Path(done.stdout.strip()).exists()


def test_only_one_application_is_allowed():
    done = run(
        "from PySide6.QtWidgets import QApplication; import os; os.environ['QT_QPA_PLATFORM'] = 'offscreen'; "
        "a = QApplication([]); import slicer_harness; slicer_harness.install()"
    )
    assert "must be the only one" in done.stderr


def test_what_is_missing_is_named(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "PySide6" else find(name))
    assert "PySide6" in start.unavailable()
    assert "slicer_core" not in start.unavailable()
    with pytest.raises(pytest.skip.Exception, match="PySide6"):
        start.require()


def test_importing_the_fixtures_starts_nothing():
    done = run(
        "import sys, slicer_harness.fixtures; "
        "print([name for name in ('slicer', 'PySide6', 'vtk', 'numpy') if name in sys.modules])"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_users_settings_are_not_touched(settings):
    assert str(slicer.app.temporaryPath) in settings.fileName()
    settings.setValue("a/b", "c")
    assert slicer.app.userSettings().value("a/b") == "c"
