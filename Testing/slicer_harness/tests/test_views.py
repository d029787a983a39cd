"""Slice views: what they show is what is drawn."""

from __future__ import annotations

import slicer_harness

slicer_harness.require()

import numpy as np
import pytest
import qt
import slicer
from PIL import Image


@pytest.fixture
def volume(scene):
    """A bright ball of 10 mm in the middle of a 40 mm cube, 1 mm voxels, centred at 0."""
    grid = np.indices((40, 40, 40)) - 19.5
    node = slicer.util.addVolumeFromArray((100.0 * ((grid**2).sum(0) < 100)).astype(np.float32), name="ball")
    node.SetOrigin(-19.5, -19.5, -19.5)
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(0, 100)
    return node


def picture(path, **keywords) -> np.ndarray:
    return np.asarray(Image.open(slicer_harness.render_slices(path, **keywords))).astype(int)


def test_there_is_no_layout_without_a_main_window(scene):
    assert slicer.app.layoutManager() is None


def test_slice_widgets_hand_out_real_nodes(layout):
    assert layout.sliceViewNames() == ("Red", "Green", "Yellow")
    widget = layout.sliceWidget("Red")
    assert widget.mrmlSliceNode().GetName() == "Red"
    assert widget.mrmlSliceNode().GetOrientation() == "Axial"
    assert widget.sliceLogic().GetSliceCompositeNode() is widget.mrmlSliceCompositeNode()
    assert layout.sliceWidget("Pink") is None
    with pytest.raises(AttributeError):
        layout.plotWidgets()


def test_layers_set_by_slicer_util_are_drawn(layout, volume, tmp_path):
    empty = picture(tmp_path / "empty.png", views=("Red",), size=(100, 100))
    assert empty.max() == 0
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    assert layout.sliceWidget("Green").mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
    shown = picture(tmp_path / "ball.png", position=(0, 0, 0), size=(100, 100))
    assert shown.shape == (100, 300, 3)
    for view in range(3):
        middle = shown[45:55, 100 * view + 45 : 100 * view + 55]
        assert middle.min() > 250
        assert shown[2:8, 100 * view + 2 : 100 * view + 8].max() == 0


def test_the_ball_is_as_large_as_it_is(layout, volume, tmp_path):
    slicer.util.setSliceViewerLayers(background=volume)
    shown = picture(tmp_path / "ball.png", views=("Red",), position=(0, 0, 0), size=(200, 200), field_of_view=50)
    area = (shown[..., 0] > 127).sum() * (50 / 200) ** 2
    assert area == pytest.approx(np.pi * 100, rel=0.05)


def test_a_segment_outline_is_drawn(layout, volume, tmp_path):
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = segmentation.GetSegmentation().AddEmptySegment("s", "s", (1, 0, 0))
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        (slicer.util.arrayFromVolume(volume) > 50).astype(np.uint8), segmentation, segment, volume
    )
    slicer.util.setSliceViewerLayers(background=volume)
    shown = picture(tmp_path / "outline.png", views=("Red",), position=(0, 0, 0), size=(200, 200))
    assert ((shown[..., 0] - shown[..., 2]) > 100).sum() > 50


def test_rendering_must_be_resumed(layout):
    with slicer.util.RenderBlocker():
        pass
    with pytest.raises(AssertionError, match="more often"):
        slicer.app.resumeRender()
    slicer.app.pauseRender()


def test_a_widget_is_saved_as_a_picture(scene, tmp_path):
    label = qt.QLabel("hello")
    label.setStyleSheet("background: #ff0000")
    image = np.asarray(Image.open(slicer_harness.grab(label, tmp_path / "label.png")).convert("RGB"))
    assert (image == (255, 0, 0)).all(-1).mean() > 0.3
