"""Results become nodes in the right place, are used again, and leave nothing behind when something fails."""

import slicer_harness

slicer_harness.require()

import time

import numpy as np
import pytest
import slicer

from FAAnomalySlicer.scene import segments
from FAAnomalySlicer.scene.result_nodes import ResultNodes, find_results, import_result, import_steps, read_result
from support.phantoms.mrml_volumes import (
    GRIDS,
    PARENT,
    add_volume,
    answer_of,
    brainlike,
    made_result,
    put_under,
    world_of,
)

VOLUMES = {"expected": "expected", "pseudoHealthy": "pseudo_healthy", "difference": "difference", "zMap": "z_map"}
ROLES = (*VOLUMES, "segmentation", "table")


@pytest.fixture
def run(scene, tmp_path):
    """``run(volume)`` is a finished detection: (result, arrays, answer) for import_result."""
    count = iter(range(100))

    def run(volume, scale=1.0, **request):
        data = slicer.util.arrayFromVolume(volume).T.astype(np.float32) / scale
        affine = slicer.util.arrayFromVTKMatrix(matrix_of(volume))
        result = made_result(data, affine, **{"roi": None, **request})
        answer = answer_of(result, tmp_path / f"out{next(count)}")
        return result, read_result(answer["files"]), answer

    return run


def matrix_of(volume):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix


def add(name="oblique left-handed anisotropic", under=PARENT):
    volume = add_volume(brainlike(), GRIDS[name])
    volume.CreateDefaultDisplayNodes()
    if under is not None:
        put_under(volume, under)
    return volume


def ids(scene):
    return {node.GetID() for node in scene.GetNodes()}


@pytest.mark.parametrize("under", [None, PARENT], ids=["free", "under a transform"])
@pytest.mark.parametrize("name", GRIDS)
def test_results_lie_where_the_input_lies(run, name, under):
    volume = add(name, under)
    result, arrays, answer = run(volume)
    nodes = import_result(arrays, answer, volume)
    for role, stem in VOLUMES.items():
        node = getattr(nodes, role)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(node).T, result.volumes()[stem].data)
        np.testing.assert_allclose(world_of(node), world_of(volume), atol=1e-4)
        assert node.GetTransformNodeID() == volume.GetTransformNodeID()
    assert nodes.segmentation.GetTransformNodeID() == volume.GetTransformNodeID()
    for sign, value in segments.LABELS.items():
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(nodes.segmentation, sign, volume)
        np.testing.assert_array_equal(mask.T > 0, result.segmentation.data == value)
        assert mask.any()


def test_the_segments_are_where_the_regions_say(run):
    volume = add()
    result, arrays, answer = run(volume)
    nodes = import_result(arrays, answer, volume)
    for region in result.regions:
        world = (PARENT @ [*region.centroid_ras, 1.0])[:3]
        centre = np.array(nodes.segmentation.GetSegmentCenter(region.sign))
        assert np.abs((PARENT @ [*centre, 1.0])[:3] - world).max() < 4.5 or np.abs(centre - world).max() < 4.5


def test_what_the_nodes_are(run, scene):
    volume = add()
    nodes = import_result(*run(volume)[1:], volume)
    z = nodes.zMap.GetDisplayNode()
    assert (z.GetWindowLevelMin(), z.GetWindowLevelMax()) == (-10, 10) and not z.GetAutoWindowLevel()
    assert z.GetColorNode().GetAttribute("FAAnomaly.colours")
    difference = nodes.difference.GetDisplayNode()
    assert difference.GetWindowLevelMin() == -difference.GetWindowLevelMax() < 0
    assert slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(nodes.zMap).GetTitleText() == "FA, z"
    segmentation = nodes.segmentation
    display = segmentation.GetDisplayNode()
    assert display.GetVisibility2DOutline() and not display.GetVisibility2DFill() and not display.GetVisibility3D()
    assert segmentation.GetNodeReference("referenceImageGeometryRef") is volume
    known = segmentation.GetSegmentation()
    assert [known.GetSegment(sign).GetName() for sign in segments.LABELS] == ["Increased FA", "Decreased FA"]
    assert not known.ContainsRepresentation("Closed surface")
    assert nodes.table.GetNumberOfRows() == 2
    names = {node.GetName() for node in nodes.nodes().values()}
    assert names == {"FA expected", "FA pseudo-healthy", "FA difference", "FA z-map", "FA anomalies", "FA regions"}


def test_both_volumes_look_alike(run):
    volume = add_volume(1000 * brainlike(), GRIDS["oblique"])
    volume.CreateDefaultDisplayNodes()
    volume.GetDisplayNode().SetAutoWindowLevel(False)
    volume.GetDisplayNode().SetWindowLevelMinMax(100, 700)
    nodes = import_result(*run(volume, 1000.0)[1:], volume)
    for node in (nodes.expected, nodes.pseudoHealthy):
        display = node.GetDisplayNode()
        np.testing.assert_allclose([display.GetWindowLevelMin(), display.GetWindowLevelMax()], [0.1, 0.7], rtol=0.02)


def test_provenance_is_told_without_a_path(run):
    volume = add()
    nodes = import_result(*run(volume, seed=11, roi="Doe.mrk.json")[1:], volume)
    for node in nodes.nodes().values():
        told = {name: node.GetAttribute(name) for name in node.GetAttributeNames() if name.startswith("FAAnomaly.")}
        assert told["FAAnomaly.version"] == "0.1.0" and told["FAAnomaly.model"] == "inpainter"
        assert told["FAAnomaly.modelSha256"] == "ab" * 32 and told["FAAnomaly.seed"] == "11"
        assert told["FAAnomaly.maskType"] == "cubic" and told["FAAnomaly.maskSize"] == "16"
        assert told["FAAnomaly.threshold"] == "5.0" and told["FAAnomaly.scope"] == "ROI"
        assert not any("Doe" in value or "/" in value for value in told.values())


def test_one_folder_beside_the_input(run, scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    volume = add()
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), study)
    nodes = import_result(*run(volume)[1:], volume)
    assert hierarchy.GetItemName(nodes.folder) == "FA FAAnomaly" and hierarchy.GetItemParent(nodes.folder) == study
    for node in nodes.nodes().values():
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == nodes.folder
    assert import_result(*run(volume)[1:], volume).folder == nodes.folder
    assert hierarchy.GetNumberOfItemChildren(study) == 2


def test_no_subject_hierarchy_is_no_hindrance(run, monkeypatch):
    volume = add()
    finished = run(volume)
    monkeypatch.setattr("FAAnomalySlicer.scene.subject_hierarchy._hierarchy", lambda scene: None)
    nodes = import_result(*finished[1:], volume)
    assert nodes.folder == 0 and len(nodes.nodes()) == 6


def test_a_second_run_uses_the_nodes_again(run, scene):
    volume = add()
    first = import_result(*run(volume)[1:], volume)
    first.zMap.SetName("my own name")
    first.zMap.GetDisplayNode().SetWindowLevelMinMax(-3, 3)
    first.segmentation.GetDisplayNode().SetVisibility2DFill(True)
    before = ids(scene)
    slicer.util.arrayFromVolume(volume)[:] *= 0.5
    slicer.util.arrayFromVolumeModified(volume)
    result, arrays, answer = run(volume, threshold=8.0)
    second = import_result(arrays, answer, volume)
    assert ids(scene) == before and second == first
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(second.pseudoHealthy).T, result.pseudo_healthy.data)
    assert second.zMap.GetName() == "my own name" and second.zMap.GetDisplayNode().GetWindowLevelMax() == 3
    assert second.segmentation.GetDisplayNode().GetVisibility2DFill()
    assert second.zMap.GetAttribute("FAAnomaly.threshold") == "8.0"
    assert second.segmentation.GetSegmentation().GetNumberOfSegments() == 2


@pytest.mark.parametrize("role", ROLES)
def test_a_deleted_node_is_made_again(run, scene, role):
    volume = add()
    first = import_result(*run(volume)[1:], volume)
    scene.RemoveNode(getattr(first, role))
    left = find_results(volume)
    assert getattr(left, role) is None and len(left.nodes()) == 5
    second = import_result(*run(volume)[1:], volume, first)
    assert len(second.nodes()) == 6 and second.folder == first.folder
    for other in ROLES:
        assert (getattr(second, other) is getattr(first, other)) == (other != role)


@pytest.mark.parametrize("role", ROLES[:-1])
def test_a_deleted_display_is_made_again(run, scene, role):
    volume = add()
    first = import_result(*run(volume)[1:], volume)
    scene.RemoveNode(getattr(first, role).GetDisplayNode())
    again = getattr(import_result(*run(volume)[1:], volume), role)
    display = again.GetDisplayNode()
    assert display is not None and again.GetNumberOfDisplayNodes() == (2 if role == "zMap" else 1)
    assert len(slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")) == 1
    if role == "segmentation":
        assert not display.GetVisibility2DFill()
    else:
        assert not display.GetAutoWindowLevel()
        assert display.GetColorNode() is not None


def test_another_input_gets_results_of_its_own(run, scene):
    volume, other = add(), add("ras", None)
    first = import_result(*run(volume)[1:], volume)
    second = import_result(*run(other)[1:], other, first)
    assert not set(second.nodes().values()) & set(first.nodes().values())
    assert find_results(volume) == first and find_results(other) == second


def test_a_copy_of_the_input_does_not_take_its_results(run, scene):
    volume = add()
    first = import_result(*run(volume)[1:], volume)
    copy = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "copy")
    copy.Copy(volume)
    assert copy.GetNodeReference("FAAnomaly.zMap") is first.zMap and find_results(copy) is None
    assert import_result(*run(copy)[1:], copy).zMap is not first.zMap


def test_a_removed_input_keeps_its_result(run, scene):
    volume = add()
    result, arrays, answer = run(volume)
    scene.RemoveNode(volume)
    nodes = import_result(arrays, {**answer, "name": "gone"}, None)
    assert nodes.zMap.GetName() == "gone z-map" and len(nodes.nodes()) == 6
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(nodes.zMap).T, result.z_map.data)
    assert nodes.segmentation.GetNodeReference("referenceImageGeometryRef") is nodes.zMap


def test_an_input_changed_meanwhile_is_no_reference_for_the_segments(run):
    volume = add()
    finished = run(volume)
    slicer.util.updateVolumeFromArray(volume, np.zeros((5, 6, 7), np.float32))
    nodes = import_result(*finished[1:], volume)
    assert nodes.segmentation.GetNodeReference("referenceImageGeometryRef") is nodes.zMap


def test_nothing_is_in_the_scene_before_the_last_step(run, scene):
    volume = add()
    finished = run(volume)
    before = ids(scene)
    steps = import_steps(*finished[1:], volume)
    for fraction in steps:
        assert ids(scene) == before and 0 < fraction < 1
    assert len(find_results(volume).nodes()) == 6
    half = import_steps(*run(volume)[1:], volume)
    next(half)
    half.close()
    assert not scene.IsBatchProcessing()


def test_the_input_may_vanish_between_steps(run, scene):
    volume = add()
    steps = import_steps(*run(volume)[1:], volume)
    next(steps)
    scene.RemoveNode(volume)
    for _ in steps:
        pass
    assert scene.GetFirstNodeByName("FA z-map") is not None


def test_a_scene_closed_between_steps_gets_the_result_all_the_same(run, scene):
    volume = add()
    steps = import_steps(*run(volume)[1:], volume)
    next(steps)
    scene.Clear(0)
    with pytest.raises(StopIteration) as done:
        while True:
            next(steps)
    assert len(done.value.value.nodes()) == 6


@pytest.mark.parametrize(
    "where",
    ["threshold.fill_table", "threshold.fill_segments", "subject_hierarchy.gather_in_folder", "result_nodes._show"],
)
def test_a_failed_import_leaves_no_node(run, scene, monkeypatch, where):
    volume = add()
    finished = run(volume)
    before = ids(scene)

    def fail(*_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(f"FAAnomalySlicer.scene.{where}", fail)
    with pytest.raises(RuntimeError, match="fire"):
        import_result(*finished[1:], volume)
    assert ids(scene) == before and not scene.IsBatchProcessing() and find_results(volume) is None
    monkeypatch.undo()
    assert len(import_result(*finished[1:], volume).nodes()) == 6


def test_one_batch(run, scene):
    volume = add()
    finished = run(volume)
    seen = []
    tags = [
        scene.AddObserver(event, lambda caller, what: seen.append(what))
        for event in (scene.StartBatchProcessEvent, scene.EndBatchProcessEvent)
    ]
    import_result(*finished[1:], volume)
    for tag in tags:
        scene.RemoveObserver(tag)
    assert len(seen) == 2


def test_a_saved_scene_brings_the_results_back(run, scene, tmp_path):
    volume = add()
    result, arrays, answer = run(volume)
    import_result(arrays, answer, volume)
    assert scene.WriteToMRB(str(tmp_path / "case.mrb"))
    scene.Clear(0)
    scene.ReadFromMRB(str(tmp_path / "case.mrb"))
    volume = scene.GetFirstNodeByName("FA")
    nodes = find_results(volume)
    assert len(nodes.nodes()) == 6 and nodes.folder
    # Slicer turns an axis of a left-handed volume when it reads the file, so ask by place.
    index = np.linalg.inv(world_of(nodes.zMap)) @ PARENT @ result.z_map.affine
    voxels = np.argwhere(np.abs(result.z_map.data) > 1)
    there = np.rint(voxels @ index[:3, :3].T + index[:3, 3]).astype(int)
    np.testing.assert_allclose(
        slicer.util.arrayFromVolume(nodes.zMap).T[tuple(there.T)], result.z_map.data[tuple(voxels.T)]
    )
    np.testing.assert_allclose(world_of(nodes.zMap), world_of(volume), atol=1e-3)
    assert nodes.zMap.GetAttribute("FAAnomaly.modelSha256") == "ab" * 32
    assert nodes.zMap.GetDisplayNode().GetColorNode().GetAttribute("FAAnomaly.colours")
    known = nodes.segmentation.GetSegmentation()
    assert [known.GetSegment(sign).GetName() for sign in segments.LABELS] == ["Increased FA", "Decreased FA"]
    before = len(ids(scene))
    again = import_result(*run(volume)[1:], volume)
    assert again.nodes() == nodes.nodes() and len(ids(scene)) == before


def test_no_step_keeps_the_event_loop_waiting(scene, tmp_path):
    data, affine = brainlike((128, 128, 80)), np.diag([2.0, 2.0, 2.0, 1.0])
    volume = add_volume(data, affine)
    volume.CreateDefaultDisplayNodes()
    answer = answer_of(made_result(data, affine), tmp_path / "out")
    arrays = read_result(answer["files"])
    for _ in range(2):  # made, then used again
        steps, longest, ended = import_steps(arrays, answer, volume), 0.0, False
        while not ended:
            begin = time.thread_time()
            ended = next(steps, None) is None
            longest = max(longest, time.thread_time() - begin)
        assert longest < slicer_harness.HELD_UP


def test_result_nodes_tell_what_is_there(run, scene):
    assert ResultNodes().nodes() == {} and find_results(None) is None
    volume = add()
    nodes = import_result(*run(volume)[1:], volume)
    scene.RemoveNode(nodes.table)
    assert nodes.table is not None and nodes.present().table is None and len(nodes.present().nodes()) == 5
