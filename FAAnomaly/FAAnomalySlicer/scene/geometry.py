"""Volume nodes as plain arrays, and regions in the volume's local frame.

The engine works in the volume's *local* frame, that of its IJKToRAS matrix, before any parent
transform; its results get the same parent transform as the input. Regions drawn in the world are
transformed into that frame here. Nothing is read from the user's files: Slicer flips an axis of
left-handed NIfTI files, so only the node's own voxels and matrix belong together.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.volume import check_affine

from .nrrd_writer import write_nrrd

RIGID_TOLERANCE = 1e-3
"""Largest deviation of a matrix' axes from orthogonal unit vectors."""


@dataclass(frozen=True, eq=False)
class InputRecord:
    """The input at the start of a run, to detect later changes.

    Attributes
    ----------
    node_id, name
        Of the volume node.
    shape
        Voxels along i, j and k, as the engine's (x, y, z).
    ijk_to_ras
        float64 (4, 4), from the array's first voxel; RAS mm in the volume's local frame.
    image_mtime
        Modification time of image and voxels.
    parent_to_world
        float64 (4, 4) of the parent transform.
    """

    node_id: str
    name: str
    shape: tuple[int, int, int]
    ijk_to_ras: np.ndarray = field(repr=False)
    image_mtime: int
    parent_to_world: np.ndarray = field(repr=False)


def voxels(volumeNode) -> np.ndarray:
    """The node's scalar voxels as a view, indexed (k, j, i).

    Raises ``FAError('bad-input')`` when there is no image, or not exactly one number per voxel.
    """
    image: Any = volumeNode.GetImageData() if volumeNode else None
    scalars = image.GetPointData().GetScalars() if image else None
    if scalars is None or image.GetNumberOfPoints() == 0:
        raise FAError("bad-input", _("The volume holds no image"), "", _("Choose or load a volume"))
    if scalars.GetNumberOfComponents() != 1:
        raise FAError(
            "bad-input",
            _("The volume does not hold one plain number per voxel"),
            _("it holds {count}").format(count=scalars.GetNumberOfComponents()),
            _("Choose the fractional anisotropy map"),
        )
    return vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1])


def ijk_to_ras(volumeNode) -> np.ndarray:
    """float64 (4, 4) from the array's voxel indices (i, j, k) to RAS mm in the node's local frame.

    An image whose extent does not begin at 0 is honoured: index 0 is the array's first voxel.
    """
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    affine = slicer.util.arrayFromVTKMatrix(matrix).astype(np.float64)
    affine[:3, 3] += affine[:3, :3] @ np.array(volumeNode.GetImageData().GetExtent()[::2], dtype=np.float64)
    return affine


def parent_to_world(node) -> np.ndarray:
    """float64 (4, 4) of the node's parent transforms, identity without one; they must be linear."""
    matrix = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(node.GetParentTransformNode(), None, matrix)
    return slicer.util.arrayFromVTKMatrix(matrix).astype(np.float64)


def check_transforms(node) -> None:
    """Raise ``FAError('bad-request')`` when *node* lies under a non-linear transform."""
    if not _linear(node):
        raise FAError(
            "bad-request",
            _("{name} lies under a non-linear transform").format(name=node.GetName()),
            _("a warped grid has no straight voxel axes"),
            _("Harden the transform on it (Data module, right click) or resample it first"),
        )


def record_input(volumeNode) -> InputRecord:
    """Record the volume as it is now. Raises ``FAError`` when the engine cannot take it."""
    check_transforms(volumeNode)
    shape = voxels(volumeNode).shape[::-1]
    affine = ijk_to_ras(volumeNode)
    check_affine(affine)
    return InputRecord(
        volumeNode.GetID(),
        volumeNode.GetName(),
        shape,
        affine,
        volumeNode.GetImageData().GetMTime(),
        parent_to_world(volumeNode),
    )


def describe_change(record: InputRecord, scene) -> str | None:
    """How the input has changed since, as a sentence for the user; None when it has not."""
    node = scene.GetNodeByID(record.node_id)
    if node is None:
        return _("{name} was removed during the run.").format(name=record.name)
    image = node.GetImageData()
    if image is None or image.GetMTime() != record.image_mtime:
        return _("The voxels of {name} changed during the run; the result belongs to the earlier ones.").format(
            name=node.GetName()
        )
    if not np.allclose(ijk_to_ras(node), record.ijk_to_ras, rtol=0, atol=1e-6):
        return _("{name} was moved or rescaled during the run; the result lies where it was.").format(
            name=node.GetName()
        )
    if not _linear(node):
        return _("{name} was put under a non-linear transform during the run.").format(name=node.GetName())
    if not np.allclose(parent_to_world(node), record.parent_to_world, rtol=0, atol=1e-6):
        return _("The transform of {name} changed during the run; the result moves with it.").format(
            name=node.GetName()
        )
    return None


@dataclass(frozen=True, eq=False)
class OrientedBox:
    """A box in a volume's local frame, in any orientation.

    Attributes
    ----------
    center
        RAS mm, shape (3,).
    axes
        Shape (3, 3); the columns are the directions of the edges, orthogonal unit vectors.
    size
        Full edge lengths in mm, shape (3,).
    inside_out
        Whether the region is everything outside the box.
    """

    center: np.ndarray
    axes: np.ndarray
    size: np.ndarray
    inside_out: bool


def roi_in_volume(roiNode, volumeNode) -> OrientedBox:
    """The box of a ``vtkMRMLMarkupsROINode`` in the local frame of *volumeNode*, all transforms applied.

    Raises ``FAError('bad-request')`` when the ROI has no size yet, or when it is no box in that frame:
    under a parent transform that scales, shears or warps, Slicer's own definitions of the box
    contradict each other.
    """
    harden = _("Harden the transform on the ROI (Data module, right click), or draw it again")
    name = roiNode.GetName()
    size = np.array(roiNode.GetSize(), dtype=np.float64)
    if not (size > 0).all():
        raise FAError(
            "bad-request",
            _("{name} has no size yet").format(name=name),
            "",
            _("Place its two corners in the slice views"),
        )
    if not _linear(roiNode) or not _rigid(parent_to_world(roiNode)):
        raise FAError(
            "bad-request",
            _("{name} lies under a transform that is not rigid").format(name=name),
            _("it scales, shears or warps, and then it is not one box"),
            harden,
        )
    check_transforms(volumeNode)
    matrix = slicer.util.arrayFromVTKMatrix(roiNode.GetObjectToWorldMatrix())
    local = np.linalg.inv(parent_to_world(volumeNode)) @ matrix
    lengths = np.linalg.norm(local[:3, :3], axis=0)
    axes = local[:3, :3] / lengths
    if np.abs(axes.T @ axes - np.eye(3)).max() > RIGID_TOLERANCE:
        raise FAError(
            "bad-request",
            _("{name} is not a box in the volume").format(name=name),
            _("the volume's transform stretches it along other axes than its own"),
            _("Harden the volume's transform or turn the ROI along the volume's axes"),
        )
    return OrientedBox(local[:3, 3], axes, size * lengths, bool(roiNode.GetInsideOut()))


def box_mask(box: OrientedBox, shape_kji: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """Bool array (k, j, i): the voxels whose centre lies in the box, or outside when it is inside out."""
    inside = np.zeros(shape_kji, dtype=bool)
    # Only the voxels between the box's corners are tested, so that it is fast in a large volume.
    corners = np.array(np.meshgrid(*[(-0.5, 0.5)] * 3)).reshape(3, -1) * box.size[:, None]
    indices = np.linalg.inv(affine) @ np.vstack([box.center[:, None] + box.axes @ corners, np.ones(8)])
    low = np.maximum(np.floor(indices[:3].min(axis=1)).astype(int), 0)
    high = np.minimum(np.ceil(indices[:3].max(axis=1)).astype(int) + 1, shape_kji[::-1])
    if (low < high).all():
        turn = box.axes.T @ affine[:3, :3]
        start = box.axes.T @ (affine[:3, 3] - box.center)
        near = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
        (k, j, i), part = np.ogrid[near], inside[near]
        part[...] = True
        for (di, dj, dk), begin, edge in zip(turn, start, box.size, strict=True):
            # A nanometre of tolerance, as in the engine: rounding must not exclude a centre on a face.
            part &= np.abs(di * i + dj * j + dk * k + begin) <= edge / 2 + 1e-6
    return ~inside if box.inside_out else inside


def roi_mask(roiNode, volumeNode) -> np.ndarray:
    """Bool array (k, j, i) of the volume's voxels in the ROI. Raises as :func:`roi_in_volume`."""
    return box_mask(roi_in_volume(roiNode, volumeNode), voxels(volumeNode).shape, ijk_to_ras(volumeNode))


def write_roi(roiNode, volumeNode, path: str | os.PathLike) -> OrientedBox:
    """Write the ROI in the volume's local frame as ``.mrk.json``, which the engine and Slicer read.

    Raises as :func:`roi_in_volume`, and ``FAError('bad-request')`` when it contains no voxel of the volume.
    """
    box = roi_in_volume(roiNode, volumeNode)
    if not box_mask(box, voxels(volumeNode).shape, ijk_to_ras(volumeNode)).any():
        raise FAError(
            "bad-request",
            _("{name} holds no voxel of the volume").format(name=roiNode.GetName()),
            _("it lies beside the volume or between the centres of its voxels"),
            _("Move or enlarge the ROI"),
        )
    markup = {
        "type": "ROI",
        "coordinateSystem": "RAS",
        "coordinateUnits": "mm",
        "roiType": "Box",
        "center": box.center.tolist(),
        "orientation": box.axes.ravel().tolist(),
        "size": box.size.tolist(),
        "insideOut": box.inside_out,
    }
    Path(path).write_text(json.dumps({"markups": [markup]}), encoding="utf-8")
    return box


def segment_mask(segmentationNode, segmentId: str, volumeNode) -> np.ndarray:
    """Bool array (k, j, i): the segment on the volume's grid, nearest neighbour, all transforms applied.

    The user's segmentation is not touched and no node is added. Raises ``FAError('bad-request')``
    when there is no such segment or it holds no voxel of the volume.
    """
    check_transforms(volumeNode)
    segment = segmentationNode.GetSegmentation().GetSegment(segmentId)
    if segment is None:
        raise FAError("bad-request", _("The segment is gone"), "", _("Choose another segment"))
    source = _labelmap(segmentationNode, segmentId, volumeNode)
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        segmentationNode.GetParentTransformNode(), volumeNode.GetParentTransformNode(), transform
    )
    resampled = slicer.vtkOrientedImageData()
    mask = None
    if source is not None and slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        source, _grid(volumeNode), resampled, False, False, transform
    ):
        scalars = resampled.GetPointData().GetScalars()
        mask = vtk_to_numpy(scalars).reshape(resampled.GetDimensions()[::-1]) > 0
    if mask is None or not mask.any():
        what = _("The segment {name} holds no voxel of the volume").format(name=segment.GetName())
        raise FAError(
            "bad-request",
            what,
            _("it is empty or lies beside the volume"),
            _("Paint it over the brain, or choose another"),
        )
    return mask


def write_segment(segmentationNode, segmentId: str, volumeNode, path: str | os.PathLike) -> None:
    """Write the segment as a mask (NRRD, uint8) on the volume's grid. Raises as :func:`segment_mask`."""
    write_nrrd(segment_mask(segmentationNode, segmentId, volumeNode), ijk_to_ras(volumeNode), path)


def _labelmap(segmentationNode, segmentId, volumeNode):
    """The single segment as a vtkOrientedImageData with values 0 and 1, None when it is empty."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    single = slicer.vtkSegmentation()
    single.SetSourceRepresentationName(segmentationNode.GetSegmentation().GetSourceRepresentationName())
    single.CopySegmentFromSegmentation(segmentationNode.GetSegmentation(), segmentId)
    if not single.ContainsRepresentation(name):
        single.SetConversionParameter(
            slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName(),
            slicer.vtkSegmentationConverter.SerializeImageGeometry(_grid(volumeNode)),
        )
        if not single.CreateRepresentation(name):
            return None
    holder = slicer.vtkMRMLSegmentationNode()
    holder.SetAndObserveSegmentation(single)
    image = slicer.vtkOrientedImageData()
    return image if holder.GetBinaryLabelmapRepresentation(segmentId, image) and image.GetNumberOfPoints() else None


def _grid(volumeNode):
    """The volume's grid in its local frame as an empty vtkOrientedImageData whose extent begins at 0."""
    grid = slicer.vtkOrientedImageData()
    grid.SetDimensions(volumeNode.GetImageData().GetDimensions())
    grid.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras(volumeNode)))
    return grid


def _linear(node) -> bool:
    transform = node.GetParentTransformNode()
    return transform is None or bool(transform.IsTransformToWorldLinear())


def _rigid(matrix: np.ndarray) -> bool:
    return bool(np.abs(matrix[:3, :3].T @ matrix[:3, :3] - np.eye(3)).max() <= RIGID_TOLERANCE)
