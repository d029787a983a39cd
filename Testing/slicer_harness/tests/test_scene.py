"""Real MRML in the fake application: reading, writing, the subject hierarchy, an empty scene for every test."""

from __future__ import annotations

import slicer_harness

slicer_harness.require()

import nibabel
import numpy as np
import pytest
import slicer


@pytest.fixture
def affine() -> np.ndarray:
    """Oblique, anisotropic, left-handed, (i, j, k) to RAS mm."""
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([-2.0, 1.5, 2.5])
    matrix[:3, 3] = (80, -60, -40)
    return matrix


def hierarchy():
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def test_a_nifti_is_read_by_slicers_own_storage_node(scene, affine, tmp_path):
    data = np.random.default_rng(0).random((5, 6, 7), dtype=np.float32)
    nibabel.save(nibabel.Nifti1Image(data, affine), tmp_path / "fa.nii.gz")
    node = slicer.util.loadVolume(str(tmp_path / "fa.nii.gz"), {"show": False})
    assert node.GetName() == "fa"
    assert scene.GetNodeByID(node.GetID()) is node
    assert node.GetStorageNode().GetFileName() == str(tmp_path / "fa.nii.gz")
    # The reader makes the axes right-handed: it turns the third one round.
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), data.T[::-1])


def test_a_file_that_is_none_is_refused(scene, tmp_path):
    (tmp_path / "bad.nii.gz").write_bytes(b"no volume")
    for path in ("bad.nii.gz", "absent.nii.gz"):
        with pytest.raises(RuntimeError):
            slicer.util.loadVolume(str(tmp_path / path), {})
    assert scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0


def test_volumes_tables_segmentations_and_markups_are_written_and_read(scene, tmp_path):
    volume = slicer.util.addVolumeFromArray(np.ones((3, 4, 5), np.float32))
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "regions")
    slicer.util.updateTableFromArray(table, (np.arange(3.0), np.arange(3.0)), ["a", "b"])
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "s")
    segmentation.GetSegmentation().AddEmptySegment("one", "One")
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    roi.SetSize(10, 20, 30)
    for node, name, load in (
        (volume, "v.nrrd", slicer.util.loadVolume),
        (table, "t.csv", slicer.util.loadTable),
        (roi, "r.mrk.json", slicer.util.loadMarkups),
        (segmentation, "s.seg.nrrd", slicer.util.loadSegmentation),
    ):
        assert slicer.util.saveNode(node, str(tmp_path / name), {}), name
        assert load(str(tmp_path / name)).IsA(node.GetClassName())
    assert slicer.util.exportNode(volume, str(tmp_path / "w.nii.gz"), {})
    assert volume.GetStorageNode().GetFileName().endswith("v.nrrd")
    assert nibabel.load(tmp_path / "w.nii.gz").shape == (5, 4, 3)


def test_a_bundle_keeps_nodes_parameters_and_folders(scene, tmp_path):
    volume = slicer.util.addVolumeFromArray(np.ones((3, 4, 5), np.float32), name="fa")
    folder = hierarchy().CreateFolderItem(hierarchy().GetSceneItemID(), "Results")
    hierarchy().SetItemParent(hierarchy().GetItemByDataNode(volume), folder)
    parameters = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "P")
    parameters.SetParameter("threshold", "5")
    parameters.SetNodeReferenceID("input", volume.GetID())
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear()
    assert scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    parameters = scene.GetFirstNodeByName("P")
    volume = parameters.GetNodeReference("input")
    assert parameters.GetParameter("threshold") == "5"
    assert slicer.util.arrayFromVolume(volume).shape == (3, 4, 5)
    item = hierarchy().GetItemByDataNode(volume)
    assert hierarchy().GetItemName(hierarchy().GetItemParent(item)) == "Results"


def test_data_nodes_have_items_in_the_subject_hierarchy(scene):
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "fa")
    hidden = slicer.vtkMRMLScalarVolumeNode()
    hidden.SetHideFromEditors(True)
    scene.AddNode(hidden)
    parameters = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    item = hierarchy().GetItemByDataNode(volume)
    assert hierarchy().GetItemParent(item) == hierarchy().GetSceneItemID()
    assert not hierarchy().GetItemByDataNode(hidden)
    assert not hierarchy().GetItemByDataNode(parameters)
    scene.RemoveNode(volume)
    assert hierarchy().GetNumberOfItems() == 0


def test_a_closed_scene_has_an_empty_hierarchy(scene):
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "fa")
    slicer.mrmlScene.Clear()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSubjectHierarchyNode") == 1
    assert hierarchy().GetNumberOfItems() == 0


@pytest.mark.parametrize("time", [1, 2])
def test_every_test_begins_with_an_empty_scene(scene, time):
    assert scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0
    assert scene.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode") == 0
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode").SetSingletonTag("x")


def test_logics_are_found_where_slicer_has_them(scene):
    assert slicer.modules.segmentations.logic().IsA("vtkSlicerSegmentationsModuleLogic")
    assert slicer.app.applicationLogic().GetModuleLogic("Volumes") is slicer.modules.volumes.logic()
    assert "Markups" in slicer.app.moduleManager().modulesNames()
    assert slicer.app.moduleManager().module("NoSuchModule") is None
    with pytest.raises(AttributeError):
        slicer.modules.nosuchmodule  # noqa: B018


def test_segments_can_be_read_through_slicer_util(scene):
    volume = slicer.util.addVolumeFromArray(np.zeros((4, 4, 4), np.float32))
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segmentation.GetSegmentation().AddEmptySegment("one")
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[1:3, 1:3, 2] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, "one", volume)
    np.testing.assert_array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "one", volume), mask)


def test_module_names_of_slicers_libraries_exist(scene):
    import vtkITK
    import vtkSegmentationCorePython
    import vtkTeem

    assert vtkITK.vtkITKLabelShapeStatistics
    assert vtkTeem.vtkDiffusionTensorMathematics
    for absent in ("vtkITK", "vtkITKLabelShapeStatistics", "vtkTeem", "vtkDiffusionTensorMathematics"):
        assert not hasattr(slicer, absent), "Slicer's own namespace has no class of these libraries"
    assert vtkSegmentationCorePython.vtkSegment is slicer.vtkSegment
