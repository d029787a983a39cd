"""Fractional anisotropy of a diffusion tensor volume, by Slicer's own tensor mathematics."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from FAAnomalyLib.errors import FAError

from ..events.scheduling import Steps
from . import geometry

SLAB_VOXELS = 100_000
"""Voxels between two turns of the event loop: some 20 ms."""
ROLE = "FAAnomaly.fa"
"""Reference of the tensor volume to its FA volume, so that a second run updates the same volume."""
SOURCE = "FAAnomaly.tensors"


def is_tensor_volume(node) -> bool:
    """Whether *node* is a ``vtkMRMLDiffusionTensorVolumeNode``."""
    return bool(node) and bool(node.IsA("vtkMRMLDiffusionTensorVolumeNode"))


def fa_steps(tensorNode) -> Steps[Any]:
    """The FA of *tensorNode* as a ``vtkMRMLScalarVolumeNode`` of the same geometry and parent transform.

    A generator of steps of some 20 ms that yields the fraction done, and whose value is the node: a new one on the
    first call, the same one later. Nothing is added to the scene before the last step.

    Raises
    ------
    FAError
        ``bad-input`` when there are no tensors, or the tensor volume is removed meanwhile.
    """
    import vtkTeem  # a module of its own: ``slicer`` has none of its classes

    image = tensorNode.GetImageData()
    if image is None or image.GetPointData().GetTensors() is None:
        raise FAError(
            "bad-input",
            _("{name} holds no tensors").format(name=tensorNode.GetName()),
            "",
            _("Choose a diffusion tensor volume or an FA map"),
        )
    geometry.check_transforms(tensorNode)
    mathematics = vtkTeem.vtkDiffusionTensorMathematics()
    mathematics.SetInputData(image)
    mathematics.SetOperationToFractionalAnisotropy()
    extent = list(image.GetExtent())
    fa = np.empty(image.GetDimensions()[::-1], np.float32)
    slices = max(SLAB_VOXELS // (fa.shape[1] * fa.shape[2]), 1)
    for k in range(0, len(fa), slices):
        until = min(k + slices, len(fa))
        mathematics.UpdateExtent([*extent[:4], extent[4] + k, extent[4] + until - 1])
        slab = vtk_to_numpy(mathematics.GetOutput().GetPointData().GetScalars())
        fa[k:until] = slab.reshape(until - k, *fa.shape[1:])
        yield until / len(fa)
    np.nan_to_num(fa, copy=False, nan=0.0)
    return _node(tensorNode, fa)


def _node(tensorNode, fa: np.ndarray):
    scene = tensorNode.GetScene()
    if scene is None:
        raise FAError("bad-input", _("The tensor volume was removed"), "", _("Choose another volume"))
    node = tensorNode.GetNodeReference(ROLE)
    # A copy of the tensor volume refers to the FA of its original, which must not change.
    if node is None or node.GetNodeReferenceID(SOURCE) != tensorNode.GetID():
        node = scene.AddNewNodeByClass(
            "vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(_("{name} FA").format(name=tensorNode.GetName()))
        )
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAutoWindowLevel(False)
        node.GetDisplayNode().SetWindowLevelMinMax(0.0, 1.0)
        tensorNode.SetNodeReferenceID(ROLE, node.GetID())
        node.SetNodeReferenceID(SOURCE, tensorNode.GetID())
    slicer.util.updateVolumeFromArray(node, fa)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry.ijk_to_ras(tensorNode)))
    node.SetAndObserveTransformNodeID(tensorNode.GetTransformNodeID())
    return node
