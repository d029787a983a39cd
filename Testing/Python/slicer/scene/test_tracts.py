"""Tracts in the scene: names at every threshold and after loading, the table, and voxels in the right place."""

import slicer_harness

slicer_harness.require()

from dataclasses import replace

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

from FAAnomalyLib.anatomy.region_anatomy import RegionNamer
from FAAnomalyLib.anomaly.regions import find_regions_and_voxels
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.geometry.subject_to_atlas import SubjectToAtlas
from FAAnomalyLib.tracts import RegionAnatomy, TractScore
from FAAnomalySlicer.scene import atlas_place, segments
from FAAnomalySlicer.scene.region_table import regions_of
from FAAnomalySlicer.scene.result_list import find_results, remove_result
from FAAnomalySlicer.scene.result_nodes import import_result, read_result
from FAAnomalySlicer.scene.stored_anatomy import is_about
from FAAnomalySlicer.scene.threshold import UNNAMED, apply_threshold, select
from FAAnomalySlicer.scene.tract_scores import by_strength, tracts_of
from FAAnomalySlicer.scene.tract_segments import hide_tract, shown_tracts
from FAAnomalySlicer.views.tract_display import show_tract
from support.phantoms import tiny_tracts as tt
from support.phantoms.mrml_volumes import (
    GRIDS,
    PARENT,
    add_volume,
    answer_of,
    brainlike,
    made_result,
    put_under,
    turn,
    world_of,
)

SHA256 = "ef" * 32
SCORES = [
    TractScore(
        "left long tract", "LT L", "left", "association", 0.9, 0.4, 0.5, 0.02, -0.1, -5.0, "decreased", 0.0, 0.25
    ),
    TractScore("right long tract", "LT R", "right", "association", 0.2),
    TractScore("bridge", "Br", "both", "commissural", 1.0, 0.6, 0.45, 0.02, 0.15, 7.5, "increased", 0.5, 0.0),
]


@pytest.fixture(scope="module")
def atlas():
    return tt.atlas()


@pytest.fixture(autouse=True)
def bundled(atlas, monkeypatch):
    """The tiny atlas in place of the bundled one."""
    monkeypatch.setattr(atlas_place, "_bundled_atlas", lambda folder: replace(atlas, sha256=SHA256))
    atlas_place.open_place.cache_clear()
    yield
    atlas_place.open_place.cache_clear()


def mapping_of(affine, shape=(28, 32, 24)):
    """The increased region to the middle of the atlas, turned, scaled and bent."""
    middle = affine @ [*(np.array(shape) * 0.3), 1.0]
    matrix = turn(10, -5, 15) @ np.diag([0.95, 1.05, 0.9, 1.0])
    matrix[:3, 3] -= matrix[:3, :3] @ middle[:3]
    bend = np.stack([2.5 * np.cos(np.indices((10, 9, 5))[axis] / 2.0) for axis in range(3)]).astype(np.float16)
    to_mm = np.diag([8.0, 8.0, 8.0, 1.0])
    to_mm[:3, 3] = -36.0, -32.0, -16.0
    return SubjectToAtlas(matrix, bend.astype(np.float32), to_mm)


@pytest.fixture
def run(scene, tmp_path, atlas):
    """``run(grid)``: (nodes, volume, mapping) of a finished run with tracts, under a transform."""

    def run(name="oblique left-handed anisotropic", scores=SCORES, tracts=True):
        volume = add_volume(brainlike(), GRIDS[name])
        volume.CreateDefaultDisplayNodes()
        put_under(volume, PARENT)
        data = slicer.util.arrayFromVolume(volume).T.astype(np.float32)
        result, mapping = made_result(data, GRIDS[name], roi=None), mapping_of(GRIDS[name])
        if tracts:
            _, found = find_regions_and_voxels(result.z_map, result.difference, 5.0)
            namer, affine, ml = RegionNamer(atlas, mapping), GRIDS[name], result.z_map.voxel_ml
            result.regions = [
                replace(region, anatomy=namer.anatomy(at @ affine[:3, :3].T + affine[:3, 3], ml))
                for region, at in found
            ]
            result.tracts, result.to_atlas = scores, mapping
            result.provenance["atlas"] = {"name": "tiny", "sha256": SHA256}
        answer = answer_of(result, tmp_path / f"out{len(list(tmp_path.iterdir()))}")
        files = dict(answer["files"])
        for stem, suffix in (("tracts", "csv"), ("anatomy", "npz")):
            files[stem] = files["z_map"].replace("z_map.nii.gz", f"{stem}.{suffix}")
        arrays = read_result(files)
        return import_result(arrays, answer, volume, report="<html></html>"), volume, mapping, arrays

    return run


def named(regions):
    return [region.anatomy.tracts[0].tract if region.anatomy.tracts else region.anatomy.nearest for region in regions]


def test_regions_of_the_run_and_of_another_threshold_are_named_alike(run):
    nodes, _volume, _mapping, arrays = run()
    of_run = regions_of(nodes.table)
    assert len(of_run) == 2 and all(region.anatomy is not None for region in of_run)
    assert any(region.anatomy.tracts for region in of_run)
    again = apply_threshold(nodes, 5.0)
    assert [r.anatomy.words() for r in again] == [r.anatomy.words() for r in of_run]
    wider = apply_threshold(nodes, 3.5)
    assert len(wider) == 2 and wider[0].voxels >= again[0].voxels and named(wider) == named(again)
    assert nodes.table.GetAttribute(UNNAMED) is None
    assert named(select(arrays, "sensitive", "both").found.regions) == named(wider)
    column = nodes.table.GetTable().GetColumnByName("tract")
    assert [column.GetValue(row) for row in range(2)] == [named(wider)[0], "outside the atlas"]
    assert wider[0].anatomy.words() in nodes.segmentation.GetDescription()
    tag = vtk.reference("")
    assert nodes.segmentation.GetSegmentation().GetSegment(wider[0].sign).GetTag(segments.TRACTS_TAG, tag)
    assert named(wider)[0] in str(tag)


def test_a_loaded_scene_knows_names_tracts_and_how_to_name(run, scene, tmp_path):
    nodes, _volume, _mapping, _arrays = run()
    words = [region.anatomy.words() for region in regions_of(nodes.table)]
    show_tract(nodes, "LT L")
    assert scene.WriteToMRB(str(tmp_path / "s.mrb"), None)
    scene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "s.mrb"))
    loaded = find_results(slicer.util.getNode("FA"))
    assert [region.anatomy.words() for region in regions_of(loaded.table)] == words
    assert [score.z for score in tracts_of(loaded.tracts)] == [-5.0, None, 7.5]
    assert shown_tracts(loaded) == ["left long tract"]
    assert [region.anatomy.words() for region in apply_threshold(loaded, 5.0)] == words
    show_tract(loaded, "bridge")
    assert shown_tracts(loaded) == ["left long tract", "bridge"]


def test_without_a_place_new_regions_have_no_names_and_it_says_why(run, scene):
    nodes, *_ = run()
    scene.RemoveNode(nodes.place)
    regions = apply_threshold(nodes.present(), 4.0)
    assert regions and all(region.anatomy is None for region in regions)
    assert "does not keep" in nodes.table.GetAttribute(UNNAMED)
    assert all(region.anatomy is None for region in regions_of(nodes.table))


def test_another_atlas_costs_the_names_and_not_the_search(run, monkeypatch, atlas):
    nodes, *_ = run()
    atlas_place.open_place.cache_clear()
    monkeypatch.setattr(atlas_place, "_bundled_atlas", lambda folder: replace(atlas, sha256="00" * 32))
    assert len(apply_threshold(nodes, 4.0)) == 2
    assert "another tract atlas" in nodes.table.GetAttribute(UNNAMED)


def test_a_result_without_an_atlas_has_no_nodes_for_it_and_a_later_one_has(run):
    nodes, volume, *_ = run(tracts=False)
    assert (nodes.tracts, nodes.place) == (None, None) and regions_of(nodes.table)[0].anatomy is None
    assert nodes.table.GetAttribute("FAAnomaly.anatomy") is None
    with pytest.raises(FAError, match="cannot be shown"):
        show_tract(nodes, "bridge")


@pytest.mark.parametrize("name", GRIDS)
def test_a_shown_tract_is_exactly_where_regions_are_named_by_it(run, atlas, name):
    nodes, volume, mapping, _arrays = run(name)
    show_tract(nodes, "bridge")
    node = nodes.shownTracts
    shown = slicer.util.arrayFromSegmentBinaryLabelmap(node, "bridge", nodes.zMap).T > 0
    assert 50 < shown.sum() < shown.size / 2
    np.testing.assert_allclose(world_of(nodes.zMap), world_of(volume), atol=1e-4)
    assert node.GetTransformNodeID() == volume.GetTransformNodeID()
    namer, affine = RegionNamer(atlas, mapping), GRIDS[name]
    rng, ml = np.random.default_rng(0), abs(np.linalg.det(affine[:3, :3])) / 1000
    near = np.argwhere(shown)
    rim = np.argwhere(~shown & (np.roll(shown, 1, 0) | np.roll(shown, -1, 1) | np.roll(shown, 1, 2)))
    for voxels, inside in ((near, True), (rim, False), (np.argwhere(~shown), False)):
        for voxel in rng.permutation(voxels)[:60]:
            anatomy = namer.anatomy(affine[None, :3, :3] @ voxel + affine[:3, 3], ml)
            assert ("bridge" in [share.tract for share in anatomy.tracts]) == inside
    bounds = np.zeros(6)
    node.GetSegmentation().GetSegment("bridge").GetRepresentation("Closed surface").GetBounds(bounds)
    places = near @ affine[:3, :3].T + affine[:3, 3]
    reach = np.linalg.norm(affine[:3, :3], axis=0).max()
    np.testing.assert_allclose(bounds[::2], places.min(axis=0), atol=reach)
    np.testing.assert_allclose(bounds[1::2], places.max(axis=0), atol=reach)


def test_several_tracts_are_shown_hidden_and_gone_after_the_next_run(run, scene):
    nodes, volume, _mapping, arrays = run("ras")
    show_tract(nodes, "LT L")
    again = import_result(arrays, {}, volume)
    assert again.place is nodes.place and again.shownTracts is nodes.shownTracts and not shown_tracts(again)
    show_tract(nodes, "LT L")
    show_tract(nodes, "bridge")
    node, display = nodes.shownTracts, nodes.shownTracts.GetDisplayNode()
    assert shown_tracts(find_results(volume)) == ["left long tract", "bridge"] and node.GetName() == "FA tracts"
    hide_tract(nodes, "bridge")
    assert shown_tracts(nodes) == ["left long tract"]
    hide_tract(nodes, "left long tract")
    assert (node.GetScene(), display.GetScene(), find_results(volume).shownTracts) == (None, None, None)
    show_tract(nodes, "bridge")
    with pytest.raises(FAError, match="no tract"):
        show_tract(nodes, "arcuate")
    before = scene.GetNumberOfNodes()
    remove_result(volume, find_results(volume))
    assert before - scene.GetNumberOfNodes() >= 9  # five of every result, and report, table, place, shown tracts
    assert not [n for n in slicer.util.getNodesByClass("vtkMRMLTextNode") if n.GetNodeReferenceID("FAAnomaly.input")]


def test_the_table_keeps_what_is_not_known_and_the_most_unusual_is_first(run):
    nodes, *_ = run("ras")
    read = tracts_of(nodes.tracts)
    assert [replace(score, profile=()) for score in read] == SCORES
    assert [score.abbreviation for score in by_strength(read)] == ["Br", "LT L", "LT R"]


def test_what_a_filter_means():
    names = [("left arcuate fasciculus", "AF L")]
    typed = {"": True, "arcuate": True, "Left  ARC": True, "AF": True, "af l": True, "af r": False, "f l": False}
    assert {text: is_about(text, names) for text in typed} == typed
    assert is_about("", []) and not is_about("af", [])
    assert RegionAnatomy().words() == "outside the atlas"
