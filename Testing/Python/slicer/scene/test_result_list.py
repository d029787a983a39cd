"""Results of different scope live side by side: each is found, kept, shown and removed on its own."""

import slicer_harness

slicer_harness.require()

import json

import numpy as np
import pytest
import slicer
import slicer.util

from FAAnomalyLib.result import LARGEST_CHANGE
from FAAnomalySlicer.scene import detectable_change, subject_hierarchy
from FAAnomalySlicer.scene.report_text import report_of
from FAAnomalySlicer.scene.result_list import find_results, keep_result, remove_result, results_of, show_result
from FAAnomalySlicer.scene.result_nodes import import_result, read_result
from FAAnomalySlicer.scene.scope import scope_of_region
from support.phantoms.mrml_volumes import GRIDS, add_volume, answer_of, brainlike, made_result

SHAPE = (12, 14, 10)


@pytest.fixture
def analyse(scene, tmp_path):
    """``analyse(volume, roi=…)`` puts a finished run of that scope into the scene."""
    count = iter(range(100))

    def analyse(volume, roi=None, segment=None, seed=0):
        affine = GRIDS["oblique"]
        result = made_result(brainlike(SHAPE, seed), affine, seed=seed, roi=None)
        answer = answer_of(result, tmp_path / f"out{next(count)}")
        scope = scope_of_region(roi, segment)
        arrays = read_result(answer["files"])
        return import_result(arrays, answer, volume, scope=scope, report=f"<html>{seed}</html>")

    return analyse


def add():
    volume = add_volume(brainlike(SHAPE), GRIDS["oblique"])
    volume.CreateDefaultDisplayNodes()
    return volume


def box(name):
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)


def titles(volume):
    return [result.label() for result in results_of(volume)]


def ids(result):
    return {node.GetID() for node in (*result.nodes().values(), result.report)}


def outlined(result):
    return bool(result.segmentation.GetDisplayNode().GetVisibility())


def test_each_scope_has_nodes_of_its_own_and_uses_them_again(scene, analyse):
    volume, one, other = add(), box("R"), box("L")
    drawn = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
    segment = drawn.GetSegmentation().AddEmptySegment("t1", "tumour")
    whole = analyse(volume)
    results = [
        whole,
        analyse(volume, roi=one),
        analyse(volume, roi=other),
        analyse(volume, segment=(drawn, "tumour")),
    ]
    assert titles(volume) == ["Whole brain", "Box R", "Box L", "Segment tumour"]
    assert [result.zMap.GetName() for result in results] == [
        "FA z-map",
        "FA, box R: z-map",
        "FA, box L: z-map",
        "FA, segment tumour: z-map",
    ]
    assert [result.zMap.GetAttribute("FAAnomaly.scope") for result in results] == [
        "whole brain",
        "ROI",
        "ROI",
        "segment",
    ]
    assert len(set().union(*map(ids, results))) == 4 * 7 and len({result.folder for result in results}) == 4
    before = {node.GetID() for node in scene.GetNodes()}
    kept_voxels = slicer.util.arrayFromVolume(results[2].zMap).copy()
    one.SetName("renamed")
    again = analyse(volume, roi=one, seed=3)
    assert ids(again) == ids(results[1]) and analyse(volume, segment=(drawn, segment)).zMap is results[3].zMap
    assert analyse(volume, seed=4).zMap is whole.zMap
    assert {node.GetID() for node in scene.GetNodes()} == before
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(results[2].zMap), kept_voxels)
    assert again.zMap.GetAttribute("FAAnomaly.seed") == "3" and whole.zMap.GetAttribute("FAAnomaly.seed") == "4"


def test_the_last_run_is_shown_and_its_outlines_alone(analyse):
    volume, roi = add(), box("R")
    whole, part = analyse(volume, seed=1), analyse(volume, roi=roi, seed=2)
    assert find_results(volume).zMap is part.zMap and outlined(part) and not outlined(whole)
    assert report_of(volume).GetText() == "<html>2</html>"
    show_result(volume, results_of(volume)[0])
    assert find_results(volume).zMap is whole.zMap and outlined(whole) and not outlined(part)
    assert report_of(volume).GetText() == "<html>1</html>" and len(results_of(volume)) == 2
    whole.segmentation.GetDisplayNode().SetVisibility(False)
    analyse(volume)
    assert not outlined(whole), "what the user hid stays hidden by a run that uses it again"


def test_a_kept_result_is_replaced_by_no_run(analyse):
    volume = add()
    first = analyse(volume, seed=1)
    first.difference.SetName("my own name")
    keep_result(volume, find_results(volume))
    second = analyse(volume, seed=2)
    assert not ids(first) & ids(second) and titles(volume) == ["Whole brain, kept 1", "Whole brain"]
    assert first.zMap.GetName() == "FA z-map, kept 1" and second.zMap.GetName() == "FA z-map"
    assert first.difference.GetName() == "my own name"
    assert analyse(volume, seed=3).zMap is second.zMap and first.zMap.GetAttribute("FAAnomaly.seed") == "1"
    keep_result(volume, find_results(volume))
    assert titles(volume) == ["Whole brain, kept 1", "Whole brain, kept 2"]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert hierarchy.GetItemName(first.folder) == "FA FAAnomaly, kept 1"


def test_a_removed_result_leaves_nothing_and_another_is_shown(scene, analyse):
    volume, roi = add(), box("R")
    whole = analyse(volume)
    before = {node.GetID() for node in scene.GetNodes()}, subject_hierarchy.all_items(scene)
    part = analyse(volume, roi=roi)
    remove_result(volume, find_results(volume))
    now = {node.GetID() for node in scene.GetNodes()}, subject_hierarchy.all_items(scene)
    assert [one ^ other for one, other in zip(now, before, strict=True)] == [set(), set()]
    assert part.zMap.GetScene() is None and find_results(volume).zMap is whole.zMap and outlined(whole)
    remove_result(volume, find_results(volume))
    assert find_results(volume) is None and not results_of(volume) and report_of(volume) is None
    assert analyse(volume).number == 1


def test_a_box_that_was_removed_leaves_its_result(scene, analyse):
    volume, roi = add(), box("R")
    part = analyse(volume, roi=roi)
    scene.RemoveNode(roi)
    assert titles(volume) == ["Box that was removed"]
    new = analyse(volume, roi=box("R"))
    assert new.zMap is not part.zMap and titles(volume) == ["Box that was removed", "Box R"]
    assert analyse(volume).zMap not in (part.zMap, new.zMap)


def test_a_result_of_an_earlier_version_joins_the_list(analyse):
    """It has no number, and its box is not known."""
    volume, roi = add(), box("R")
    old = analyse(volume)
    for node in old.nodes().values():
        node.SetAttribute("FAAnomaly.scope", "ROI")
    for role in (*old.nodes(), "report"):
        volume.RemoveNodeReferenceIDs(f"FAAnomaly.result1.{role}")
    assert find_results(volume).zMap is old.zMap and titles(volume) == ["Box that was removed"]
    part = analyse(volume, roi=roi)
    whole = analyse(volume)
    assert len({old.zMap, part.zMap, whole.zMap}) == 3
    assert titles(volume) == ["Box that was removed", "Box R", "Whole brain"]
    assert results_of(volume)[0].zMap is old.zMap


def test_all_of_it_is_saved_with_the_scene(scene, analyse, tmp_path):
    volume, roi = add(), box("R")
    analyse(volume, seed=1)
    keep_result(volume, find_results(volume))
    analyse(volume, roi=roi, seed=2)
    analyse(volume, seed=3)
    show_result(volume, results_of(volume)[1])
    assert scene.WriteToMRB(str(tmp_path / "case.mrb"))
    scene.Clear(0)
    scene.ReadFromMRB(str(tmp_path / "case.mrb"))
    volume, roi = scene.GetFirstNodeByName("FA"), scene.GetFirstNodeByClass("vtkMRMLMarkupsROINode")
    assert titles(volume) == ["Whole brain, kept 1", "Box R", "Whole brain"]
    shown = find_results(volume)
    assert shown.scope() == scope_of_region(roi) and shown.report.GetText() == "<html>2</html>"
    assert [outlined(result) for result in results_of(volume)] == [False, True, False]
    before = len(list(scene.GetNodes()))
    assert analyse(volume, roi=roi, seed=4).zMap is shown.zMap and len(list(scene.GetNodes())) == before


def test_a_failed_import_leaves_the_list_and_the_outlines(analyse, monkeypatch):
    volume, roi = add(), box("R")
    whole = analyse(volume)
    monkeypatch.setattr("FAAnomalySlicer.scene.result_list._refer", failing_after(2))
    with pytest.raises(RuntimeError, match="fire"):
        analyse(volume, roi=roi)
    monkeypatch.undo()
    assert titles(volume) == ["Whole brain"] and find_results(volume).zMap is whole.zMap and outlined(whole)
    monkeypatch.setattr("FAAnomalySlicer.scene.subject_hierarchy.gather_in_folder", failing_after(0))
    with pytest.raises(RuntimeError, match="fire"):
        analyse(volume, roi=roi)
    assert titles(volume) == ["Whole brain"] and outlined(whole)


def failing_after(calls: int):
    from FAAnomalySlicer.scene import result_list

    real, count = result_list._refer, iter(range(1000))

    def fail(*arguments):
        if next(count) >= calls:
            raise RuntimeError("disk on fire")
        real(*arguments)

    return fail


CHANGES = [
    {"diameter_mm": 20, "increased": 0.18, "decreased": 0.17},
    {"diameter_mm": 40, "increased": None, "decreased": 0.105},
]


HALF = " At half of the places of white matter, "
MATTER = f"{HALF}a change of FA by about "


@pytest.mark.parametrize(
    ("changes", "threshold", "signs", "said"),
    [
        (CHANGES, (5, 6), "both", "+0.18 or −0.17 over 20 mm, or by about −0.10 over 40 mm would have been found."),
        (CHANGES, (4, 4), "increased", "+0.18 over 20 mm would have been found."),
        (CHANGES, (9, 6), "both", "−0.17 over 20 mm, or by about −0.10 over 40 mm would have been found."),
        (CHANGES, (9, 9), "both", ""),
        (CHANGES[1:], (5, 6), "increased", f"{HALF}not even a change of FA by 0.4 over 40 mm would have been found."),
        ([], (5, 6), "both", ""),
        (None, (5, 6), "both", ""),
        ("damaged", (5, 6), "both", ""),
    ],
)
def test_what_would_have_been_found_is_said_for_the_applied_threshold(scene, changes, threshold, signs, said):
    node = add()
    if changes is not None:
        node.SetAttribute("FAAnomaly.detectableChange", json.dumps(changes))
    told = detectable_change.sentence(node, threshold, (5.0, 6.0), signs)
    assert told == "No region beyond the threshold." + (MATTER if said[:1] in "+−" and said else "") + said


@pytest.mark.parametrize("scope", ["ROI", "segment"])
def test_of_a_drawn_region_is_said_what_would_have_been_found_in_it(scene, scope):
    node = add()
    node.SetAttribute("FAAnomaly.detectableChange", json.dumps(CHANGES[:1]))
    node.SetAttribute("FAAnomaly.scope", scope)
    assert detectable_change.LARGEST_CHANGE == LARGEST_CHANGE
    assert detectable_change.sentence(node, (5.0, 6.0), (5.0, 6.0), "both") == (
        "No region beyond the threshold. At half of the places in a region drawn so, a change of FA by about +0.18 or "
        "−0.17 over 20 mm would have been found."
    )
