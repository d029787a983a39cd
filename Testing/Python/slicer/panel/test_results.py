"""Results on the panel: threshold, table, what the views show, and after saving and reading the scene."""

import slicer_harness

slicer_harness.require()

import time

import numpy as np
import pytest
import qt
import slicer
import slicer.util
import vtk

from FAAnomalyLib.errors import FAError
from support.drivers.panel_bench import node_ids, results_of
from support.phantoms.mrml_volumes import GRIDS, PARENT, add_volume, brainlike, put_under, world_of

pytestmark = pytest.mark.slow

AUTOMATIC, SENSITIVE, BY_HAND = range(3)
"""Rows of the threshold's selector."""


def segment_sizes(volume):
    nodes = results_of(volume)
    return {
        sign: int((slicer.util.arrayFromSegmentBinaryLabelmap(nodes.segmentation, sign, volume) > 0).sum())
        for sign in ("increased", "decreased")
    }


def rows(panel):
    table = panel.ui.regionsTable
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def test_the_table_tells_each_region(analysed):
    panel, volume = analysed
    first, second = rows(panel)
    assert (first[0], first[1], second[0], second[1]) == ("1", "increased", "2", "decreased")
    assert float(first[2]) > 0 and " ± " in first[3] and first[4].startswith("+") and second[4].startswith("-")
    assert panel.ui.summaryLabel.text == "1 with increased, 1 with decreased FA."
    assert panel.ui.regionsTable.item(0, 0).toolTip().startswith("Region 1: FA increased by")


def test_the_threshold_slider_changes_segments_and_table_without_the_engine(analysed):
    panel, volume = analysed
    panel.client.shutdown()
    panel.until(lambda: panel.client.status == "stopped")
    before = segment_sizes(volume)
    assert panel.ui.thresholdSelector.currentIndex == AUTOMATIC and panel.ui.thresholdSlider.value == 5.0

    began = time.process_time()
    panel.ui.thresholdSlider.value = 10.0
    panel.until(lambda: len(rows(panel)) == 1)
    assert time.process_time() - began < 2.0
    after = segment_sizes(volume)
    assert after["decreased"] == 0 and 0 < after["increased"] <= before["increased"]
    assert panel.ui.thresholdSelector.currentIndex == BY_HAND and panel.parameters.threshold == 10.0
    assert results_of(volume).table.GetNumberOfRows() == 1 and panel.client.status == "stopped"

    panel.ui.thresholdSelector.setCurrentIndex(AUTOMATIC)
    panel.until(lambda: len(rows(panel)) == 2)
    assert panel.ui.thresholdSlider.value == 5.0 and segment_sizes(volume) == before


def test_a_threshold_for_each_tail_is_told_and_used(analysed):
    panel, volume = analysed
    results_of(volume).zMap.SetAttribute("FAAnomaly.threshold", "[4.0, 9.5]")
    panel.panel.update()
    panel.until(lambda: len(rows(panel)) == 1)
    assert rows(panel)[0][1] == "increased"
    assert panel.ui.thresholdSelector.itemText(AUTOMATIC) == "Automatic: +4.0, −9.5"


def test_the_sensitive_threshold_is_the_calibrations_and_holds_for_the_next_run(analysed):
    panel, volume = analysed
    results_of(volume).zMap.SetAttribute("FAAnomaly.threshold", "[9.0, 9.5]")
    results_of(volume).zMap.SetAttribute("FAAnomaly.sensitiveThreshold", "[4.0, 9.5]")
    panel.panel.update()
    assert panel.ui.thresholdSelector.itemText(SENSITIVE) == "Sensitive: +4.0, −9.5"
    panel.ui.thresholdSelector.setCurrentIndex(SENSITIVE)
    panel.until(lambda: len(rows(panel)) == 1)
    assert rows(panel)[0][1] == "increased" and panel.ui.thresholdSlider.value == 4.0
    panel.run()
    told = panel.ui.thresholdSelector.itemText(SENSITIVE)
    assert panel.ui.thresholdSelector.currentIndex == SENSITIVE and told == "Sensitive: +3.0, −3.0"
    assert results_of(volume).segmentation.GetAttribute("FAAnomaly.threshold") == "3.0" and len(rows(panel)) == 2


def test_for_one_sign_alone_the_sensitive_threshold_is_lower(analysed):
    panel, volume = analysed
    results_of(volume).zMap.SetAttribute("FAAnomaly.sensitiveThreshold", "[9.0, 9.5]")
    results_of(volume).zMap.SetAttribute("FAAnomaly.sensitiveThresholdOneSign", "[8.5, 4.0]")
    panel.ui.thresholdSelector.setCurrentIndex(SENSITIVE)
    panel.until(lambda: [row[1] for row in rows(panel)] == ["increased"])
    panel.ui.signsSelector.setCurrentIndex(2)
    panel.until(lambda: [row[1] for row in rows(panel)] == ["decreased"])
    assert panel.ui.thresholdSlider.value == 4.0
    assert panel.ui.thresholdSelector.itemText(SENSITIVE) == "Sensitive: −4.0"
    panel.run()
    assert results_of(volume).segmentation.GetAttribute("FAAnomaly.threshold") == "2.5", "the pretended engine's"
    assert panel.ui.thresholdSelector.itemText(SENSITIVE) == "Sensitive: −2.5" and len(rows(panel)) == 1
    panel.ui.signsSelector.setCurrentIndex(0)
    panel.until(lambda: len(rows(panel)) == 2)
    assert panel.ui.thresholdSelector.itemText(SENSITIVE) == "Sensitive: +3.0, −3.0"


def test_a_result_of_an_earlier_version_has_no_sensitive_threshold_and_says_so(analysed):
    panel, volume = analysed
    results_of(volume).zMap.RemoveAttribute("FAAnomaly.sensitiveThreshold")
    panel.ui.thresholdSelector.setCurrentIndex(SENSITIVE)
    panel.panel.update()
    assert panel.ui.thresholdSelector.itemText(SENSITIVE) == "Sensitive: run again"
    assert panel.ui.thresholdSlider.value == 5.0


def test_the_sign_filter(analysed):
    panel, volume = analysed
    panel.ui.signsSelector.setCurrentIndex(2)
    panel.until(lambda: len(rows(panel)) == 1)
    assert rows(panel)[0][1] == "decreased" and segment_sizes(volume)["increased"] == 0
    panel.ui.signsSelector.setCurrentIndex(0)
    panel.until(lambda: len(rows(panel)) == 2)


def test_a_threshold_that_was_chosen_holds_for_the_next_run(analysed):
    panel, volume = analysed
    panel.ui.thresholdSlider.value = 10.0
    panel.settle()
    panel.run()
    assert len(rows(panel)) == 1 and panel.ui.thresholdSlider.value == 10.0
    assert results_of(volume).table.GetNumberOfRows() == 1


def test_a_click_on_a_row_moves_the_views_there(bench, layout):
    volume = add_volume(brainlike(), GRIDS["oblique"])
    put_under(volume, PARENT)
    panel = bench()
    panel.choose(volume)
    panel.run()
    z = slicer.util.arrayFromVolume(results_of(volume).zMap)
    for row, place in ((1, np.unravel_index(z.argmin(), z.shape)), (0, np.unravel_index(z.argmax(), z.shape))):
        panel.ui.regionsTable.setCurrentCell(row, 0)
        world = (world_of(volume) @ [*place[::-1], 1])[:3]
        offset = layout.sliceWidget("Red").mrmlSliceNode().GetSliceOffset()
        assert abs(offset - world[2]) < 0.2
        shown = rows(panel)[row][6]
        assert shown.startswith("R" if world[0] >= 0 else "L") and f"{abs(world[0]):.0f}" in shown


def composite(layout):
    return layout.sliceWidget("Red").mrmlSliceCompositeNode()


def test_the_toggle_shows_each_picture_and_gives_the_views_back(bench, layout):
    volume, other = add_volume(brainlike(), GRIDS["ras"]), add_volume(brainlike(seed=1), GRIDS["ras"], "T1")
    slicer.util.setSliceViewerLayers(background=other, foreground=volume, foregroundOpacity=0.3)
    users = (other.GetID(), volume.GetID())
    panel = bench()
    panel.choose(volume)
    panel.run()
    nodes, view = results_of(volume), composite(layout)
    assert panel.ui.showZMapButton.checked, "a run shows its map"
    assert (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()) == (volume.GetID(), nodes.zMap.GetID())
    panel.ui.opacitySlider.value = 0.4
    assert view.GetForegroundOpacity() == pytest.approx(0.4)
    for button, node in (
        (panel.ui.showExpectedButton, nodes.expected),
        (panel.ui.showHealthyButton, nodes.pseudoHealthy),
    ):
        button.click()
        assert view.GetBackgroundVolumeID() == node.GetID() and not view.GetForegroundVolumeID()
        assert button.checked and not panel.ui.showZMapButton.checked
    panel.ui.showInputButton.click()
    assert view.GetBackgroundVolumeID() == volume.GetID()
    panel.ui.showInputButton.click()
    assert (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()) == users
    assert view.GetForegroundOpacity() == pytest.approx(0.3) and not panel.ui.showInputButton.checked


def test_side_by_side_and_back_to_the_users_layout(bench):
    volume = add_volume(brainlike(), GRIDS["ras"])
    panel = bench()
    panel.choose(volume)
    panel.run()
    assert not panel.ui.compareCheckBox.enabled, "there is no layout without a window"
    arrangement = slicer.vtkMRMLLayoutNode()
    slicer.mrmlScene.AddNode(arrangement)
    arrangement.AddLayoutDescription(3, '<layout type="horizontal"></layout>')
    arrangement.SetViewArrangement(3)
    views = {}
    for name in ("FAAnomalyInput", "FAAnomalyHealthy", "FAAnomalyZMap", "Red"):  # the layout manager makes them
        views[name] = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
        views[name].SetLayoutName(name)
    panel.panel.update()
    panel.ui.compareCheckBox.click()
    nodes = results_of(volume)
    assert arrangement.GetViewArrangement() != 3 and panel.ui.compareCheckBox.checked
    assert views["FAAnomalyInput"].GetBackgroundVolumeID() == volume.GetID()
    assert views["FAAnomalyHealthy"].GetBackgroundVolumeID() == nodes.expected.GetID()
    assert views["FAAnomalyZMap"].GetForegroundVolumeID() == nodes.zMap.GetID()
    assert views["FAAnomalyZMap"].GetLinkedControl() and not views["Red"].GetBackgroundVolumeID()
    panel.ui.opacitySlider.value = 0.35
    assert views["FAAnomalyZMap"].GetForegroundOpacity() == pytest.approx(0.35)
    panel.ui.showInputButton.click()
    assert views["FAAnomalyHealthy"].GetBackgroundVolumeID() == nodes.expected.GetID()
    assert views["Red"].GetBackgroundVolumeID() == volume.GetID()
    panel.ui.compareCheckBox.click()
    assert arrangement.GetViewArrangement() == 3 and not panel.ui.compareCheckBox.checked


def test_surfaces_on_demand(analysed):
    panel, volume = analysed
    segmentation = results_of(volume).segmentation
    assert not segmentation.GetDisplayNode().GetVisibility3D()
    panel.ui.surfacesCheckBox.click()
    panel.until(lambda: segmentation.GetSegmentation().ContainsRepresentation("Closed surface"))
    assert segmentation.GetDisplayNode().GetVisibility3D()
    panel.ui.surfacesCheckBox.click()
    panel.until(lambda: not segmentation.GetDisplayNode().GetVisibility3D())


def test_a_result_is_no_input_and_the_reason_is_told(analysed):
    panel, volume = analysed
    for node in (results_of(volume).expected, results_of(volume).pseudoHealthy, results_of(volume).difference):
        panel.choose(node)
        assert "is a result of FA Anomaly; choose FA of somebody" in panel.ui.inputCheckLabel.text
        assert not panel.ui.applyButton.enabled and "is a result" in panel.ui.applyButton.toolTip
        with pytest.raises(FAError, match="is a result of FA Anomaly"):
            panel.logic.start(node)


def test_the_colours_begin_where_the_regions_do(analysed):
    panel, volume = analysed

    def begins() -> tuple[float, float]:
        """The smallest value above, and the largest below 0, that has a colour."""
        display = results_of(volume).zMap.GetDisplayNode()
        table = display.GetColorNode().GetLookupTable()
        low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
        shown = [n for n in range(256) if table.GetTableValue(n)[3] > 0]
        edges = [low + n * (high - low) / 256 for n in range(257)]
        return (
            min((edges[n] for n in shown if n > 127), default=np.inf),
            max((edges[n + 1] for n in shown if n < 128), default=-np.inf),
        )

    assert begins() == (5.0, -5.0)
    panel.ui.thresholdSlider.value = 8.0
    panel.until(lambda: begins() == (8.0, -8.0), 5)
    panel.ui.belowThresholdCheckBox.checked = True
    panel.until(lambda: begins() == (4.0, -4.0), 5)
    panel.ui.signsSelector.setCurrentIndex(2)
    panel.until(lambda: begins() == (np.inf, -4.0), 5)
    panel.ui.belowThresholdCheckBox.checked = False
    panel.until(lambda: begins() == (np.inf, -8.0), 5)
    display = results_of(volume).zMap.GetDisplayNode()
    display.SetWindowLevelMinMax(-20, 20)
    panel.ui.opacitySlider.value = 0.3
    panel.settle()
    assert display.GetWindowLevelMax() == 20, "the user's window stays until the threshold moves"


def test_nothing_found_is_said_and_has_no_errors_in_3d(analysed, tmp_path):
    panel, volume = analysed
    window, before = vtk.vtkStringOutputWindow(), vtk.vtkOutputWindow.GetInstance()
    vtk.vtkOutputWindow.SetInstance(window)
    try:
        panel.ui.thresholdSlider.maximum = 40
        panel.ui.thresholdSlider.value = 40
        panel.until(lambda: not rows(panel))
        assert panel.ui.summaryLabel.text == "No region beyond the threshold."
        panel.ui.surfacesCheckBox.checked = True
        panel.settle(0.6)
        assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"))
        slicer.mrmlScene.Clear(0)
        slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
        panel.settle(0.6)
    finally:
        vtk.vtkOutputWindow.SetInstance(before)
    assert "egmentation" not in window.GetOutput() and "Convert" not in window.GetOutput(), window.GetOutput()


def test_the_results_section_opens_with_results(bench):
    volume = add_volume(brainlike((30, 34, 28)), GRIDS["ras"])
    panel = bench()
    panel.choose(volume)
    assert panel.ui.resultsSection.collapsed
    panel.run()
    assert not panel.ui.resultsSection.collapsed
    panel.choose(None)
    assert panel.ui.resultsSection.collapsed


def test_saved_and_read_again_the_panel_is_as_it_was(analysed, tmp_path):
    panel, volume = analysed
    panel.ui.maskSizeSelector.setCurrentText("32 voxels (40 mm)")
    panel.ui.seedSpinBox.value = 11
    panel.ui.thresholdSlider.value = 10.0
    panel.until(lambda: len(rows(panel)) == 1)
    told = rows(panel)
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    panel.settle()
    assert not panel.ui.resultsSection.enabled and panel.ui.regionsTable.rowCount == 0
    slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    panel.settle()
    parameters = panel.parameters
    assert parameters.inputVolume.GetName() == "FA of somebody"
    assert (parameters.maskSize.value, parameters.seed, parameters.threshold, parameters.thresholdMode.name) == (
        32,
        11,
        10.0,
        "BY_HAND",
    )
    assert panel.ui.maskSizeSelector.currentText.startswith("32") and panel.ui.seedSpinBox.value == 11
    # The table node rounds, so the last digit of the change may differ.
    assert panel.ui.resultsSection.enabled and [r[:3] + r[4:] for r in rows(panel)] == [r[:3] + r[4:] for r in told]
    assert panel.ui.exportReportButton.enabled
    panel.ui.thresholdSelector.setCurrentIndex(AUTOMATIC)
    panel.until(lambda: len(rows(panel)) == 2)
    before = node_ids()
    panel.run()
    assert node_ids() == before, "the results of the scene are used again"


def test_another_input_has_its_own_results(analysed):
    panel, volume = analysed
    other = add_volume(brainlike(seed=2), GRIDS["ras"], "other")
    panel.choose(other)
    assert not panel.ui.resultsSection.enabled and panel.ui.regionsTable.rowCount == 0
    panel.choose(volume)
    assert panel.ui.resultsSection.enabled and panel.ui.regionsTable.rowCount == 2


def test_results_that_were_deleted_are_not_offered(analysed):
    panel, volume = analysed
    slicer.mrmlScene.RemoveNode(results_of(volume).zMap)
    panel.panel.update()
    assert not panel.ui.thresholdSlider.enabled and not panel.ui.exportVolumesButton.enabled
    panel.run()
    assert panel.ui.thresholdSlider.enabled and panel.ui.regionsTable.rowCount == 2


def test_diffusion_tensors_are_analysed_by_their_fa(bench):
    import vtk

    shape = (28, 32, 24)
    rng = np.random.default_rng(0)
    tensors = np.zeros((*shape[::-1], 3, 3))
    tensors[..., 0, 0], tensors[..., 1, 1], tensors[..., 2, 2] = (
        1.7e-3,
        *(1e-3 * rng.uniform(0.3, 1.2, shape[::-1]) for _ in range(2)),
    )
    tensors *= (brainlike(shape).T > 0)[..., None, None]
    image = vtk.vtkImageData()
    image.SetDimensions(shape)
    array = vtk.util.numpy_support.numpy_to_vtk(tensors.reshape(-1, 9), deep=True)
    image.GetPointData().SetTensors(array)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDiffusionTensorVolumeNode", "DTI")
    volume.SetAndObserveImageData(image)
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(GRIDS["oblique"]))
    panel = bench("slow:0.5")
    panel.choose(volume)
    assert "their FA is computed first" in panel.ui.inputCheckLabel.text
    before = node_ids()
    panel.apply()
    panel.until_stage("Filling holes")
    panel.ui.applyButton.click()
    panel.finish()
    assert node_ids() == before, "the FA volume goes with the cancelled run"
    panel.run()
    fa = volume.GetNodeReference("FAAnomaly.fa")
    assert results_of(fa).zMap is not None and panel.ui.regionsTable.rowCount > 0
    assert panel.ui.resultsSection.enabled and panel.parameters.inputVolume is volume


def test_the_columns_are_readable(analysed):
    panel, _ = analysed
    assert panel.ui.regionsTable.item(0, 2).textAlignment() & qt.Qt.AlignRight
