"""Voxels and regions leave the scene as the engine reads them, whatever the axes and parent transforms."""

import slicer_harness

slicer_harness.require()

import itertools
import re

import numpy as np
import pytest
import slicer
import vtk

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.markups_roi import box_mask, read_markups_roi
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.volume import Volume
from FAAnomalySlicer.scene import geometry
from FAAnomalySlicer.scene.nrrd_writer import write_nrrd
from support.phantoms.mrml_volumes import GRIDS, PARENT, SHAPE, add_volume, brainlike, put_under, turn, world_of

pytestmark = pytest.mark.usefixtures("scene")


def write_input(volume, path):
    """Write the node's voxels as a run does."""
    record = geometry.record_input(volume)
    write_nrrd(geometry.voxels(volume), record.ijk_to_ras, path)
    return record


def add_roi(center, size, matrix=None):
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    roi.SetCenter(center)
    roi.SetSize(size)
    if matrix is not None:
        roi.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(matrix))
    return roi


def middle(volume):
    return (world_of(volume) @ [*(np.array(SHAPE) // 2), 1.0])[:3]


@pytest.mark.parametrize("under", [None, PARENT], ids=["free", "under a transform"])
@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.uint8])
def test_the_engine_reads_the_nodes_voxels_and_matrix(tmp_path, name, under, kind):
    data = (brainlike() * (1 if np.dtype(kind).kind == "f" else 200)).astype(kind)
    volume = add_volume(data, GRIDS[name])
    if under is not None:
        put_under(volume, under)
    record = write_input(volume, tmp_path / "input.nrrd")
    read, remarks = load_volume(tmp_path / "input.nrrd")
    np.testing.assert_array_equal(read.data, data.astype(np.float32))
    np.testing.assert_allclose(read.affine, GRIDS[name], atol=1e-9)
    assert remarks == [] and record.shape == SHAPE
    np.testing.assert_array_equal(record.ijk_to_ras, GRIDS[name])


def test_nan_and_infinity_travel(tmp_path):
    data = brainlike()
    data[3, 4, 5], data[6, 7, 8] = np.nan, np.inf
    write_input(add_volume(data, GRIDS["oblique"]), tmp_path / "input.nrrd")
    np.testing.assert_array_equal(load_volume(tmp_path / "input.nrrd")[0].data, data)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("name", GRIDS)
def test_a_file_read_by_slicer_keeps_its_place(tmp_path, name, ending):
    """Slicer turns an axis of left-handed files: indices change, places do not."""
    save_volume(Volume(brainlike(), GRIDS[name]), tmp_path / f"users{ending}")
    reader = slicer.vtkMRMLVolumeArchetypeStorageNode()
    reader.SetFileName(str(tmp_path / f"users{ending}"))
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert reader.ReadData(volume)
    write_input(volume, tmp_path / "input.nrrd")
    read, _ = load_volume(tmp_path / "input.nrrd")
    index = np.linalg.inv(read.affine) @ GRIDS[name]
    voxels = np.argwhere(brainlike() > 0)
    there = voxels @ index[:3, :3].T + index[:3, 3]
    np.testing.assert_allclose(there, np.rint(there), atol=1e-3)
    np.testing.assert_array_equal(read.data[tuple(np.rint(there).astype(int).T)], brainlike()[tuple(voxels.T)])


def test_an_extent_that_does_not_begin_at_zero_moves_the_origin(tmp_path):
    volume = add_volume(brainlike(), GRIDS["oblique"])
    inner = vtk.vtkExtractVOI()
    inner.SetInputData(volume.GetImageData())
    inner.SetVOI(4, 20, 5, 25, 6, 18)
    inner.Update()
    assert inner.GetOutput().GetExtent()[:2] == (4, 20)
    volume.SetAndObserveImageData(inner.GetOutput())
    write_input(volume, tmp_path / "input.nrrd")
    read, _ = load_volume(tmp_path / "input.nrrd")
    np.testing.assert_array_equal(read.data, brainlike()[4:21, 5:26, 6:19])
    np.testing.assert_allclose(read.affine[:3, 3], (GRIDS["oblique"] @ [4, 5, 6, 1])[:3], atol=1e-9)


def test_a_non_linear_transform_is_refused_with_advice():
    volume = add_volume(brainlike(), GRIDS["ras"])
    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    spline = vtk.vtkThinPlateSplineTransform()
    spline.SetBasisToR()
    ends = [vtk.vtkPoints(), vtk.vtkPoints()]
    for corner in itertools.product((0.0, 50.0), repeat=3):
        ends[0].InsertNextPoint(corner)
        ends[1].InsertNextPoint([corner[0] ** 1.1, corner[1], corner[2] + 0.01 * corner[0] * corner[1]])
    spline.SetSourceLandmarks(ends[0])
    spline.SetTargetLandmarks(ends[1])
    bent.SetAndObserveTransformToParent(spline)
    between = put_under(volume, PARENT)
    geometry.check_transforms(volume)
    between.SetAndObserveTransformNodeID(bent.GetID())
    with pytest.raises(FAError, match="non-linear.*[Hh]arden") as caught:
        geometry.check_transforms(volume)
    assert caught.value.code == "bad-request"


def test_what_is_no_scalar_image_is_refused():
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    with pytest.raises(FAError, match="no image"):
        geometry.record_input(empty)
    colours = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colours.SetAndObserveImageData(image)
    with pytest.raises(FAError, match="it holds 3"):
        geometry.record_input(colours)
    sheared = add_volume(brainlike(), GRIDS["ras"])
    skew = np.eye(4)
    skew[0, 1] = 0.5
    sheared.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(skew))
    with pytest.raises(FAError, match="sheared"):
        geometry.record_input(sheared)


def changes():
    def paint(volume):
        slicer.util.arrayFromVolume(volume)[3, 4, 5] = 0.9
        slicer.util.arrayFromVolumeModified(volume)

    def replace(volume):
        slicer.util.updateVolumeFromArray(volume, np.zeros((5, 6, 7), np.float32))

    return {
        "removed": (lambda volume: slicer.mrmlScene.RemoveNode(volume), "was removed"),
        "painted": (paint, "voxels of .* changed"),
        "replaced": (replace, "voxels of .* changed"),
        "emptied": (lambda volume: volume.SetAndObserveImageData(None), "voxels of .* changed"),
        "moved": (lambda volume: volume.SetOrigin(1, 2, 3), "was moved"),
        "put under a transform": (lambda volume: put_under(volume, PARENT), "transform of .* changed"),
    }


@pytest.mark.parametrize("change", changes())
def test_a_changed_input_is_noticed(change):
    volume = add_volume(brainlike(), GRIDS["oblique"])
    record = geometry.record_input(volume)
    assert geometry.describe_change(record, slicer.mrmlScene) is None
    act, words = changes()[change]
    act(volume)
    assert re.search(words, geometry.describe_change(record, slicer.mrmlScene))


def test_looking_at_the_input_is_no_change():
    volume = add_volume(brainlike(), GRIDS["oblique"])
    record = geometry.record_input(volume)
    volume.SetName("another name")
    volume.CreateDefaultDisplayNodes()
    volume.GetDisplayNode().SetWindowLevelMinMax(0, 0.5)
    volume.GetDisplayNode().GetImageDataConnection().GetProducer().Update()
    volume.GetImageData().GetScalarRange()
    assert geometry.describe_change(record, slicer.mrmlScene) is None


@pytest.mark.parametrize("roi_under", [None, turn(-15, 25, 10)], ids=["roi free", "roi under"])
@pytest.mark.parametrize("volume_under", [None, PARENT], ids=["volume free", "volume under"])
@pytest.mark.parametrize("name", GRIDS)
def test_a_roi_means_the_same_voxels_to_the_engine_as_to_slicer(tmp_path, name, volume_under, roi_under):
    volume = add_volume(brainlike(), GRIDS[name])
    if volume_under is not None:
        put_under(volume, volume_under)
    pose = turn(10, 30, -20)
    pose[:3, 3] = middle(volume)
    roi = add_roi((0, 0, 0), (31.0, 22.0, 40.0), pose)
    if roi_under is not None:
        there = roi_under.copy()
        there[:3, 3] = middle(volume) - roi_under[:3, :3] @ middle(volume)
        put_under(roi, there)
    geometry.write_roi(roi, volume, tmp_path / "roi.mrk.json")
    mask = box_mask(read_markups_roi(tmp_path / "roi.mrk.json"), SHAPE, GRIDS[name])
    np.testing.assert_array_equal(mask, geometry.roi_mask(roi, volume).T)
    planes = vtk.vtkPlanes()
    roi.GetTransformedPlanes(planes)
    indices = np.argwhere(np.ones(SHAPE, bool))
    far = [planes.EvaluateFunction(*point) for point in indices @ world_of(volume)[:3, :3].T + world_of(volume)[:3, 3]]
    sure = np.abs(far) > 1e-3
    np.testing.assert_array_equal(mask[tuple(indices[sure].T)], np.array(far)[sure] < 0)
    assert abs(mask.sum() * abs(np.linalg.det(GRIDS[name][:3, :3])) / (31 * 22 * 40) - 1) < 0.1


def test_an_inside_out_roi_means_everything_else(tmp_path):
    volume = add_volume(brainlike(), GRIDS["oblique"])
    roi = add_roi(middle(volume), (30.0, 30.0, 30.0))
    inside = geometry.roi_mask(roi, volume)
    roi.SetInsideOut(True)
    np.testing.assert_array_equal(geometry.roi_mask(roi, volume), ~inside)
    geometry.write_roi(roi, volume, tmp_path / "roi.mrk.json")
    np.testing.assert_array_equal(
        box_mask(read_markups_roi(tmp_path / "roi.mrk.json"), SHAPE, GRIDS["oblique"]), ~inside.T
    )


def test_a_roi_that_is_no_box_in_the_volume_is_refused(tmp_path):
    volume = add_volume(brainlike(), GRIDS["oblique"])
    unplaced = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    with pytest.raises(FAError, match="no size"):
        geometry.roi_in_volume(unplaced, volume)
    scaled = add_roi(middle(volume), (20.0, 20.0, 20.0), turn(0, 0, 30))
    put_under(scaled, np.diag([1.0, 2.0, 1.0, 1.0]))
    with pytest.raises(FAError, match="not rigid.*[Hh]arden"):
        geometry.roi_in_volume(scaled, volume)
    scaled.HardenTransform()
    geometry.roi_in_volume(scaled, volume)
    far = add_roi((900, 900, 900), (20.0, 20.0, 20.0))
    with pytest.raises(FAError, match="no voxel"):
        geometry.write_roi(far, volume, tmp_path / "roi.mrk.json")
    assert not (tmp_path / "roi.mrk.json").exists()
    put_under(volume, np.diag([1.0, 3.0, 1.0, 1.0]))
    with pytest.raises(FAError, match="not a box"):
        geometry.roi_in_volume(add_roi(middle(volume), (20.0, 20.0, 20.0), turn(0, 0, 30)), volume)


def test_a_scaled_volume_shrinks_the_box():
    volume = add_volume(brainlike(), GRIDS["ras"])
    put_under(volume, np.diag([2.0, 2.0, 2.0, 1.0]))
    box = geometry.roi_in_volume(add_roi(middle(volume), (20.0, 30.0, 40.0)), volume)
    np.testing.assert_allclose(box.size, (10, 15, 20))


def segmentation_with(mask, affine):
    labels = slicer.util.addVolumeFromArray(
        np.ascontiguousarray(mask.T).astype(np.uint8), ijkToRAS=affine, nodeClassName="vtkMRMLLabelMapVolumeNode"
    )
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S")
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labels, node)
    slicer.mrmlScene.RemoveNode(labels)
    return node, node.GetSegmentation().GetNthSegmentID(0)


def blob():
    mask = np.zeros(SHAPE, bool)
    mask[6:15, 10:22, 5:12] = True
    mask[15, 12, 8] = True
    return mask


@pytest.mark.parametrize("name", GRIDS)
def test_a_segment_on_the_same_grid_is_exact(tmp_path, name):
    volume = add_volume(brainlike(), GRIDS[name])
    node, segment = segmentation_with(blob(), GRIDS[name])
    before = slicer.mrmlScene.GetNumberOfNodes()
    for_both = put_under(volume, PARENT)
    node.SetAndObserveTransformNodeID(for_both.GetID())
    geometry.write_segment(node, segment, volume, tmp_path / "mask.nrrd")
    read, _ = load_volume(tmp_path / "mask.nrrd")
    np.testing.assert_array_equal(read.data > 0.5, blob())
    np.testing.assert_allclose(read.affine, GRIDS[name], atol=1e-9)
    assert slicer.mrmlScene.GetNumberOfNodes() == before + 1  # the transform


def test_a_segment_follows_its_own_transform_to_the_volumes_grid():
    volume = add_volume(brainlike(), GRIDS["oblique"])
    node, segment = segmentation_with(blob(), GRIDS["oblique"])
    about_its_middle = turn(0, 0, 25)
    about_its_middle[:3, 3] = middle(volume) - about_its_middle[:3, :3] @ middle(volume)
    put_under(volume, PARENT)
    put_under(node, PARENT @ about_its_middle)
    mask = geometry.segment_mask(node, segment, volume).T
    moved = np.linalg.inv(about_its_middle @ GRIDS["oblique"]) @ GRIDS["oblique"]
    source = np.rint(np.argwhere(np.ones(SHAPE, bool)) @ moved[:3, :3].T + moved[:3, 3]).astype(int)
    inside = ((source >= 0) & (source < SHAPE)).all(axis=1)
    expected = np.zeros(SHAPE, bool).ravel()
    expected[inside] = blob()[tuple(source[inside].T)]
    differ = (mask != expected.reshape(SHAPE)).sum()
    assert expected.sum() > 50 and differ < 0.03 * expected.sum()  # rounding at faces


def test_a_segment_known_only_as_a_surface_is_voxelised_without_touching_it():
    volume = add_volume(brainlike(), GRIDS["oblique"])
    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(middle(volume))
    sphere.SetRadius(15)
    sphere.SetThetaResolution(30)
    sphere.SetPhiResolution(30)
    sphere.Update()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    ball = slicer.vtkSegment()
    ball.AddRepresentation("Closed surface", sphere.GetOutput())
    node.GetSegmentation().AddSegment(ball, "ball")
    mask = geometry.segment_mask(node, "ball", volume)
    volume_mm3 = mask.sum() * abs(np.linalg.det(GRIDS["oblique"][:3, :3]))
    assert abs(volume_mm3 / (4 / 3 * np.pi * 15**3) - 1) < 0.1
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")


def test_an_empty_or_absent_segment_is_refused():
    volume = add_volume(brainlike(), GRIDS["oblique"])
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S")
    segment = node.GetSegmentation().AddEmptySegment("e", "nothing")
    with pytest.raises(FAError, match="nothing holds no voxel"):
        geometry.segment_mask(node, segment, volume)
    with pytest.raises(FAError, match="gone"):
        geometry.segment_mask(node, "another", volume)
