"""A scene that was saved with results, and settings that were kept, on an earlier day: the panel knows them again.

The module is reached as Slicer reaches it, through ``FAAnomaly.FAAnomalyWidget`` and ``FAAnomalyLogic``; results are
asked of MRML, parameters of the parameter node, the panel by the names of the form's widgets.
"""

from __future__ import annotations

import slicer_harness

slicer_harness.require()

import importlib.util
import json
import re
import sys
import time

import pytest
import slicer
import slicer.util

from support.drivers.public_faces import MODEL, SCENE, assert_as_stored, assert_same, stored
from support.drivers.scene_faces import PREFIX, scene_contents

pytestmark = pytest.mark.slow

PARAMETERS = {
    "regionMode": "BOX",
    "maskType": "WHITE_MATTER",
    "maskSize": "SIZE_16",
    "model": "a-model-of-this-site",
    "sampler": "DPM_SOLVER",
    "steps": 7,
    "samples": 3,
    "seed": 11,
    "device": "CPU",
    "shown": "Z_MAP",
    "opacity": 0.55,
    "thresholdMode": "BY_HAND",
    "threshold": 4.0,
    "signs": "DECREASED",
    "surfaces": False,
    "belowThreshold": False,
    "orientation": "AXIAL",
    "roiVisible": False,
    "segmentID": "suspect",
    "inputVolume": "FA of A",
    "roi": "Box",
    "segmentation": "Drawn",
}
DEFAULTS = PARAMETERS | {
    "regionMode": "WHOLE_BRAIN",
    "maskType": "CUBIC",
    "maskSize": "SIZE_16",
    "model": "default",
    "sampler": "MEAN",
    "steps": 0,
    "samples": 1,
    "seed": 0,
    "device": "AUTO",
    "shown": "OWN",
    "opacity": 0.7,
    "thresholdMode": "AUTOMATIC",
    "threshold": 5.0,
    "signs": "BOTH",
    "roiVisible": True,
    "segmentID": "",
    "inputVolume": None,
    "roi": None,
    "segmentation": None,
}
RESULTS = {
    "pseudoHealthy": "FA of A pseudo-healthy",
    "difference": "FA of A difference",
    "zMap": "FA of A z-map",
    "segmentation": "FA of A anomalies",
    "table": "FA of A regions",
}
VOLUMES = ("pseudoHealthy", "difference", "zMap")
WHOLE_BRAIN = {
    "regionMode": "WHOLE_BRAIN",
    "maskType": "CUBIC",
    "maskSize": "SIZE_32",
    "sampler": "MEAN",
    "steps": 0,
    "samples": 1,
    "seed": 6,
    "model": str(MODEL),
}
KIND = "FAAnomaly/seconds/{region}/{sampler}/{steps}/{samples}/{size}/{device}"
LAYOUT = 4137
CONSENT = "FAAnomaly/installation"
LONGEST = 120.0
NUMBERED = re.compile(r"FAAnomaly\.result\d+\.")
"""Beside the references of an earlier day there are those of each of several results."""


@pytest.fixture
def widget(open_module, layout, settings, monkeypatch):
    """The module on the screen."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of the engine that a run starts
    opened = open_module("FAAnomaly")
    yield opened
    opened.logic.close()
    slicer_harness.pump(0.05)


@pytest.fixture
def loaded(widget):
    """The module on the screen, with the scene of the earlier day."""
    slicer.util.loadScene(str(SCENE))
    slicer_harness.pump(0.3)
    return widget


def shown(parameters) -> dict:
    """The values of a parameter node; members and nodes by their names."""

    def plain(value):
        if hasattr(value, "GetName"):
            return value.GetName()
        return value.name if hasattr(value, "name") else value

    return {name: plain(getattr(parameters, name)) for name in PARAMETERS}


def choose(parameters, values: dict) -> None:
    """Set parameters; members by their names."""
    for name, value in values.items():
        kind = type(getattr(parameters, name))
        setattr(parameters, name, kind[value] if hasattr(kind, "__members__") else value)


def result_ids(volume) -> dict[str, str]:
    return {role: volume.GetNodeReferenceID(f"FAAnomaly.{role}") for role in (*RESULTS, "report")}


def signs_in_table(ui) -> list[str]:
    return [ui.regionsTable.item(row, 1).text() for row in range(ui.regionsTable.rowCount)]


def test_the_parameters_of_an_empty_scene(widget):
    assert_same(DEFAULTS, shown(widget.logic.getParameterNode()), "the defaults of the parameter node")


def test_a_scene_of_an_earlier_day_is_known_again_and_the_panel_shows_it(loaded):
    assert_as_stored("scene", scene_contents())
    assert_same(PARAMETERS, shown(loaded.logic.getParameterNode()), "the parameters in the scene")
    ui = loaded.ui
    assert ui.inputSelector.currentNode().GetName() == "FA of A" and ui.roiSelector.currentNode().GetName() == "Box"
    assert [
        ui.regionModeSelector.currentIndex,
        ui.maskTypeSelector.currentIndex,
        ui.maskSizeSelector.currentIndex,
        ui.samplerSelector.currentIndex,
        ui.deviceSelector.currentIndex,
        ui.thresholdSelector.currentIndex,
        ui.signsSelector.currentIndex,
    ] == [1, 1, 3, 1, 1, 2, 2]
    assert (ui.stepsSpinBox.value, ui.samplesSpinBox.value, ui.seedSpinBox.value) == (7, 3, 11)
    assert ui.opacitySlider.value == pytest.approx(0.55) and ui.thresholdSlider.value == 4.0
    assert "a-model-of-this-site" in ui.modelSelector.currentText
    assert ui.resultsSection.enabled and ui.showZMapButton.enabled and ui.exportReportButton.enabled
    assert signs_in_table(ui) == ["decreased"]
    report = ui.inputSelector.currentNode().GetNodeReference("FAAnomaly.report")
    assert "Report of A" in report.GetText()


def test_every_choice_that_a_scene_may_hold_is_understood(open_module):
    open_module.module("FAAnomaly")
    import FAAnomaly

    logic = FAAnomaly.FAAnomalyLogic()
    node, found = logic.getParameterNode().parameterNode, {}
    for parameter, members in stored("choices").items():
        for name in members:
            node.SetParameter(parameter, name)
            member = getattr(logic.getParameterNode(), parameter)
            found.setdefault(parameter, {})[member.name] = member.value
    assert_as_stored("choices", found)


def test_thresholds_in_the_scene_are_used_without_the_engine(loaded):
    ui = loaded.ui
    volume = ui.inputSelector.currentNode()
    z, segmentation = (volume.GetNodeReference(f"FAAnomaly.{role}") for role in ("zMap", "segmentation"))
    for row, signs, attribute in (
        (0, 0, "threshold"),
        (1, 0, "sensitiveThreshold"),
        (1, 1, "sensitiveThresholdOneSign"),
    ):
        ui.signsSelector.setCurrentIndex(signs)
        ui.thresholdSelector.setCurrentIndex(row)
        wanted = json.loads(z.GetAttribute(f"FAAnomaly.{attribute}"))
        slicer_harness.pump_until(
            lambda wanted=wanted: json.loads(segmentation.GetAttribute("FAAnomaly.threshold")) == wanted
        )
        assert segmentation.GetAttribute("FAAnomaly.signs") == ("both", "increased")[signs]


def test_a_run_uses_the_nodes_of_the_scene_again_and_makes_those_that_are_gone(loaded, settings):
    ui, logic = loaded.ui, loaded.logic
    volume = ui.inputSelector.currentNode()
    before = result_ids(volume)
    choose(logic.getParameterNode(), WHOLE_BRAIN)
    slicer_harness.pump(0.1)
    assert ui.applyButton.enabled, ui.applyButton.toolTip
    settings.clear()
    apply = ui.applyButton.text
    ui.applyButton.click()
    slicer_harness.pump_until(lambda: ui.applyButton.text != apply, LONGEST)
    slicer_harness.pump_until(lambda: ui.applyButton.text == apply, LONGEST)
    slicer_harness.pump(0.3)
    assert result_ids(volume) == before, ui.messageLabel.text
    nodes = {role: volume.GetNodeReference(f"FAAnomaly.{role}") for role in RESULTS}
    assert {node.GetAttribute("FAAnomaly.seed") for node in nodes.values()} == {"6"}
    kind = KIND.format(region="whole", sampler="mean", steps=0, samples=1, size="SIZE_32", device="cpu")
    assert sorted(settings.allKeys()) == [kind, f"{kind}/device"]

    colours = nodes["zMap"].GetScalarVolumeDisplayNode().GetColorNode()
    for node in (nodes["segmentation"], nodes["table"], nodes["zMap"], colours):
        slicer.mrmlScene.RemoveNode(node)
    job = logic.start(volume, model=str(MODEL), mask_size=32, seed=5, threshold=4.0, signs="decreased", device="cpu")
    slicer_harness.pump_until(lambda: job.over, LONGEST)
    assert job.error is None, job.error
    found = {role: getattr(job.result, role).GetName() for role in RESULTS}
    assert_same(RESULTS, found, "the names of the result nodes")
    kept = {role: node_id for role, node_id in result_ids(volume).items() if node_id == before[role]}
    assert {"pseudoHealthy", "difference", "report"} <= set(kept)
    assert_same(without_numbers(stored("scene")), without_numbers(scene_contents()), "the scene after a run like its")
    colours = job.result.zMap.GetScalarVolumeDisplayNode().GetColorNode()
    assert colours.GetAttribute("Category") == PREFIX and colours.GetNumberOfColors() == 256


CHANGING = {
    "FAAnomaly.version",
    "FAAnomaly.device",
    # The tiny model was calibrated again since the scene was stored.
    "FAAnomaly.threshold",
    "FAAnomaly.sensitiveThreshold",
    "FAAnomaly.sensitiveThresholdOneSign",
}


def without_numbers(contents: dict) -> dict:
    """What a run writes of the module's own into a scene, less what may differ from computer to computer."""
    nodes = {}
    for name, node in contents["nodes"].items():
        if name != PREFIX:
            nodes[name] = dict(node)
            attributes = nodes[name].get("attributes", {})
            references = nodes[name].get("references", {})
            nodes[name]["references"] = {role: names for role, names in references.items() if not NUMBERED.match(role)}
            nodes[name]["attributes"] = {
                key: "something" if key in CHANGING else value for key, value in attributes.items()
            }
            if not nodes[name]["references"]:
                del nodes[name]["references"]
    return {"nodes": nodes, "folders": contents["folders"]}


def test_a_run_on_the_box_of_the_scene_leaves_its_results(loaded):
    """They are those of the whole brain."""
    volume, box = loaded.ui.inputSelector.currentNode(), slicer.util.getNode("Box")
    before = result_ids(volume)
    voxels = {
        role: slicer.util.arrayFromVolume(volume.GetNodeReference(f"FAAnomaly.{role}")).copy() for role in VOLUMES
    }
    job = loaded.logic.start(volume, roi=box, model=str(MODEL), device="cpu")
    slicer_harness.pump_until(lambda: job.over, LONGEST)
    assert job.error is None, job.error
    assert job.result.zMap.GetName() == "FA of A, box Box: z-map"
    assert not set(before.values()) & {node.GetID() for node in job.result.nodes().values()}
    for role, earlier in voxels.items():
        assert (slicer.util.arrayFromVolume(slicer.mrmlScene.GetNodeByID(before[role])) == earlier).all()
    slicer_harness.pump(0.2)
    selector = loaded.ui.resultSelector
    assert [selector.itemText(row) for row in range(selector.count)] == ["Box Box", "Whole brain"]
    selector.setCurrentIndex(1)
    assert result_ids(volume) == before and signs_in_table(loaded.ui) == ["decreased"]


def test_the_fa_of_a_tensor_volume_is_known_again(loaded):
    tensors = slicer.util.getNode("Tensors")
    before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")}
    modified = tensors.GetNodeReference("FAAnomaly.fa").GetImageData().GetMTime()
    job = loaded.logic.start(tensors)
    slicer_harness.pump_until(
        lambda: job.over or tensors.GetNodeReference("FAAnomaly.fa").GetImageData().GetMTime() > modified, LONGEST
    )
    job.cancel()
    slicer_harness.pump_until(lambda: job.over, LONGEST)
    assert tensors.GetNodeReference("FAAnomaly.fa").GetImageData().GetMTime() > modified, "it is computed again"
    assert {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")} == before


def test_what_runs_took_is_remembered_over_a_restart(widget, settings):
    kind = KIND.format(region="region", sampler="dpm++", steps=7, samples=3, size="SIZE_16", device="cpu")
    settings.setValue(kind, "240.0")
    settings.setValue(f"{kind}/device", "a machine of an earlier day")
    slicer.util.loadScene(str(SCENE))
    slicer_harness.pump(0.3)
    assert widget.ui.deviceLabel.text == "a machine of an earlier day" and "4 min" in widget.ui.statusLabel.text


def test_a_consent_is_remembered_over_a_restart(widget, settings, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "skimage" else find(name, *more)
    )
    installer = widget.logic.installer()
    assert [str(one) for one in installer.missing()] == ["scikit-image"] and not installer.pending()
    settings.setValue(CONSENT, json.dumps({"python": sys.prefix, "packages": ["scikit-image"], "time": time.time()}))
    assert widget.logic.installer().pending()


def test_a_scene_that_was_saved_in_the_comparison_finds_its_layout(scene, open_module):
    logic = slicer.vtkMRMLLayoutLogic()
    logic.SetMRMLScene(scene)
    layout = logic.GetLayoutNode()
    open_module.module("FAAnomaly")
    assert layout.IsLayoutDescription(LAYOUT), "a layout's number is all that a scene tells of it"
    description = layout.GetLayoutDescription(LAYOUT)
    logic.SetMRMLScene(None)
    scene.RemoveNode(layout)
    assert [
        name
        for name in ("FAAnomalyInput", "FAAnomalyHealthy", "FAAnomalyZMap")
        if f'singletontag="{name}"' not in description
    ] == []


def test_the_sample_has_its_name_in_sample_data(widget):
    assert [source.sampleName for source in slicer.modules.sampleDataSources[PREFIX]] == ["FA with an anomaly"]
