"""The live preview ("healthy lens") on the panel: the box is dragged, the tissue inside it changes."""

import slicer_harness

slicer_harness.require()

import numpy as np
import pytest
import slicer
import slicer.util

from support.drivers.panel_bench import node_ids, results_of
from support.phantoms.mrml_volumes import GRIDS, PARENT, add_volume, brainlike, put_under, world_of

pytestmark = pytest.mark.slow


@pytest.fixture
def previewing(bench, layout):
    """The panel with the live preview on and its first picture shown; its volume."""
    volume = add_volume(brainlike(), GRIDS["oblique"])
    put_under(volume, PARENT)
    slicer.util.setSliceViewerLayers(background=volume)
    panel = bench()
    panel.choose(volume)
    panel.before = node_ids()
    panel.ui.lensButton.click()
    panel.until(lambda: picture(panel) is not None)
    return panel, volume


def picture(panel):
    return panel.panel.preview._picture.node


def jobs_of(panel):
    """Every job that the engine is asked for from here on."""
    client, seen = panel.client, []
    submit = client.submit

    def spy(method, params):
        seen.append(submit(method, params))
        return seen[-1]

    client.submit = spy
    return seen


def inside_of(roi, volume):
    k, j, i = np.indices(slicer.util.arrayFromVolume(volume).shape).reshape(3, -1)
    positions = (
        np.linalg.inv(slicer.util.arrayFromVTKMatrix(roi.GetObjectToWorldMatrix()))
        @ world_of(volume)
        @ np.vstack([i, j, k, np.ones(i.size)])
    )
    return (np.abs(positions[:3]) <= np.array(roi.GetSize())[:, None] / 2 + 1e-6).all(axis=0)


def shows_the_box(panel, volume, roi):
    given, seen = slicer.util.arrayFromVolume(volume).ravel(), slicer.util.arrayFromVolume(picture(panel)).ravel()
    inside, brain = inside_of(roi, volume), given > 0
    return not (given != seen)[~inside].any() and (given != seen)[inside & brain].mean() > 0.9


def test_the_preview_makes_a_box_in_the_brain_and_shows_healthy_tissue_in_it_alone(previewing, layout):
    panel, volume = previewing
    roi = panel.parameters.roi
    assert panel.parameters.regionMode.name == "BOX" and roi.GetSize() == pytest.approx((30, 30, 30))
    assert inside_of(roi, volume)[slicer.util.arrayFromVolume(volume).ravel() > 0].sum() > 500
    assert shows_the_box(panel, volume, roi)
    node = picture(panel)
    np.testing.assert_allclose(world_of(node), world_of(volume), atol=1e-6)
    view = layout.sliceWidget("Red").mrmlSliceCompositeNode()
    assert view.GetBackgroundVolumeID() == node.GetID() and not node.GetSaveWithScene()
    shown, given = node.GetDisplayNode(), volume.GetDisplayNode()
    assert shown.GetWindowLevelMin() == given.GetWindowLevelMin() and shown.GetWindow() == given.GetWindow()


def test_dragging_sends_one_fill_at_a_time_and_the_newest_position_wins(previewing):
    panel, volume = previewing
    roi, jobs = panel.parameters.roi, jobs_of(panel)
    start = np.array(roi.GetCenter())
    for step in range(60):
        roi.SetCenter(*(start - [0.4 * step, 0.2 * step, 0.0]))
        panel.settle(0.02)
        assert sum(not job.over for job in jobs) <= 1
    panel.until(lambda: not panel.panel.preview._preview.busy)
    panel.settle()
    panel.until(lambda: not panel.panel.preview._preview.busy)
    assert 1 <= len(jobs) < 40 and all(job.state == "done" for job in jobs), [job.error for job in jobs]
    assert shows_the_box(panel, volume, roi), "what is shown belongs to where the box is now"
    assert all(job.method == "preview" and job.params["sampler"] == "mean" for job in jobs), (
        "z and files that nobody sees would take longer than what is shown"
    )
    assert len({job.params["input"] for job in jobs}) == 1, "the engine keeps what it has prepared for that file"
    assert "Draft in" in panel.ui.lensInfoLabel.text


def test_apply_fills_the_box_in_full_quality_and_ends_the_preview(previewing, layout):
    panel, volume = previewing
    panel.ui.samplerSelector.setCurrentIndex(1)
    jobs = jobs_of(panel)
    panel.parameters.roi.SetCenter(*(np.array(panel.parameters.roi.GetCenter()) + 2))
    panel.settle(0.06)
    panel.run()
    assert jobs[-1].params["sampler"] == "dpm++" and jobs[-1].state == "done"
    assert picture(panel) is None and not panel.ui.lensButton.checked
    view = layout.sliceWidget("Red").mrmlSliceCompositeNode()
    assert view.GetBackgroundVolumeID() == results_of(volume).expected.GetID()


def test_off_gives_everything_back(previewing, layout):
    panel, volume = previewing
    panel.parameters.roi.SetCenter(*(np.array(panel.parameters.roi.GetCenter()) + 2))
    panel.settle(0.06)
    panel.ui.lensButton.click()
    panel.settle()
    panel.until(lambda: panel.client.job is None)
    panel.settle()
    view = layout.sliceWidget("Red").mrmlSliceCompositeNode()
    assert view.GetBackgroundVolumeID() == volume.GetID() and panel.ui.lensInfoLabel.text == ""
    left = [slicer.mrmlScene.GetNodeByID(name) for name in node_ids() - panel.before]
    assert not [node for node in left if node.IsA("vtkMRMLVolumeNode")]
    assert panel.client.status in ("ready", "starting"), "the engine stays warm"


def test_a_box_beside_the_brain_is_told_and_the_next_move_works(previewing):
    panel, volume = previewing
    roi = panel.parameters.roi
    place = list(roi.GetCenter())
    roi.SetCenter(900, 0, 0)
    panel.until(lambda: "⚠" in panel.ui.lensInfoLabel.text)
    assert "holds no voxel" in panel.ui.lensInfoLabel.text and panel.ui.lensButton.checked
    roi.SetCenter(*place)
    panel.until(lambda: "Draft in" in panel.ui.lensInfoLabel.text)


def test_the_preview_ends_with_its_volume_and_with_the_scene(previewing):
    panel, volume = previewing
    panel.choose(None)
    assert not panel.ui.lensButton.checked and picture(panel) is None and not panel.ui.lensButton.enabled
    panel.choose(volume)
    panel.ui.lensButton.click()
    panel.until(lambda: picture(panel) is not None)
    slicer.mrmlScene.Clear(0)
    panel.settle()
    assert not panel.ui.lensButton.checked and picture(panel) is None
