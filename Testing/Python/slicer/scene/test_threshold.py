"""The threshold moves regions, segments and table at once, from the nodes alone."""

import slicer_harness

slicer_harness.require()

import time

import numpy as np
import pytest
import slicer

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.errors import FAError
from FAAnomalySlicer.scene import segments
from FAAnomalySlicer.scene.region_table import regions_of
from FAAnomalySlicer.scene.result_nodes import ResultNodes, import_result, read_result
from FAAnomalySlicer.scene.threshold import apply_threshold, as_text, both_tails
from support.phantoms.mrml_volumes import (
    GRIDS,
    PARENT,
    add_map,
    add_volume,
    answer_of,
    brainlike,
    made_result,
    put_under,
)


@pytest.fixture
def made(scene, tmp_path):
    """(result, nodes, volume) of a finished run in an oblique, left-handed volume under a transform."""
    affine = GRIDS["oblique left-handed anisotropic"]
    volume = add_volume(brainlike(), affine)
    put_under(volume, PARENT)
    result = made_result(brainlike(), affine)
    answer = answer_of(result, tmp_path / "out")
    return result, import_result(read_result(answer["files"]), answer, volume), volume


def mask(nodes, volume):
    found = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    for sign, value in segments.LABELS.items():
        found[slicer.util.arrayFromSegmentBinaryLabelmap(nodes.segmentation, sign, volume) > 0] = value
    return found.T


@pytest.mark.parametrize("threshold", [3.0, 6.0, 8.5, 9.5, (4.0, 8.0), (8.0, 4.0)])
def test_regions_are_the_engines(made, threshold):
    result, nodes, volume = made
    expected, regions = find_regions(result.z_map, result.difference, threshold)
    found = apply_threshold(nodes, threshold)
    np.testing.assert_array_equal(mask(nodes, volume), expected.data)
    assert len(found) == len(regions) > 0
    for one, other in zip(found, regions, strict=True):
        assert (one.label, one.sign, one.voxels) == (other.label, other.sign, other.voxels)
        # The engine's positions come from a matrix of full precision, these from the node's, which is the same.
        np.testing.assert_allclose(
            [*one.centroid_ras, *one.peak_ras, one.mean_z, one.mean_difference],
            [*other.centroid_ras, *other.peak_ras, other.mean_z, other.mean_difference],
            atol=1e-3,
        )
    assert nodes.table.GetNumberOfRows() == len(regions)
    assert both_tails(nodes.segmentation.GetAttribute("FAAnomaly.threshold")) == both_tails(threshold)


@pytest.mark.parametrize(("signs", "kept"), [("both", {1, 2}), ("increased", {1}), ("decreased", {2})])
def test_one_sign_only(made, signs, kept):
    _, nodes, volume = made
    regions = apply_threshold(nodes, 5.0, signs)
    assert {segments.LABELS[region.sign] for region in regions} == kept
    assert set(np.unique(mask(nodes, volume))) - {0} == kept
    assert nodes.table.GetNumberOfRows() == len(kept)
    assert nodes.table.GetAttribute("FAAnomaly.signs") == signs


def test_nothing_beyond_and_back_again(made):
    result, nodes, volume = made
    known = nodes.segmentation.GetSegmentation()
    known.GetSegment("increased").SetColor(0, 1, 0)
    known.GetSegment("increased").SetName("my name")
    assert apply_threshold(nodes, 50.0) == []
    assert nodes.table.GetNumberOfRows() == 0 and not mask(nodes, volume).any()
    assert known.GetNumberOfSegments() == 2
    apply_threshold(nodes, 5.0)
    np.testing.assert_array_equal(mask(nodes, volume), result.segmentation.data)
    assert known.GetSegment("increased").GetColor() == (0, 1, 0)
    assert known.GetSegment("increased").GetName() == "my name"


def test_a_removed_segment_comes_back(made):
    result, nodes, volume = made
    nodes.segmentation.GetSegmentation().RemoveSegment("decreased")
    apply_threshold(nodes, 5.0)
    np.testing.assert_array_equal(mask(nodes, volume), result.segmentation.data)


def test_a_segment_that_the_user_added_stays(made):
    _, nodes, volume = made
    own = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    own[2:6, 3:9, 4:8] = 1
    segment = nodes.segmentation.GetSegmentation().AddEmptySegment("mine")
    slicer.util.updateSegmentBinaryLabelmapFromArray(own, nodes.segmentation, segment, volume)
    apply_threshold(nodes, 6.0)
    kept = slicer.util.arrayFromSegmentBinaryLabelmap(nodes.segmentation, segment, volume)
    np.testing.assert_array_equal(kept, own)


def test_the_views_are_told_and_old_surfaces_are_dropped(made):
    _, nodes, _ = made
    known = nodes.segmentation.GetSegmentation()
    segments.show_surface(nodes.segmentation, True)
    assert known.ContainsRepresentation("Closed surface") and nodes.segmentation.GetDisplayNode().GetVisibility3D()
    heard = []
    known.AddObserver(slicer.vtkSegmentation.SourceRepresentationModified, lambda *_: heard.append(1))
    apply_threshold(nodes, 8.0)
    assert heard and not known.ContainsRepresentation("Closed surface")
    segments.show_surface(nodes.segmentation, True)
    segments.show_surface(nodes.segmentation, False)
    assert not known.ContainsRepresentation("Closed surface")


def test_the_surface_lies_where_the_region_lies(made):
    result, nodes, _ = made
    segments.show_surface(nodes.segmentation, True)
    for region in result.regions:
        surface = nodes.segmentation.GetClosedSurfaceInternalRepresentation(region.sign)
        bounds = np.array(surface.GetBounds()).reshape(3, 2)
        assert (bounds[:, 0] < region.centroid_ras).all() and (region.centroid_ras < bounds[:, 1]).all()


def test_deleted_nodes(made, scene):
    _, nodes, _ = made
    without = ResultNodes(nodes.pseudoHealthy, nodes.difference, nodes.zMap)
    assert len(apply_threshold(without, 5.0)) == 2
    for gone in (ResultNodes(zMap=nodes.zMap), ResultNodes(difference=nodes.difference)):
        with pytest.raises(FAError, match="gone") as caught:
            apply_threshold(gone, 5.0)
        assert caught.value.code == "bad-request"
    slicer.util.updateVolumeFromArray(nodes.difference, np.zeros((3, 4, 5), np.float32))
    with pytest.raises(FAError, match="do not fit"):
        apply_threshold(nodes, 5.0)


def test_the_table_shows_the_world_and_remembers_the_volumes_own_frame(made):
    result, nodes, _ = made
    regions = apply_threshold(nodes, 5.0)
    whole = nodes.table.GetTable()
    for row, region in enumerate(regions):
        shown = [whole.GetColumnByName(f"peak_{axis}").GetValue(row) for axis in "ras"]
        np.testing.assert_allclose(shown, (PARENT @ [*region.peak_ras, 1.0])[:3], atol=0.051)
    nodes.zMap.SetAndObserveTransformNodeID(None)
    back = regions_of(nodes.table)
    assert [(r.label, r.sign, r.voxels) for r in back] == [(r.label, r.sign, r.voxels) for r in regions]
    for one, other in zip(back, regions, strict=True):
        np.testing.assert_allclose([*one.peak_ras, *one.centroid_ras], [*other.peak_ras, *other.centroid_ras], atol=0.1)
        assert one.volume_ml == pytest.approx(other.volume_ml, abs=0.005)
        assert one.mean_difference == pytest.approx(other.mean_difference, abs=0.0005)
    assert regions_of(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")) == []


def test_the_table_survives_saving(made, scene, tmp_path):
    _, nodes, _ = made
    before = regions_of(nodes.table)
    assert scene.WriteToMRB(str(tmp_path / "case.mrb"))
    scene.Clear(0)
    scene.ReadFromMRB(str(tmp_path / "case.mrb"))
    read = scene.GetFirstNodeByClass("vtkMRMLTableNode")
    back = regions_of(read)
    assert [(r.label, r.sign, r.voxels) for r in back] == [(r.label, r.sign, r.voxels) for r in before]
    np.testing.assert_allclose(back[0].peak_ras, before[0].peak_ras, atol=1e-3)
    assert read.GetColumnTitle("volume_ml") == "Volume" and read.GetColumnUnitLabel("volume_ml") == "ml"


@pytest.mark.parametrize("value", [0, -3, "x", "nan", None, (1, 2, 3), {"increased": 5}, float("inf"), (5, 0)])
def test_thresholds_that_are_none(made, value):
    with pytest.raises(FAError, match="not a positive z"):
        apply_threshold(made[1], value)


def test_thresholds_in_every_form():
    assert both_tails(7) == both_tails("7.0") == both_tails((7, 7)) == (7.0, 7.0)
    assert both_tails({"increased": 6.5, "decreased": 7}) == both_tails([6.5, 7]) == (6.5, 7.0)
    for value in (7.0, (6.5, 7.0)):
        assert both_tails(as_text(value)) == both_tails(value)


def test_an_unknown_sign_is_a_mistake(made):
    with pytest.raises(ValueError, match="up"):
        apply_threshold(made[1], 5.0, "up")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "spacing", "thresholds", "limit"),
    [
        ((128, 128, 80), 2.0, (3.0, 5.0, 7.0), 0.6),
        ((256, 256, 160), 1.0, (5.0, 7.0), 1.2),
    ],
)
def test_the_slider_is_quick(scene, shape, spacing, thresholds, limit):
    nodes = add_map(shape, spacing)
    counts = []
    for threshold in thresholds:
        seconds = []
        for _ in range(3):
            begin = time.thread_time()  # its own time: other programs may be busy too
            counts.append(len(apply_threshold(nodes, threshold)))
            seconds.append(time.thread_time() - begin)
        print(shape, threshold, counts[-1], "regions", round(1000 * min(seconds)), "ms")
        assert min(seconds) < limit
    assert counts[0] > counts[-1] > 0
