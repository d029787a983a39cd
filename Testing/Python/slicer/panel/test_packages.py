"""The engine's packages on the panel: asked for once, installed once, and continued after a restart of Slicer."""

import slicer_harness

slicer_harness.require()

import json
import sys
import time

import pytest

from support.paths import REQUIREMENTS
from support.phantoms.mrml_volumes import GRIDS, add_volume, brainlike

pytestmark = pytest.mark.slow


class Python:
    """Which packages Slicer's Python has: all but torch. Installing is pretended.

    Attributes
    ----------
    during
        Called when torch is being installed, while the event loop runs.
    """

    def __init__(self, monkeypatch, pytorch_extension, settings):
        from FAAnomalySlicer.setup import package_installer as install

        self.packages = {requirement.name: "9.0" for requirement in install.read_requirements(REQUIREMENTS)}
        self.during = lambda: None
        self.extension, self.settings, self.key = pytorch_extension, settings, install.CONSENT_KEY
        monkeypatch.setattr(install, "installed_version", lambda requirement: self.packages.get(requirement.name))
        pytorch_extension.installing = self._install_torch

    def _install_torch(self):
        self.during()
        self.packages["torch"] = "2.13.0+cpu"

    def agreed(self):
        """The user has agreed before the restart."""
        from FAAnomalySlicer.setup.package_installer import TORCH

        self.settings.setValue(
            self.key, json.dumps({"python": sys.prefix, "packages": [str(TORCH)], "time": time.time()})
        )


@pytest.fixture
def python(monkeypatch, pytorch_extension, settings):
    return Python(monkeypatch, pytorch_extension, settings)


@pytest.mark.slow
def test_an_installation_goes_on_when_the_module_is_opened_after_the_restart(bench, python, main_window, dialogs):
    """No dialog is announced: a question would fail the test."""
    python.agreed()
    panel = bench()
    assert not python.extension.calls, "the panel is on the screen first"
    assert "goes on" in panel.ui.statusLabel.text
    panel.settle()
    assert len(python.extension.calls) == 1 and "torch" in python.packages
    assert panel.ui.statusLabel.text == "The Python packages are installed."
    assert python.settings.value(python.key) is None and not panel.ui.messageLabel.text
    panel.widget.exit()
    panel.widget.enter()
    panel.settle()
    assert len(python.extension.calls) == 1
    panel.choose(add_volume(brainlike(), GRIDS["ras"]))
    panel.run()


def test_nothing_is_installed_when_nobody_has_agreed(bench, python, main_window):
    panel = bench()
    panel.settle()
    assert not python.extension.calls


def test_a_consent_to_other_packages_is_none_to_these(bench, python, main_window):
    python.agreed()
    del python.packages["nibabel"]
    panel = bench()
    panel.settle()
    assert not python.extension.calls and not panel.ui.statusLabel.text.startswith("The installation")
    assert python.settings.value(python.key), "what was agreed to still holds"


def test_nothing_goes_on_before_the_panel_is_entered(open_module, python, main_window):
    """Neither loading the module, nor its logic, nor its panel's setup: Slicer makes panels that nobody looks at."""
    python.agreed()
    module = open_module.module()
    slicer_harness.pump(0.2)
    representation = module.widgetRepresentation()
    assert representation.self().logic.installer().pending()
    slicer_harness.pump(0.2)
    assert not python.extension.calls
    representation.enter()
    slicer_harness.pump(0.2)
    assert len(python.extension.calls) == 1


def test_a_script_without_a_main_window_installs_nothing(bench, python):
    python.agreed()
    panel = bench()
    panel.settle()
    assert panel.logic.installer().pending()
    panel.choose(add_volume(brainlike(), GRIDS["ras"]))
    panel.logic.run(panel.parameters.inputVolume)
    assert not python.extension.calls and python.settings.value(python.key)


def test_slicer_that_tests_itself_installs_nothing(bench, python, main_window, testing_mode):
    python.agreed()
    panel = bench()
    panel.settle()
    assert not python.extension.calls and python.settings.value(python.key)


def test_slicer_that_tests_itself_is_not_asked_and_agrees_to_nothing(bench, python, main_window, testing_mode, pip):
    panel = bench()
    panel.choose(add_volume(brainlike(), GRIDS["ras"]))
    panel.apply()
    panel.settle()
    assert "torch" in panel.ui.messageLabel.text and panel.logic.detections.running is None
    assert not python.extension.calls and not pip.requests


def test_meanwhile_no_run_and_no_second_installation_can_start(bench, python, main_window):
    python.agreed()
    panel = bench()
    seen = []

    def press():
        panel.choose(add_volume(brainlike(), GRIDS["ras"]))
        seen.append((panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip))
        panel.ui.installButton.click()
        seen.append(panel.ui.messageLabel.text)
        panel.widget.exit()
        panel.widget.enter()
        panel.settle()

    python.during = press
    panel.settle()
    (enabled, tip), told = seen
    assert not enabled and "Python packages are being installed" in tip
    assert "Wait for its end" in told
    assert len(python.extension.calls) == 1 and panel.ui.applyButton.enabled


def test_a_failure_is_told_and_not_tried_again_unasked(bench, python, main_window):
    def fail():
        raise ValueError("no wheel fits")

    python.agreed()
    python.during = fail
    panel = bench()
    panel.settle()
    assert "PyTorch could not be installed" in panel.ui.messageLabel.text
    assert "no wheel fits" in panel.ui.messageLabel.text
    assert not panel.ui.statusLabel.text
    panel.widget.exit()
    panel.widget.enter()
    panel.settle()
    assert len(python.extension.calls) == 1


def test_a_window_says_what_slicer_waits_for(bench, python, main_window):
    """Slicer shows nothing of its own while the PyTorch extension installs."""
    import qt

    shown = []

    def look():
        slicer_harness.pump(0.05)
        (window,) = (one for one in main_window.findChildren(qt.QProgressDialog) if one.visible)
        shown.append((window.labelText, [b.text for b in window.findChildren(qt.QPushButton)]))

    python.agreed()
    python.during = look
    panel = bench()
    panel.settle()
    ((text, buttons),) = shown
    assert "PyTorch" in text and "minutes" in text and not buttons
    assert not [window for window in main_window.findChildren(qt.QProgressDialog) if window.visible]
