"""The panel without a run: what it explains, checks, saves and leaves alone."""

import slicer_harness

slicer_harness.require()

import json
import sys

import numpy as np
import pytest
import slicer
import slicer.util

from FAAnomalyLib.models.registry import DEFAULT_MODEL
from FAAnomalyLib.request import DEVICES, MASK_SIZES, MASK_TYPES, SAMPLERS, DetectRequest
from support.phantoms.mrml_volumes import GRIDS, add_volume, brainlike, put_under

pytestmark = pytest.mark.slow


def test_a_disabled_apply_says_every_reason(bench):
    panel = bench()
    button = panel.ui.applyButton
    assert not button.enabled and button.toolTip == "Cannot start:\n• no input volume is chosen"
    panel.ui.regionModeSelector.setCurrentIndex(1)
    panel.ui.stepsSpinBox.value = 20
    panel.settle()
    assert button.toolTip.count("•") == 3
    for reason in ("no input volume is chosen", "No box is drawn", "the sampler mean is one step"):
        assert reason in button.toolTip
    panel.ui.regionModeSelector.setCurrentIndex(0)
    panel.ui.stepsSpinBox.value = 0
    panel.choose(add_volume(brainlike(), GRIDS["ras"]))
    assert button.enabled and button.toolTip == "Find anomalies."


def test_what_is_no_fa_map_is_told_at_once(bench):
    panel = bench()
    t1 = add_volume((brainlike() * 3000 + 50).astype(np.int16), GRIDS["ras"], "T1")
    panel.choose(t1)
    assert panel.ui.inputCheckLabel.text.startswith("⚠") and not panel.ui.applyButton.enabled
    assert panel.ui.inputCheckLabel.text[2:] in panel.ui.applyButton.toolTip
    slicer.util.updateVolumeFromArray(t1, np.ascontiguousarray(brainlike().T))
    panel.settle()
    assert panel.ui.inputCheckLabel.text.startswith("✔") and panel.ui.applyButton.enabled
    panel.choose(None)
    assert panel.ui.inputCheckLabel.text == ""


def test_a_non_linear_transform_is_refused_with_advice(bench):
    panel = bench()
    volume = add_volume(brainlike(), GRIDS["ras"])
    panel.choose(volume)
    put_under(volume, np.eye(4))
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    import vtk

    grid = vtk.vtkBSplineTransform()
    coefficients = vtk.vtkImageData()
    coefficients.SetDimensions(5, 5, 5)
    coefficients.AllocateScalars(vtk.VTK_DOUBLE, 3)
    grid.SetCoefficientData(coefficients)
    warp.SetAndObserveTransformFromParent(grid)
    volume.SetAndObserveTransformNodeID(warp.GetID())
    panel.settle()
    assert "non-linear" in panel.ui.applyButton.toolTip and "Harden" in panel.ui.applyButton.toolTip


def test_label_maps_are_not_offered(bench):
    panel = bench()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    tensors = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDiffusionTensorVolumeNode", "DTI")
    panel.settle()
    assert panel.ui.inputSelector.nodeCount() == 1 and panel.ui.inputSelector.nodeFromIndex(0) == tensors


def test_the_sample_is_one_click_away_and_loaded_once(bench, layout):
    panel = bench()
    panel.ui.sampleButton.click()
    panel.settle()
    sample = panel.parameters.inputVolume
    assert panel.ui.inputCheckLabel.text.startswith("✔") and panel.ui.applyButton.enabled
    assert layout.sliceWidget("Red").mrmlSliceCompositeNode().GetBackgroundVolumeID() == sample.GetID()
    panel.choose(None)
    panel.ui.sampleButton.click()
    panel.settle()
    assert panel.parameters.inputVolume is sample
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1


def test_the_sample_is_known_to_slicers_sample_data(open_module):
    import SampleData

    open_module.module("FAAnomaly")
    node = SampleData.SampleDataLogic().downloadSample("FA with an anomaly")
    assert min(node.GetImageData().GetDimensions()) > 50 and node.GetName() == "FA sample (synthetic)"


def test_the_help_leads_to_the_readme(open_module):
    module = open_module.module("FAAnomaly")
    assert "SlicerFAAnomaly#readme" in module.helpText and "readthedocs" not in module.helpText


def test_the_fa_map_of_the_scene_is_chosen_when_the_panel_opens(bench):
    add_volume((brainlike() * 3000 + 50).astype(np.int16), GRIDS["ras"], "T1")
    other = add_volume(brainlike(seed=1), GRIDS["ras"], "a map")
    named = add_volume(brainlike(seed=2), GRIDS["ras"], "sub-01_FA")
    panel = bench()
    panel.until(lambda: panel.parameters.inputVolume is not None, 5)
    assert panel.parameters.inputVolume is named
    panel.choose(other)
    panel.widget.exit()
    panel.widget.enter()
    panel.settle()
    assert panel.parameters.inputVolume is other, "a choice stays"
    panel.choose(None)
    slicer.mrmlScene.RemoveNode(named)
    slicer.mrmlScene.RemoveNode(other)
    panel.widget.enter()
    panel.settle()
    assert panel.parameters.inputVolume is None, "no other kind of map is guessed"


def test_every_choice_of_the_engine_is_on_the_panel(bench):
    from FAAnomalySlicer.scene.choices import Device, MaskSize, MaskType, Sampler, request_options

    for choices, known in ((MaskType, MASK_TYPES), (MaskSize, MASK_SIZES), (Sampler, SAMPLERS), (Device, DEVICES)):
        assert {choice.value for choice in choices} == set(known)
        labels = [choice.label() for choice in choices]
        assert len(set(labels)) == len(labels)
    panel = bench()
    defaults = DetectRequest(input="x")
    for name, value in request_options(panel.parameters).items():
        assert value == getattr(defaults, name), f"the panel's default {name} is the engine's"


def test_everything_on_the_panel_is_saved_in_the_scene(bench, tmp_path):
    panel = bench()
    ui = panel.ui
    for selector, index in (
        (ui.maskTypeSelector, 1),
        (ui.maskSizeSelector, 2),
        (ui.samplerSelector, 1),
        (ui.deviceSelector, 1),
        (ui.signsSelector, 2),
        (ui.regionModeSelector, 2),
        (ui.thresholdSelector, 1),
        (ui.orientationSelector, 2),
    ):
        selector.setCurrentIndex(index)
    ui.stepsSpinBox.value, ui.samplesSpinBox.value, ui.seedSpinBox.value = 15, 4, 99
    ui.opacitySlider.value = 0.25
    for box in (ui.roiVisibleCheckBox, ui.surfacesCheckBox, ui.belowThresholdCheckBox):
        box.checked = not box.checked
    names = [name for name in type(panel.parameters).allParameters]
    chosen = {name: panel.parameters.getValue(name) for name in names}
    defaults = {name: panel.parameters.default(name).value for name in names}
    same = {name for name in names if chosen[name] == defaults[name]}
    assert same <= {"inputVolume", "roi", "segmentation", "segmentID", "model", "shown", "threshold"}
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    panel.settle()
    assert ui.samplesSpinBox.value == 1
    slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    panel.settle()
    assert {name: panel.parameters.getValue(name) for name in names} == chosen
    assert ui.samplesSpinBox.value == 4 and ui.deviceSelector.currentIndex == 1


def test_models_their_calibration_and_card(bench, tmp_path, dialogs, main_window):
    panel = bench()
    ui = panel.ui
    from FAAnomalySlicer.scene.model_list import DEFAULT_FOLDER

    assert DEFAULT_FOLDER == DEFAULT_MODEL
    assert ui.modelSelector.currentText.startswith(DEFAULT_MODEL) and not ui.modelDeleteButton.enabled
    assert ui.modelCardButton.enabled and ui.calibrationLabel.text

    trained = tmp_path / "mine"
    trained.mkdir()
    dialogs.answer("Folder of a trained model", str(trained))
    ui.modelFolderButton.click()
    assert "holds no model" in ui.messageLabel.text and panel.parameters.model == "default"
    (trained / "manifest.json").write_text(json.dumps({"calibration": {}}))
    dialogs.answer("Folder of a trained model", str(trained))
    ui.modelFolderButton.click()
    assert panel.parameters.model == str(trained) and ui.modelSelector.currentText == "mine"
    assert "Not calibrated" in ui.calibrationLabel.text and not ui.modelCardButton.enabled

    import qt

    dialogs.answer("Delete the model mine", qt.QMessageBox.Ok)
    panel.press(ui.modelDeleteButton)
    assert not trained.exists() and not ui.messageLabel.text, ui.messageLabel.text
    assert panel.parameters.model == "default" and ui.modelSelector.currentIndex == 0


def test_the_environment_is_checked_by_the_engine_itself(bench, monkeypatch):
    panel = bench()
    from FAAnomalySlicer.panel import advanced

    doctor = (
        "import json; print(json.dumps({'can_run': True, 'packages': {'torch': '2.9'}, 'devices': ['cpu'], "
        "'models': {'inpainter': 'verified'}, 'memory_gb': {'total': 8}, 'python': '3.12', 'cores': 2}))"
    )
    monkeypatch.setattr(advanced, "engine_command", lambda *arguments: [sys.executable, "-c", doctor])
    panel.ui.checkEnvironmentButton.click()
    assert not panel.ui.checkEnvironmentButton.enabled
    panel.until(lambda: panel.ui.checkEnvironmentButton.enabled)
    text = panel.ui.environmentText.toPlainText()
    for part in ("The engine can run here.", "torch: 2.9", "Model inpainter: verified", "2 cores, 8 GB"):
        assert part in text


def test_diagnostics_name_no_patient(bench):
    panel = bench()
    panel.choose(add_volume(brainlike(), GRIDS["ras"], "Doe_John_1961"))
    panel.run()
    panel.ui.copyDiagnosticsButton.click()
    text = slicer.app.clipboard().text()
    assert "sampler: mean" in text and "Model: " in text
    assert "Doe" not in text and "/tmp/" not in text


def test_without_packages_the_user_is_asked_once_and_told(bench, monkeypatch, main_window, dialogs):
    import qt

    from FAAnomalySlicer.setup import package_installer as install

    panel = bench()
    panel.choose(add_volume(brainlike(), GRIDS["ras"]))
    monkeypatch.setattr(install, "is_met", lambda requirement: False)
    dialogs.answer("Install them now?", qt.QMessageBox.Cancel)
    panel.press(panel.ui.applyButton)
    assert "Python packages are missing" in panel.ui.messageLabel.text and not panel.running


def test_the_log_shows_what_the_engine_says(bench):
    panel = bench()
    panel.logic.detections.log.emit("registration took a while")
    panel.settle()
    assert "registration took a while" in panel.ui.logText.toPlainText()


@pytest.fixture
def modules_put_back():
    """The other tests keep the classes that they have imported."""

    def ours():
        return {name: module for name, module in sys.modules.items() if name.startswith("FAAnomaly")}

    before = ours()
    yield
    for name in ours():
        del sys.modules[name]
    sys.modules.update(before)


def test_reload_reads_the_rooms_anew_and_keeps_the_choices(bench, modules_put_back):
    panel = bench()
    panel.ui.seedSpinBox.value = 21
    module, room = sys.modules["FAAnomaly"], sys.modules["FAAnomalySlicer.logic"]
    panel.widget.onReload()
    widget = slicer.modules.FAAnomalyWidget
    assert widget is not panel.widget
    assert sys.modules["FAAnomaly"] is not module and sys.modules["FAAnomalySlicer.logic"] is not room
    assert widget.ui.seedSpinBox.value == 21
    widget.ui.samplesSpinBox.value = 2
    assert widget.logic.getParameterNode().samples == 2
    widget.logic.close()


def test_the_panel_lives_without_a_window_and_without_a_parameter_node(bench):
    panel = bench()
    assert slicer.app.layoutManager() is None and slicer.util.mainWindow() is None
    panel.widget.exit()
    panel.widget.enter()
    slicer.mrmlScene.Clear(0)
    panel.settle()
    assert panel.ui.applyButton.toolTip.startswith("Cannot start")
    panel.widget.cleanup()
    panel.widget.cleanup()


@pytest.mark.parametrize("seconds, text", [(0.2, "1 s"), (75, "75 s"), (600, "10 min"), (9000, "2.5 h")])
def test_durations(bench, seconds, text):
    from FAAnomalySlicer.panel.estimate import duration

    assert duration(seconds) == text
