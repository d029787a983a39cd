"""The slice views show ours when asked and the user's own layers afterwards, with and without a window."""

import slicer_harness

slicer_harness.require()

import numpy as np
import pytest
import slicer

from FAAnomalyLib.errors import FAError
from FAAnomalySlicer.scene.result_nodes import import_result, read_result
from FAAnomalySlicer.views.slice_views import EXPECTED, INPUT, PSEUDO_HEALTHY, Z_MAP, Layers, SliceViews, jump_to
from support.phantoms.mrml_volumes import GRIDS, PARENT, add_volume, answer_of, brainlike, made_result, put_under


@pytest.fixture
def made(scene, tmp_path):
    """(volume, nodes, result) under a rigid transform."""
    volume = add_volume(brainlike(), GRIDS["oblique"])
    volume.CreateDefaultDisplayNodes()
    put_under(volume, PARENT)
    result = made_result(brainlike(), GRIDS["oblique"])
    answer = answer_of(result, tmp_path / "out")
    return volume, import_result(read_result(answer["files"]), answer, volume), result


@pytest.fixture
def composites(layout):
    return [layout.sliceWidget(name).mrmlSliceCompositeNode() for name in layout.sliceViewNames()]


def layers(composites):
    return [Layers.of(composite) for composite in composites]


@pytest.fixture
def users(scene, composites):
    """The user looks at a T1 with a label map, another one in the last view; those layers."""
    t1 = add_volume(brainlike(seed=5), GRIDS["ras"], "T1")
    t2 = add_volume(brainlike(seed=6), GRIDS["ras"], "T2")
    labels = slicer.util.addVolumeFromArray(np.ones((5, 5, 5), np.uint8), nodeClassName="vtkMRMLLabelMapVolumeNode")
    for composite in composites:
        composite.SetBackgroundVolumeID(t1.GetID())
        composite.SetLabelVolumeID(labels.GetID())
        composite.SetLabelOpacity(0.4)
    composites[-1].SetForegroundVolumeID(t2.GetID())
    composites[-1].SetForegroundOpacity(0.3)
    return layers(composites)


def test_the_toggle(made, composites, users):
    volume, nodes, _ = made
    views = SliceViews()
    for what, background, foreground in (
        (INPUT, volume, None),
        (Z_MAP, volume, nodes.zMap),
        (EXPECTED, nodes.expected, None),
        (PSEUDO_HEALTHY, nodes.pseudoHealthy, None),
        (Z_MAP, volume, nodes.zMap),
    ):
        views.show(what, volume, nodes)
        assert views.shown == what
        for shown in layers(composites):
            assert shown.background == background.GetID() and shown.label is None
            assert shown.foreground == (foreground.GetID() if foreground else None)
            assert foreground is None or shown.foreground_opacity == views.opacity
    views.restore()
    assert layers(composites) == users and views.shown is None
    views.restore()
    assert layers(composites) == users


def test_opacity(made, composites, users):
    volume, nodes, _ = made
    views = SliceViews()
    views.set_opacity(0.25)
    assert layers(composites) == users
    views.show(Z_MAP, volume, nodes)
    views.set_opacity(0.5)
    assert [shown.foreground_opacity for shown in layers(composites)] == [0.5] * 3
    views.show(INPUT, volume, nodes)
    views.set_opacity(0.75)
    views.show(Z_MAP, volume, nodes)
    assert composites[0].GetForegroundOpacity() == 0.75
    views.restore()
    assert layers(composites) == users


def test_what_the_user_changes_meanwhile_is_left_alone(made, composites, users):
    volume, nodes, _ = made
    views = SliceViews()
    views.show(Z_MAP, volume, nodes)
    composites[1].SetBackgroundVolumeID(users[0].background)
    mine = layers(composites)[1]
    views.set_opacity(0.1)
    assert layers(composites)[1] == mine
    views.restore()
    assert layers(composites) == [users[0], mine, users[2]]
    views.show(Z_MAP, volume, nodes)
    composites[1].SetForegroundVolumeID(None)
    changed = layers(composites)[1]
    views.show(INPUT, volume, nodes)
    views.restore()
    assert layers(composites) == [users[0], changed, users[2]]


def test_a_volume_removed_meanwhile_is_not_put_back(made, composites, users, scene):
    volume, nodes, _ = made
    views = SliceViews()
    views.show(Z_MAP, volume, nodes)
    scene.RemoveNode(scene.GetFirstNodeByName("T1"))
    views.restore()
    assert [shown.background for shown in layers(composites)] == [None] * 3
    assert layers(composites)[-1].foreground == users[-1].foreground


def test_a_removed_input_or_result(made, composites, scene):
    volume, nodes, _ = made
    views = SliceViews()
    views.show(Z_MAP, None, nodes)
    assert layers(composites)[0].background == nodes.pseudoHealthy.GetID()
    before = layers(composites)
    scene.RemoveNode(nodes.zMap)
    for node in (nodes.zMap, None):
        nodes.zMap = node
        with pytest.raises(FAError, match="gone"):
            views.show(Z_MAP, volume, nodes)
    with pytest.raises(FAError, match="gone"):
        views.show(INPUT, None, nodes)
    assert layers(composites)[1].background == before[1].background
    with pytest.raises(ValueError, match="none of"):
        views.show("mri", volume, nodes)


def test_another_volume_instead(made, composites, users):
    volume, _, _ = made
    views = SliceViews()
    views.show_single(volume)
    assert views.shown == "other" and {shown.background for shown in layers(composites)} == {volume.GetID()}
    views.restore()
    assert layers(composites) == users


def test_a_closed_scene_is_forgotten(made, composites, users, scene):
    volume, nodes, _ = made
    views = SliceViews()
    views.show(Z_MAP, volume, nodes)
    scene.Clear(0)
    views.forget()
    views.restore()
    assert views.shown is None


def test_all_are_equally_bright(made, composites):
    volume, nodes, _ = made
    volume.GetDisplayNode().SetAutoWindowLevel(False)
    volume.GetDisplayNode().SetWindowLevelMinMax(0.05, 0.55)
    for what, shown in ((EXPECTED, nodes.expected), (PSEUDO_HEALTHY, nodes.pseudoHealthy)):
        SliceViews().show(what, volume, nodes)
        display = shown.GetDisplayNode()
        assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx((0.05, 0.55))


def test_a_result_of_an_earlier_version_holds_the_expected_fa_in_its_pseudo_healthy_volume(made, composites, scene):
    volume, nodes, _ = made
    scene.RemoveNode(nodes.expected)
    nodes.expected = None
    with pytest.raises(FAError, match="gone"):  # of this version: a draw is no mean
        SliceViews().show(EXPECTED, volume, nodes)
    nodes.pseudoHealthy.RemoveAttribute("FAAnomaly.filled")
    SliceViews().show(EXPECTED, volume, nodes)
    assert layers(composites)[0].background == nodes.pseudoHealthy.GetID()


def test_without_a_window(made, scene):
    volume, nodes, result = made
    assert slicer.app.layoutManager() is None
    views = SliceViews(scene)
    views.show(Z_MAP, volume, nodes)
    views.set_opacity(0.3)
    views.restore()
    jump_to(result.regions[0].peak_ras, volume)


def test_empty_views_are_fitted(made, layout, composites):
    volume, nodes, _ = made
    node = layout.sliceWidget("Red").mrmlSliceNode()
    node.SetFieldOfView(5000, 5000, 1)
    SliceViews().show(INPUT, volume, nodes)
    assert node.GetFieldOfView()[0] < 1000
    node.SetFieldOfView(3000, 3000, 1)
    SliceViews().show(PSEUDO_HEALTHY, volume, nodes)
    assert node.GetFieldOfView()[0] == 3000


def test_jumping_to_a_region(made, layout):
    volume, nodes, result = made
    for region in result.regions:
        jump_to(region.peak_ras, nodes.zMap)
        world = (PARENT @ [*region.peak_ras, 1.0])[:3]
        for name in layout.sliceViewNames():
            to_ras = slicer.util.arrayFromVTKMatrix(layout.sliceWidget(name).mrmlSliceNode().GetSliceToRAS())
            np.testing.assert_allclose(to_ras[:3, 3], world, atol=1e-6)


def test_what_is_seen(layout, scene, tmp_path):
    from PIL import Image

    def picture():
        path = slicer_harness.render_slices(tmp_path / "a.png", views=("Red",), position=place, size=(300, 300))
        return np.array(Image.open(path)).astype(int)

    volume = add_volume(brainlike(), GRIDS["oblique"])
    volume.CreateDefaultDisplayNodes()
    place = (GRIDS["oblique"] @ [14, 16, 12, 1])[:3]
    picture()  # the views are there before the result is, as in Slicer
    result = made_result(brainlike(), GRIDS["oblique"])
    answer = answer_of(result, tmp_path / "out")
    nodes = import_result(read_result(answer["files"]), answer, volume)
    place = next(region for region in result.regions if region.sign == "increased").peak_ras
    views, seen = SliceViews(), {}
    for what in (INPUT, EXPECTED, Z_MAP, INPUT):
        views.show(what, volume, nodes)
        if what in seen:
            np.testing.assert_array_equal(picture(), seen[what])  # the legend has gone as well
        seen[what] = picture()
    # Without the z-map only the outline of a segment has a colour.
    coloured = {what: (image.max(-1) - image.min(-1) > 60)[:, :200].sum() for what, image in seen.items()}
    assert coloured[Z_MAP] > 3 * coloured[INPUT] > 0
    legend = seen[Z_MAP][:, 220:]
    assert (legend[..., 0] - legend[..., 2] > 100).sum() > 100 < (legend[..., 2] - legend[..., 0] > 100).sum()
    assert np.abs(seen[INPUT] - seen[EXPECTED]).max() > 20
