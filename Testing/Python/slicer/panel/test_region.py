"""Whole brain, box or segment: what is chosen on the panel is what is analysed."""

import slicer_harness

slicer_harness.require()

import numpy as np
import pytest
import slicer
import slicer.util

from support.drivers.panel_bench import results_of
from support.phantoms.mrml_volumes import GRIDS, PARENT, add_volume, brainlike, put_under, turn, world_of

pytestmark = pytest.mark.slow


def add_roi(center, size, matrix=None):
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "mine")
    roi.CreateDefaultDisplayNodes()
    roi.SetCenter(center)
    roi.SetSize(size)
    if matrix is not None:
        roi.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return roi


def world_positions(volume):
    """(4, voxels) world RAS of the voxel centres, in the order of the flattened (k, j, i) array."""
    k, j, i = np.indices(slicer.util.arrayFromVolume(volume).shape).reshape(3, -1)
    return world_of(volume) @ np.vstack([i, j, k, np.ones(i.size)])


def place_at(volume, share):
    return (world_of(volume) @ [*(np.array(volume.GetImageData().GetDimensions()) * share), 1])[:3]


def changed_voxels(volume):
    nodes = results_of(volume)
    return (slicer.util.arrayFromVolume(nodes.pseudoHealthy) != slicer.util.arrayFromVolume(volume)).ravel()


@pytest.mark.parametrize("under", [None, PARENT], ids=["free", "rotated parent"])
@pytest.mark.parametrize("grid", ["left-handed", "oblique"])
def test_a_box_changes_only_the_voxels_inside_it(bench, grid, under):
    volume = add_volume(brainlike(), GRIDS[grid])
    if under is not None:
        put_under(volume, under)
    matrix = turn(10, 30, -20)
    matrix[:3, 3] = place_at(volume, 0.4)
    roi = add_roi((0, 0, 0), (30, 24, 27), matrix)
    panel = bench()
    panel.choose(volume)
    panel.ui.regionModeSelector.setCurrentIndex(1)
    panel.ui.roiSelector.setCurrentNode(roi)
    panel.settle()
    panel.run()

    positions = np.linalg.inv(slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix())) @ world_positions(volume)
    inside = (np.abs(positions[:3]) <= np.array([[30], [24], [27]]) / 2 + 1e-6).all(axis=0)
    brain = slicer.util.arrayFromVolume(volume).ravel() > 0
    changed = changed_voxels(volume)
    assert not changed[~inside].any()
    assert changed[inside & brain].mean() > 0.9
    assert f"{inside.sum()} voxels" in panel.ui.regionInfoLabel.text


def add_segment(volume):
    """A segmentation with a ball in *volume*; returns it, the segment's id and the voxels it covers."""
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    positions = world_positions(volume)[:3]
    ball = np.linalg.norm(positions - place_at(volume, 0.65)[:, None], axis=0) < 16
    array = ball.reshape(slicer.util.arrayFromVolume(volume).shape).astype(np.uint8)
    empty = segmentation.GetSegmentation().AddEmptySegment("", "first")
    identity = segmentation.GetSegmentation().AddEmptySegment("", "ball")
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, identity, volume)
    return segmentation, empty, identity, ball


def test_a_segment_changes_only_its_voxels(bench):
    volume = add_volume(brainlike(), GRIDS["oblique"])
    segmentation, empty, identity, ball = add_segment(volume)
    panel = bench()
    panel.choose(volume)
    panel.ui.regionModeSelector.setCurrentIndex(2)
    assert not panel.ui.applyButton.enabled or panel.settle() is None
    panel.ui.segmentationSelector.setCurrentNode(segmentation)
    panel.settle()
    names = [panel.ui.segmentSelector.itemText(n) for n in range(panel.ui.segmentSelector.count)]
    assert names == ["first", "ball"]
    assert "holds no voxel" in panel.ui.regionInfoLabel.text and not panel.ui.applyButton.enabled
    assert "holds no voxel" in panel.ui.applyButton.toolTip
    panel.ui.segmentSelector.setCurrentIndex(1)
    panel.settle()
    assert panel.parameters.segmentID == identity and f"{ball.sum()} voxels" in panel.ui.regionInfoLabel.text
    panel.run()
    changed = changed_voxels(volume)
    assert changed[ball].any() and not changed[~ball].any()

    segmentation.GetSegmentation().RemoveSegment(identity)
    panel.settle()
    assert panel.ui.segmentSelector.count == 1 and panel.parameters.segmentID == empty


def test_only_the_rows_of_the_choice_are_shown(bench):
    panel = bench()
    panel.widget.parent.show()
    for mode, box, segment in ((0, False, False), (1, True, False), (2, False, True)):
        panel.ui.regionModeSelector.setCurrentIndex(mode)
        panel.settle(0.05)
        assert panel.ui.roiSelector.visible == panel.ui.roiFitButton.visible == box
        assert panel.ui.segmentSelector.visible == segment
        assert panel.ui.maskSizeSelector.enabled == (mode == 0), "a region is one hole"


def test_fit_puts_the_box_round_the_brain_along_the_axes_of_the_volume(bench):
    volume = add_volume(brainlike(), GRIDS["oblique left-handed anisotropic"])
    put_under(volume, PARENT)
    panel = bench()
    panel.choose(volume)
    panel.ui.regionModeSelector.setCurrentIndex(1)
    panel.settle()
    assert "No box is drawn" in panel.ui.applyButton.toolTip
    panel.ui.roiFitButton.click()
    panel.settle()
    roi = panel.parameters.roi
    positions = np.linalg.inv(slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix())) @ world_positions(volume)
    half = np.array(roi.GetSize())[:, None] / 2
    inside = (np.abs(positions[:3]) <= half).all(axis=0)
    brain = slicer.util.arrayFromVolume(volume).ravel() > 0.05 * slicer.util.arrayFromVolume(volume).max()
    assert inside[brain].all() and panel.ui.applyButton.enabled
    tight = np.abs(positions[:3][:, brain]).max(axis=1)
    assert (half[:, 0] - tight < 3.0).all(), "no larger than needed, but for half a voxel"
    assert np.linalg.det(slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix())[:3, :3]) > 0


def test_drawing_a_box_uses_slicers_place_mode(bench):
    panel = bench()
    panel.choose(add_volume(brainlike(), GRIDS["ras"]))
    panel.ui.regionModeSelector.setCurrentIndex(1)
    panel.ui.roiPlaceButton.click()
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    selection = slicer.mrmlScene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert selection.GetActivePlaceNodeID() == panel.parameters.roi.GetID() and panel.ui.roiPlaceButton.checked
    interaction.SwitchToViewTransformMode()  # as Slicer does after the second corner
    assert not panel.ui.roiPlaceButton.checked
    panel.ui.roiPlaceButton.click()
    panel.ui.roiPlaceButton.click()
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform


def test_the_box_is_an_outline_and_can_be_hidden(bench):
    roi = add_roi((0, 0, 0), (20, 20, 20))
    panel = bench()
    panel.ui.roiSelector.setCurrentNode(roi)
    panel.ui.regionModeSelector.setCurrentIndex(1)
    panel.settle()
    display = roi.GetDisplayNode()
    assert display.GetVisibility() and not display.GetFillVisibility()
    panel.ui.roiVisibleCheckBox.click()
    assert not display.GetVisibility() and panel.parameters.roiVisible is False


def test_a_box_beside_the_brain_or_under_a_warp_says_why_not(bench):
    volume = add_volume(brainlike(), GRIDS["ras"])
    roi = add_roi((900, 0, 0), (20, 20, 20))
    panel = bench()
    panel.choose(volume)
    panel.ui.regionModeSelector.setCurrentIndex(1)
    panel.ui.roiSelector.setCurrentNode(roi)
    panel.settle()
    assert "holds no voxel" in panel.ui.applyButton.toolTip and not panel.ui.applyButton.enabled
    roi.SetCenter(*place_at(volume, 0.5))
    panel.settle()
    assert panel.ui.applyButton.enabled
    put_under(roi, np.diag([1.0, 2.0, 1.0, 1.0]))
    panel.settle()
    assert "not rigid" in panel.ui.applyButton.toolTip and "Harden" in panel.ui.applyButton.toolTip
