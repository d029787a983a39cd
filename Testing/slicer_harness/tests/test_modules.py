"""Scripted modules are loaded, opened, reloaded and closed as by Slicer; the fixtures fail a test when they should."""

from __future__ import annotations

import slicer_harness

slicer_harness.require()

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import qt
import slicer
from slicer.i18n import getContext, tr, translate

pytestmark = pytest.mark.slow

MODULE = """
import qt, slicer
from slicer.ScriptedLoadableModule import *

events = []

class Demo(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "Demo"
        self.parent.categories = ["Examples"]
        slicer.app.connect("startupCompleted()", lambda: events.append("startup"))

class DemoWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.button = qt.QPushButton("go")
        self.layout.addWidget(self.button)
        self.logic = DemoLogic()
        events.append("setup")
    def enter(self): events.append("enter")
    def exit(self): events.append("exit")
    def cleanup(self): events.append("cleanup")

class DemoLogic(ScriptedLoadableModuleLogic):
    pass

class DemoTest(ScriptedLoadableModuleTest):
    def test_one(self): events.append("test_one")
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "Resources").mkdir()
    path = tmp_path / "Demo.py"
    path.write_text(MODULE, encoding="utf-8")
    yield path
    sys.modules.pop("Demo", None)
    sys.path.remove(str(tmp_path))


def test_a_module_is_loaded_and_opened(open_module, source):
    widget = open_module(str(source))
    events = sys.modules["Demo"].events
    assert events == ["startup", "setup", "enter"]
    assert slicer.modules.demo.title == "Demo"
    assert slicer.modules.demo.categories == ("Examples",)
    assert slicer.modules.demo.path == str(source)
    assert slicer.modules.demo.widgetRepresentation().self() is widget is slicer.modules.DemoWidget
    assert slicer.modules.DemoInstance.parent.name == "Demo"
    assert slicer.util.modulePath("Demo") == str(source)
    assert widget.resourcePath("x.ui") == str(source.parent / "Resources" / "x.ui")
    assert slicer.app.moduleManager().module("Demo").name == "Demo"


def test_a_module_is_reloaded(open_module, source):
    widget = open_module(str(source))
    events = sys.modules["Demo"].events
    widget.onReload()
    assert events == ["startup", "setup", "enter", "cleanup"]
    assert sys.modules["Demo"].events == ["setup"]
    assert slicer.modules.DemoWidget is not widget


def test_the_developers_button_reloads(open_module, source, settings):
    settings.setValue("Developer/DeveloperMode", "true")
    widget = open_module(str(source))
    widget.reloadButton.click()
    assert slicer.modules.DemoWidget is not widget


def test_the_self_test_runs(open_module, source):
    open_module.module(str(source))
    slicer.selfTests["Demo"](msec=1)
    assert "test_one" in sys.modules["Demo"].events


def test_a_parameter_node_is_made_once_and_survives_the_closing_of_the_scene(open_module, source):
    logic = open_module(str(source)).logic
    node = logic.getParameterNode()
    assert node is logic.getParameterNode()
    assert node.GetAttribute("ModuleName") == "Demo"
    slicer.mrmlScene.Clear()
    assert logic.getParameterNode().GetAttribute("ModuleName") == "Demo"
    assert len(logic.getAllParameterNodes()) == 1


def test_unknown_metadata_is_refused(open_module, tmp_path, source):
    source.write_text(MODULE.replace("self.parent.title", "self.parent.titel"), encoding="utf-8")
    with pytest.raises(AttributeError, match="titel"):
        open_module(str(source))


def test_texts_without_translation_stay_as_they_are(scene):
    assert tr("Find {count} regions") == "Find {count} regions"
    assert translate("X", "Diffusion") == "Diffusion"
    assert getContext(__file__) == "test_modules"
    assert getContext(slicer_harness.__file__) == "slicer_harness.__init__"
    with pytest.raises(TypeError):
        tr(None)


def test_packages_are_only_asked_for(pip, main_window, dialogs):
    pip.pip_ensure("numpy")
    assert pip.requests == []
    dialogs.answer("Install Python Packages", qt.QMessageBox.Cancel)
    with pytest.raises(RuntimeError, match="declined"):
        pip.pip_ensure("no-such-package>=1", requester="Demo")
    pip.pip_ensure(["no-such-package>=1"], prompt_install=False, requester="Demo")
    assert pip.requests == [{"requirements": ["no-such-package>=1"], "requester": "Demo", "constraints": None}]
    slicer.util.pip_install("another-package")
    assert pip.requests[-1]["requirements"] == ["another-package"]


def test_the_pytorch_extension_is_there_only_when_asked_for(scene):
    with pytest.raises(ImportError):
        import PyTorchUtils  # noqa: F401


def test_torch_is_only_asked_for(pytorch_extension):
    import PyTorchUtils

    PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False, torchVersionRequirement=">=2.2")
    assert pytorch_extension.calls[0]["torchVersionRequirement"] == ">=2.2"


def test_sample_data_is_registered_and_checked(scene, tmp_path):
    import numpy as np
    import SampleData

    volume = slicer.util.addVolumeFromArray(np.ones((3, 4, 5), np.float32))
    slicer.util.saveNode(volume, str(tmp_path / "a.nrrd"), {})
    keywords = {
        "category": "Demo",
        "sampleName": "A",
        "uris": (tmp_path / "a.nrrd").as_uri(),
        "fileNames": "a.nrrd",
        "nodeNames": "sample",
    }
    SampleData.SampleDataLogic.registerCustomSampleDataSource(**keywords)
    SampleData.SampleDataLogic.registerCustomSampleDataSource(**keywords)
    assert len(slicer.modules.sampleDataSources["Demo"]) == 1
    assert SampleData.SampleDataLogic().downloadSample("A").GetName() == "sample"
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        **keywords | {"sampleName": "B", "checksums": "SHA256:" + "0" * 64}
    )
    with pytest.raises(ValueError, match="Checksum"):
        SampleData.SampleDataLogic().downloadSample("B")
    with pytest.raises(FileNotFoundError):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(**keywords | {"thumbnailFileName": "/no/file.png"})


def test_the_longest_gap_of_the_event_loop_is_measured(scene):
    with slicer_harness.event_gap() as gap:
        qt.QTimer.singleShot(20, lambda: time.sleep(0.12))
        slicer_harness.pump(0.3)
    assert 0.12 <= gap.longest < 1
    assert gap.ticks > 10
    with pytest.raises(AssertionError, match="never ran"), slicer_harness.event_gap():
        time.sleep(0.02)


def test_waiting_ends(scene):
    calls = []
    qt.QTimer.singleShot(10, lambda: calls.append(1))
    slicer_harness.pump_until(lambda: calls, 5)
    with pytest.raises(AssertionError, match="did not happen"):
        slicer_harness.pump_until(lambda: False, 0.05)


BAD_TESTS = """
import slicer_harness
slicer_harness.require()
import qt, slicer

def test_slot(scene):
    button = qt.QPushButton()
    button.clicked.connect(lambda: 1 / 0)
    button.click()

def test_dialog(scene):
    try:
        qt.QMessageBox().exec_()
    except Exception:
        pass

def test_unused_answer(dialogs):
    dialogs.answer("never", qt.QMessageBox.Ok)

def test_paused(scene):
    slicer.app.pauseRender()

def test_good(scene):
    pass
"""


def test_a_test_fails_when_something_was_only_printed(tmp_path):
    (tmp_path / "conftest.py").write_text("from slicer_harness.fixtures import dialogs, scene\n", encoding="utf-8")
    (tmp_path / "test_bad.py").write_text(BAD_TESTS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(slicer_harness.__file__).parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    failed = {line.split("::")[1].split()[0] for line in done.stdout.splitlines() if line.startswith("ERROR")}
    assert failed == {"test_slot", "test_dialog", "test_unused_answer", "test_paused"}, done.stdout
