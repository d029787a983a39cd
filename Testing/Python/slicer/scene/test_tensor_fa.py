"""A diffusion tensor volume becomes an FA volume in the same place."""

import slicer_harness

slicer_harness.require()

import time

import numpy as np
import pytest
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from FAAnomalyLib.errors import FAError
from FAAnomalySlicer.events.scheduling import run_to_end
from FAAnomalySlicer.scene.tensor_fa import ROLE, fa_steps, is_tensor_volume
from support.phantoms.mrml_volumes import GRIDS, PARENT, SHAPE, put_under, world_of


def fa_volume(node):
    return run_to_end(fa_steps(node))


def add_tensors(shape=SHAPE, affine=GRIDS["oblique left-handed anisotropic"], seed=0):
    """A tensor volume node and the FA of its tensors from their eigenvalues, (x, y, z)."""
    rng = np.random.default_rng(seed)
    eigenvalues = rng.uniform(0.2, 2.0, (*shape, 3))
    frames = np.linalg.qr(rng.standard_normal((*shape, 3, 3)))[0]
    tensors = np.einsum("...ik,...k,...jk->...ij", frames, eigenvalues, frames).astype(np.float32)
    mean = eigenvalues.mean(-1, keepdims=True)
    fa = np.sqrt(1.5 * ((eigenvalues - mean) ** 2).sum(-1) / (eigenvalues**2).sum(-1))
    image = vtk.vtkImageData()
    image.SetDimensions(shape)
    array = numpy_to_vtk(np.ascontiguousarray(tensors.transpose(2, 1, 0, 3, 4)).reshape(-1, 9), deep=True)
    image.GetPointData().SetTensors(array)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLDiffusionTensorVolumeNode", "Doe")
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(affine))
    return node, fa


def test_fa_is_that_of_the_eigenvalues_and_lies_where_the_tensors_lie(scene):
    node, expected = add_tensors()
    put_under(node, PARENT)
    fa = fa_volume(node)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(fa).T, expected, atol=1e-5)
    np.testing.assert_allclose(world_of(fa), world_of(node))
    assert fa.IsA("vtkMRMLScalarVolumeNode") and fa.GetName() == "Doe FA"
    assert is_tensor_volume(node) and not is_tensor_volume(fa) and not is_tensor_volume(None)


def test_a_second_call_updates_the_same_node(scene):
    node, _ = add_tensors()
    first = fa_volume(node)
    count = scene.GetNumberOfNodes()
    other, expected = add_tensors(seed=1)
    node.SetAndObserveImageData(other.GetImageData())
    scene.RemoveNode(other)
    assert fa_volume(node) is first and scene.GetNumberOfNodes() == count
    np.testing.assert_allclose(slicer.util.arrayFromVolume(first).T, expected, atol=1e-5)
    scene.RemoveNode(first)
    assert fa_volume(node).GetScene() is scene


def test_a_copy_of_the_tensors_gets_an_fa_of_its_own(scene):
    node, _ = add_tensors()
    first = fa_volume(node)
    copy = scene.AddNewNodeByClass("vtkMRMLDiffusionTensorVolumeNode", "copy")
    copy.Copy(node)
    assert copy.GetNodeReference(ROLE) is first
    assert fa_volume(copy) is not first
    assert fa_volume(node) is first


def test_an_extent_that_begins_elsewhere(scene):
    node, expected = add_tensors()
    inner = vtk.vtkExtractVOI()
    inner.SetInputData(node.GetImageData())
    inner.SetVOI(3, 20, 4, 25, 5, 18)
    inner.Update()
    node.SetAndObserveImageData(inner.GetOutput())
    fa = fa_volume(node)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(fa).T, expected[3:21, 4:26, 5:19], atol=1e-5)
    place = vtk.vtkMatrix4x4()
    fa.GetIJKToRASMatrix(place)
    np.testing.assert_allclose(
        [place.GetElement(r, 3) for r in range(3)], (GRIDS["oblique left-handed anisotropic"] @ [3, 4, 5, 1])[:3]
    )


def test_no_tensors_no_node(scene):
    node = scene.AddNewNodeByClass("vtkMRMLDiffusionTensorVolumeNode", "bare")
    count = scene.GetNumberOfNodes()
    with pytest.raises(FAError, match="bare holds no tensors"):
        fa_volume(node)
    assert scene.GetNumberOfNodes() == count


def test_tensors_removed_on_the_way_leave_no_node(scene):
    node, _ = add_tensors((64, 64, 64))
    count = scene.GetNumberOfNodes()
    steps = fa_steps(node)
    next(steps)
    scene.RemoveNode(node)
    with pytest.raises(FAError, match="removed"):
        list(steps)
    assert scene.GetNumberOfNodes() == count - 1


@pytest.mark.slow
def test_no_step_keeps_the_event_loop_waiting(scene):
    node, _ = add_tensors((128, 128, 40))
    steps, longest = fa_steps(node), 0.0
    for _ in range(1000):
        begin = time.thread_time()
        done = next(steps, None) is None
        longest = max(longest, time.thread_time() - begin)
        if done:
            break
    assert done and longest < slicer_harness.HELD_UP
