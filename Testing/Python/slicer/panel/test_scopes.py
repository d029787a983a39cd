"""Results of several scopes on the panel, what an empty one says, and the tools for looking at them."""

import slicer_harness

slicer_harness.require()

import numpy as np
import pytest
import qt
import slicer
import slicer.util
import vtk

from FAAnomalySlicer.scene.result_list import results_of
from FAAnomalySlicer.views import brain_outline
from support.drivers.panel_bench import Responsiveness, node_ids
from support.drivers.panel_bench import results_of as shown_of
from support.phantoms.mrml_volumes import PARENT, add_volume, brainlike, put_under, turn, world_of

pytestmark = pytest.mark.slow

AFFINE = turn(20, -10, 35) @ np.diag([-5.0, 5.0, 5.0, 1.0])


@pytest.fixture
def analysed(bench, layout):
    """The panel after a run on the whole brain and one on a box; its volume and the box."""
    volume = add_volume(brainlike((30, 34, 28)), AFFINE, "FA of A")
    put_under(volume, PARENT)
    panel = bench()
    panel.choose(volume)
    panel.run()
    panel.ui.regionModeSelector.setCurrentIndex(1)
    panel.ui.roiFitButton.click()
    box = panel.parameters.roi
    box.SetName("R")
    box.SetSize(*(0.3 * length for length in box.GetSize()))
    box.SetCenter(*(world_of(volume) @ [*(0.35 * n for n in volume.GetImageData().GetDimensions()), 1.0])[:3])
    panel.settle()
    panel.run()
    return panel, volume, box


def choices(panel):
    selector = panel.ui.resultSelector
    return [selector.itemText(row) for row in range(selector.count)], selector.currentText


def layers(layout):
    view = layout.sliceWidget("Red").mrmlSliceCompositeNode()
    return view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()


def test_a_run_on_a_box_leaves_the_whole_brains_result_and_each_can_be_shown(analysed, layout, dialogs, main_window):
    panel, volume, box = analysed
    ui = panel.ui
    whole, part = results_of(volume)
    assert choices(panel) == (["Box R", "Whole brain"], "Box R") and part.zMap.GetName() == "FA of A, box R: z-map"
    assert ui.regionsTable.rowCount == 1 and layers(layout) == (volume.GetID(), part.zMap.GetID())

    ui.resultSelector.setCurrentIndex(1)
    panel.settle()
    assert ui.regionsTable.rowCount == 2 and layers(layout) == (volume.GetID(), whole.zMap.GetID())
    assert ui.showZMapButton.checked and shown_of(volume).zMap is whole.zMap
    ui.thresholdSlider.value = 10.0
    panel.until(lambda: ui.regionsTable.rowCount == 1)
    assert whole.segmentation.GetAttribute("FAAnomaly.threshold") == "10.0"
    assert part.segmentation.GetAttribute("FAAnomaly.threshold") == "5.0", "only the shown result follows the slider"
    ui.showExpectedButton.click()
    ui.resultSelector.setCurrentIndex(0)
    panel.settle()
    assert layers(layout) == (part.expected.GetID(), None)

    dialogs.answer("Table of regions", "")
    ui.exportTableButton.click()
    assert "FA_of_A_box_R_regions.csv" in dialogs.shown[-1]
    ui.resultKeepButton.click()
    dialogs.answer("Table of regions", "")
    ui.exportTableButton.click()
    assert "FA_of_A_box_R_kept_1_regions.csv" in dialogs.shown[-1]
    assert choices(panel)[1] == "Box R, kept 1" and not ui.resultKeepButton.enabled
    box.SetCenter(*(value + 3.0 for value in box.GetCenter()))
    panel.settle()
    panel.run()
    assert choices(panel) == (["Box R", "Box R, kept 1", "Whole brain"], "Box R")
    assert part.zMap.GetScene() is not None and layers(layout)[1] == results_of(volume)[-1].zMap.GetID()

    dialogs.answer("Remove this result", qt.QMessageBox.Cancel)
    panel.press(ui.resultRemoveButton)
    assert len(results_of(volume)) == 3
    for left in (["Box R, kept 1", "Whole brain"], ["Whole brain"], []):
        dialogs.answer("Remove this result", qt.QMessageBox.Ok)
        panel.press(ui.resultRemoveButton)
        assert choices(panel)[0] == left
    panel.settle()
    assert ui.resultsSection.collapsed and not ui.resultRemoveButton.enabled and layers(layout)[1] is None
    assert volume.GetScene() is not None and box.GetScene() is not None


def test_scripts_get_the_nodes_of_their_scope(bench):
    volume = add_volume(brainlike((30, 34, 28)), AFFINE, "FA of A")
    panel = bench()
    box = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    box.SetCenter(*(AFFINE @ [15, 17, 14, 1])[:3])
    box.SetSize(60, 60, 60)
    whole = panel.logic.run(volume)
    part = panel.logic.run(volume, roi=box)
    assert not set(whole.nodes().values()) & set(part.nodes().values())
    assert panel.logic.run(volume, roi=box).nodes() == part.nodes() and panel.logic.run(volume).nodes() == whole.nodes()
    before = node_ids()
    assert panel.logic.run(volume, previous=part).zMap is part.zMap and node_ids() == before


def test_an_empty_result_says_what_would_have_been_found(analysed):
    panel, volume, _box = analysed
    ui = panel.ui
    ui.resultSelector.setCurrentIndex(1)
    changes = '[{"diameter_mm": 20, "increased": 0.18, "decreased": 0.17}]'
    shown_of(volume).zMap.SetAttribute("FAAnomaly.detectableChange", changes)
    shown_of(volume).zMap.SetAttribute("FAAnomaly.threshold", "[13.0, 13.0]")
    panel.panel.update()
    panel.until(lambda: ui.regionsTable.rowCount == 0)
    assert ui.summaryLabel.text == (
        "No region beyond the threshold. At half of the places of white matter, a change of FA by about +0.18 or −0.17 "
        "over 20 mm would have been found."
    )
    assert not ui.regionsTable.isVisibleTo(ui.resultsSection) and not ui.regionsLabel.isVisibleTo(ui.resultsSection)
    ui.thresholdSlider.value = 14.0
    panel.until(lambda: ui.summaryLabel.text == "No region beyond the threshold.")
    ui.thresholdSlider.value = 5.0
    panel.until(lambda: ui.regionsTable.rowCount == 2)
    assert ui.regionsTable.isVisibleTo(ui.resultsSection) and "1 with increased" in ui.summaryLabel.text


def test_keys_work_inside_the_module_alone(analysed, layout):
    panel, volume, _box = analysed
    panel.ui.resultSelector.setCurrentIndex(1)
    panel.settle()
    nodes, section = shown_of(volume), panel.ui.resultsSection

    def press(key: str) -> None:
        shortcuts = [one for one in section.findChildren("QShortcut") if one.key.toString() == key]
        assert len(shortcuts) == 1, key
        shortcuts[0].activated()

    press("1")
    assert layers(layout) == (volume.GetID(), None) and panel.ui.showInputButton.checked
    press("1")
    assert layers(layout) == (volume.GetID(), None), "a second press changes nothing"
    press("2")
    assert layers(layout) == (nodes.expected.GetID(), None)
    press("4")
    assert layers(layout) == (nodes.pseudoHealthy.GetID(), None) and panel.ui.showHealthyButton.checked
    press("3")
    assert layers(layout) == (volume.GetID(), nodes.zMap.GetID())
    z = slicer.util.arrayFromVolume(nodes.zMap)
    for key, place in (("N", z.argmax()), ("N", z.argmin()), ("N", z.argmin()), ("P", z.argmax()), ("P", z.argmax())):
        press(key)
        world = (world_of(volume) @ [*np.unravel_index(place, z.shape)[::-1], 1])[:3]
        assert abs(layout.sliceWidget("Red").mrmlSliceNode().GetSliceOffset() - world[2]) < 0.5
    panel.widget.exit()
    assert not section.findChildren("QShortcut")
    panel.widget.enter()
    panel.widget.enter()
    assert len(section.findChildren("QShortcut")) == 6


def test_the_brain_is_outlined_round_the_regions_in_3d(analysed, layout, monkeypatch):
    panel, volume, _box = analysed
    before, centred = node_ids(), []
    monkeypatch.setattr(type(layout).raw_class, "resetThreeDViews", lambda manager: centred.append(True))
    watch = Responsiveness()
    panel.ui.surfacesCheckBox.click()
    panel.until(lambda: centred)
    panel.settle(0.6)
    watch.stop()
    outline = panel.panel.results._outline.node
    assert watch.busiest < slicer_harness.HELD_UP and len(centred) == 1
    assert not outline.GetSaveWithScene() and outline.GetHideFromEditors()
    assert 0 < outline.GetDisplayNode().GetOpacity() < 0.4 and not outline.GetDisplayNode().GetVisibility2D()
    surface = outline.GetPolyData()
    points, normals = (
        vtk.util.numpy_support.vtk_to_numpy(data)
        for data in (surface.GetPoints().GetData(), surface.GetPointData().GetNormals())
    )
    places = np.argwhere(slicer.util.arrayFromVolume(volume) > 0)[:, ::-1]
    brain = places @ world_of(volume)[:3, :3].T + world_of(volume)[:3, 3]
    shown = points @ PARENT[:3, :3].T + PARENT[:3, 3]
    assert outline.GetTransformNodeID() == volume.GetTransformNodeID()
    np.testing.assert_allclose(shown.min(0), brain.min(0), atol=4.0)
    np.testing.assert_allclose(shown.max(0), brain.max(0), atol=4.0)
    assert np.mean(np.sum(normals * (points - points.mean(0)), axis=1) > 0) > 0.95, "it is seen from outside"
    panel.ui.resultSelector.setCurrentIndex(1)
    panel.settle(0.5)
    assert panel.panel.results._outline.node is outline and len(centred) == 1, "the camera is the user's"
    panel.ui.surfacesCheckBox.click()
    panel.settle(0.5)
    assert node_ids() - before <= {
        node.GetID() for node in slicer.mrmlScene.GetNodes() if node.IsA("vtkMRMLStorageNode")
    }


def test_the_outline_is_that_of_the_largest_part_and_has_no_holes():
    data = np.zeros((40, 44, 36), np.float32)
    k, j, i = np.ogrid[:40, :44, :36]
    radius = np.sqrt((k - 20.0) ** 2 + (j - 22.0) ** 2 + (i - 18.0) ** 2)
    data[radius < 15] = 0.3
    data[radius < 5] = 0.0
    data[2:4, 2:4, 2:4] = 0.9
    inside, to_ras = brain_outline.coarse_mask(data, np.diag([1.5, 1.5, 3.0, 1.0]), False)
    volume = (inside > 0.5).sum() * abs(np.linalg.det(to_ras[:3, :3]))
    assert volume == pytest.approx(4 / 3 * np.pi * 15**3 * 1.5 * 1.5 * 3.0, rel=0.1)
    assert inside[0].max() == inside[:, :, -1].max() == 0.0


def test_the_model_card_is_read_beside_the_panel(bench):
    panel = bench()
    card = panel.panel.advanced._model.card
    panel.ui.modelCardButton.click()
    dialog = panel.panel.advanced._card._dialog
    text = dialog.findChild("QTextBrowser", "modelCardText")
    assert dialog.visible and not dialog.modal and text.readOnly
    assert "people" in text.plainText and "##" not in text.plainText, "it is laid out"
    dialog.findChild("QPushButton", "copyCardButton").click()
    assert slicer.app.clipboard().text() == card.read_text(encoding="utf-8")
    panel.ui.modelCardButton.click()
    assert panel.panel.advanced._card._dialog is not dialog
    panel.panel.advanced._card._dialog.findChild("QPushButton", "closeCardButton").click()
    assert panel.panel.advanced._card._dialog is None
