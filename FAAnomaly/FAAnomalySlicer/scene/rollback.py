"""Restores nodes when a change of several of them fails halfway."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import slicer
import vtk

from .segments import TRACTS_TAG


class Rollback:
    """The earlier state of nodes; calling it restores that state.

    It holds references to other nodes, attributes, and the contents that a result replaces: image and matrix of a
    volume, voxels and surfaces of segments, table, text; of a display its visibility. Contents are held by reference
    and not copied: code that changes a node has to give it a new image or table instead of writing into the old one.

    Parameters
    ----------
    nodes
        Nodes to be restored completely.
    holders
        Nodes of which only the references to others are restored.
    """

    def __init__(self, nodes: Iterable, holders: Iterable = ()) -> None:
        self._undo: list[Callable[[], None]] = []
        for node in nodes:
            self._undo += [_references(node), _attributes(node), *_contents(node)]
        self._undo += [_references(node) for node in holders]

    def __call__(self) -> None:
        """Restore everything. Nodes that were added meanwhile have to be removed before."""
        for undo in self._undo:
            undo()


def _references(node) -> Callable[[], None]:
    def present() -> dict[str, list[str]]:
        roles: list[str] = []
        node.GetNodeReferenceRoles(roles)
        return {
            role: [node.GetNthNodeReferenceID(role, n) for n in range(node.GetNumberOfNodeReferences(role))]
            for role in roles
        }

    before = present()

    def undo() -> None:
        for role in present():
            if role not in before:
                node.RemoveNodeReferenceIDs(role)
        for role, targets in before.items():
            for n, target in enumerate(targets):
                node.SetNthNodeReferenceID(role, n, target)
            for n in range(len(targets), node.GetNumberOfNodeReferences(role)):
                node.RemoveNthNodeReferenceID(role, n)

    return undo


def _attributes(node) -> Callable[[], None]:
    before = {name: node.GetAttribute(name) for name in node.GetAttributeNames()}

    def undo() -> None:
        for name in node.GetAttributeNames():
            if name not in before:
                node.RemoveAttribute(name)
        for name, value in before.items():
            node.SetAttribute(name, value)

    return undo


def _contents(node) -> Iterator[Callable[[], None]]:
    if node.IsA("vtkMRMLVolumeNode"):
        matrix, image = vtk.vtkMatrix4x4(), node.GetImageData()
        node.GetIJKToRASMatrix(matrix)
        yield lambda: node.SetIJKToRASMatrix(matrix)
        yield lambda: node.SetAndObserveImageData(image)
    elif node.IsA("vtkMRMLSegmentationNode"):
        description = node.GetDescription()
        yield _segments(node.GetSegmentation())
        yield lambda: node.SetDescription(description)
    elif node.IsA("vtkMRMLTableNode"):
        table = node.GetTable()
        yield lambda: node.SetAndObserveTable(table)
    elif node.IsA("vtkMRMLTextNode"):
        text = node.GetText()
        yield lambda: node.SetText(text)
    elif node.IsA("vtkMRMLDisplayNode"):
        visible = node.GetVisibility()
        yield lambda: node.SetVisibility(visible)


def _segments(segmentation) -> Callable[[], None]:
    geometry = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    reference = segmentation.GetConversionParameter(geometry)
    before = {}
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        names: list[str] = []
        segment.GetContainedRepresentationNames(names)
        told = vtk.reference("")
        tag = str(told) if segment.GetTag(TRACTS_TAG, told) else ""
        representations = {name: segment.GetRepresentation(name) for name in names}
        before[segment_id] = segment.GetLabelValue(), tag, representations

    def undo() -> None:
        segmentation.SetConversionParameter(geometry, reference)
        for segment_id in segmentation.GetSegmentIDs():
            if segment_id not in before:
                segmentation.RemoveSegment(segment_id)
        for segment_id, (value, tag, representations) in before.items():
            segment = segmentation.GetSegment(segment_id)
            segment.SetLabelValue(value)
            segment.SetTag(TRACTS_TAG, tag)
            segment.RemoveAllRepresentations()
            for name, representation in representations.items():
                segment.AddRepresentation(name, representation)

    return undo
