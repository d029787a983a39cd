"""The search in parts and the follower of the slider: the same regions as of the whole map, the newest value last."""

import slicer_harness

slicer_harness.require()

import gc

import numpy as np
import pytest
from scipy import ndimage
from vtk.util.numpy_support import vtk_to_numpy

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.volume import Volume
from FAAnomalySlicer.runs import threshold_updater
from FAAnomalySlicer.runs.threshold_updater import ThresholdUpdater
from FAAnomalySlicer.scene.region_search import parts_to_search, search_regions
from FAAnomalySlicer.scene.result_nodes import _image
from FAAnomalySlicer.worker_client.qt_process import QtTimer
from support.phantoms.mrml_volumes import add_map

AFFINE = np.array([[0, -2.0, 0, 40], [1.5, 0, 0, -30], [0, 0, 2.5, 7], [0, 0, 0, 1]])


def noise(shape=(50, 61, 47)):
    data = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal(shape, dtype=np.float32), 1.5)
    data /= data.std()
    data[10:14, 20:24, 30:40] += 6.0
    return data


@pytest.mark.parametrize(
    "limits", [(8.0, 8.0), (4.0, 3.5), (3.0, 3.0), (2.0, 2.0), (3.0, np.inf), (np.inf, 3.0), (50.0, 50.0)]
)
def test_parts_give_what_the_whole_map_gives(scene, limits):
    z = noise()
    difference = 0.03 * z
    columns = AFFINE[:, [2, 1, 0, 3]]
    whole, regions = find_regions(Volume(z, columns), Volume(difference, columns), limits)
    found = search_regions(z, difference, AFFINE, *limits)
    labels = np.zeros_like(whole.data)
    labels[tuple(slice(c, c + n) for c, n in zip(found.corner[::-1], found.labels.shape, strict=True))] = found.labels
    np.testing.assert_array_equal(labels, whole.data)
    assert [(r.label, r.sign, r.voxels, r.peak_z) for r in found.regions] == [
        (r.label, r.sign, r.voxels, r.peak_z) for r in regions
    ]
    for one, other in zip(found.regions, regions, strict=True):
        np.testing.assert_allclose(one.peak_ras + one.centroid_ras, other.peak_ras + other.centroid_ras, atol=1e-6)


def test_little_is_searched_at_a_high_threshold(scene):
    z = noise()
    parts = list(parts_to_search(z, 1, 6.0))
    assert parts and sum(np.prod([s.stop - s.start for s in part]) for part in parts) < z.size / 4
    assert not list(parts_to_search(z, -1, 50.0))


def follower():
    shown, failed = [], []
    return ThresholdUpdater(QtTimer(), shown.append, failed.append), shown, failed


def test_the_newest_threshold_wins(scene):
    nodes = add_map((64, 64, 40), 3.0)
    follow, shown, failed = follower()
    for threshold in (3.0, 4.0, 5.0, 6.0, 7.0):
        follow.follow(nodes, (threshold, threshold), "both")
    slicer_harness.pump_until(lambda: nodes.table.GetAttribute("FAAnomaly.threshold") == "7.0")
    slicer_harness.pump(0.2)
    assert len(shown) == 2 and not failed, "the first and the newest, not those between"
    assert len(shown[-1]) == nodes.table.GetNumberOfRows() < len(shown[0])


def test_nothing_comes_of_it_once_it_is_stopped_or_the_map_is_gone(scene):
    nodes = add_map((64, 64, 40), 3.0)
    follow, shown, failed = follower()
    follow.follow(nodes, (5.0, 5.0), "both")
    follow.stop()
    slicer_harness.pump(0.3)
    assert not shown and nodes.table.GetNumberOfRows() == 0
    follow.follow(nodes, (5.0, 5.0), "both")
    scene.RemoveNode(nodes.zMap)
    slicer_harness.pump(0.3)
    assert not shown and not failed


def test_voxels_changed_during_the_search_are_searched_again(scene):
    nodes = add_map((64, 64, 40), 3.0)
    follow, shown, failed = follower()
    follow.follow(nodes, (5.0, 5.0), "both")
    vtk_to_numpy(nodes.zMap.GetImageData().GetPointData().GetScalars())[:] = 0.0
    nodes.zMap.GetImageData().Modified()
    slicer_harness.pump_until(lambda: shown)
    assert shown == [[]] and not failed


def test_a_search_that_fails_over_changing_voxels_is_repeated(scene, monkeypatch):
    nodes = add_map((64, 64, 40), 3.0)
    follow, shown, failed = follower()
    prepare = threshold_updater.prepare_search

    def fail() -> None:
        raise ZeroDivisionError("a cluster that is no more")

    monkeypatch.setattr(threshold_updater, "prepare_search", lambda *_: fail)
    follow.follow(nodes, (5.0, 5.0), "both")
    monkeypatch.setattr(threshold_updater, "prepare_search", prepare)
    nodes.zMap.GetImageData().Modified()
    slicer_harness.pump_until(lambda: shown or failed)
    assert len(shown) == 1 and not failed


def test_an_impossible_search_is_told(scene):
    nodes = add_map((64, 64, 40), 3.0)
    follow, shown, failed = follower()
    nodes.difference = None
    follow.follow(nodes, (5.0, 5.0), "both")
    assert [error.code for error in failed] == ["bad-request"]


def test_an_image_keeps_the_memory_it_lies_on(scene):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    image = _image(array)
    del array
    gc.collect()
    noise()  # takes memory that was freed
    np.testing.assert_array_equal(vtk_to_numpy(image.GetPointData().GetScalars()), np.arange(24))
    assert image.GetDimensions() == (4, 3, 2)
