"""The scene's contents as plain values, so that a test can say that nothing has changed."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util
import vtk


def everything(scene) -> dict:
    """What a user can see or save of the scene's data nodes, and their folders."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    found = {}
    for node in scene.GetNodes():
        if node.IsA("vtkMRMLSubjectHierarchyNode") or node.GetSingletonTag():
            continue
        roles: list[str] = []
        node.GetNodeReferenceRoles(roles)
        told = {
            "name": node.GetName(),
            "frozen": node.GetDisableModifiedEvent(),
            "attributes": {name: node.GetAttribute(name) for name in node.GetAttributeNames()},
            "references": {
                role: [node.GetNthNodeReferenceID(role, n) for n in range(node.GetNumberOfNodeReferences(role))]
                for role in roles
            },
        }
        told["references"] = {role: ids for role, ids in told["references"].items() if ids}
        if node.IsA("vtkMRMLVolumeNode"):
            matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
            node.GetIJKToRASMatrix(matrix)
            told["place"] = slicer.util.arrayFromVTKMatrix(matrix).tolist()
            told["voxels"] = slicer.util.arrayFromVolume(node).tobytes()
        elif node.IsA("vtkMRMLSegmentationNode"):
            segmentation = node.GetSegmentation()
            told["geometry"] = segmentation.GetConversionParameter("Reference image geometry")
            for segment_id in segmentation.GetSegmentIDs():
                segment = segmentation.GetSegment(segment_id)
                names: list[str] = []
                segment.GetContainedRepresentationNames(names)
                told[segment_id] = (
                    segment.GetName(),
                    segment.GetLabelValue(),
                    names,
                    node.GetSegmentCenter(segment_id),
                    slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, segment_id).tobytes(),
                )
        elif node.IsA("vtkMRMLTableNode"):
            table = node.GetTable()
            told["rows"] = [
                [str(table.GetValue(row, column)) for column in range(table.GetNumberOfColumns())]
                for row in range(table.GetNumberOfRows())
            ]
        elif node.IsA("vtkMRMLTextNode"):
            told["text"] = node.GetText()
        elif node.IsA("vtkMRMLVolumeDisplayNode"):
            told["window"] = node.GetWindowLevelMin(), node.GetWindowLevelMax()
        item = hierarchy.GetItemByDataNode(node)
        told["folder"] = hierarchy.GetItemName(hierarchy.GetItemParent(item)) if item else None
        found[node.GetID()] = told
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    found["items"] = sorted(hierarchy.GetItemName(items.GetId(n)) for n in range(items.GetNumberOfIds()))
    return found
