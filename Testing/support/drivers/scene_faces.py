"""What a scene says about the module's results and parameters, as plain values; asked of MRML alone."""

from __future__ import annotations

import slicer
import slicer.util
import vtk

PREFIX = "FAAnomaly"
PARAMETERS = "vtkMRMLScriptedModuleNode"


def scene_contents() -> dict:
    """Everything in the scene that bears the module's name: attributes, references, parameters, segments, columns."""
    scene = slicer.mrmlScene
    found: dict = {"nodes": {}, "folders": folders()}
    for node in scene.GetNodes():
        told = {}
        attributes = {name: node.GetAttribute(name) for name in sorted(node.GetAttributeNames())}
        if node.IsA(PARAMETERS):
            if node.GetSingletonTag() != PREFIX:
                continue
            told["parameters"] = {name: node.GetParameter(name) for name in sorted(node.GetParameterNames())}
            told["attributes"] = attributes
        else:
            told["attributes"] = {name: value for name, value in attributes.items() if name.startswith(PREFIX)}
        references = references_of(node)
        told["references"] = (
            references
            if node.IsA(PARAMETERS)
            else {role: names for role, names in references.items() if role.startswith(PREFIX)}
        )
        told = {name: value for name, value in told.items() if value}
        if told:
            told |= {"class": node.GetClassName(), "tag": node.GetSingletonTag()}
            if node.IsA("vtkMRMLSegmentationNode"):
                told["segments"] = segments_of(node)
            if node.IsA("vtkMRMLTableNode"):
                told["columns"] = columns_of(node)
            found["nodes"][node.GetName()] = told
    return found


def references_of(node) -> dict[str, list[str]]:
    """Role -> names of the nodes that *node* refers to."""
    roles: list[str] = []
    node.GetNodeReferenceRoles(roles)
    found = {}
    for role in sorted(roles):
        targets = [node.GetNthNodeReference(role, number) for number in range(node.GetNumberOfNodeReferences(role))]
        if any(targets):
            found[role] = [target.GetName() for target in targets if target is not None]
    return found


def segments_of(node) -> dict[str, dict]:
    """Segment id -> name, label value, terminology, colour."""
    found = {}
    segmentation = node.GetSegmentation()
    for name in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(name)
        text = vtk.reference("")
        segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), text)
        found[name] = {
            "name": segment.GetName(),
            "label": segment.GetLabelValue(),
            "terminology": str(text),
            "colour": [round(255 * part) for part in segment.GetColor()],
        }
    return found


def columns_of(node) -> dict[str, str]:
    """Column -> class of its array."""
    table = node.GetTable()
    return {
        table.GetColumnName(number): table.GetColumn(number).GetDataTypeAsString()
        for number in range(table.GetNumberOfColumns())
    }


def folders() -> dict[str, dict]:
    """Folders of results in the subject hierarchy: where they lie, their mark, what is in them."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    found = {}
    for item in (items.GetId(number) for number in range(items.GetNumberOfIds())):
        names = [name for name in hierarchy.GetItemAttributeNames(item) if name.startswith(PREFIX)]
        if names and hierarchy.GetItemDataNode(item) is None:
            members = vtk.vtkIdList()
            hierarchy.GetItemChildren(item, members, False)
            found[hierarchy.GetItemName(item)] = {
                "attributes": {name: hierarchy.GetItemAttribute(item, name) for name in names},
                "in": hierarchy.GetItemName(hierarchy.GetItemParent(item)),
                "members": sorted(hierarchy.GetItemName(members.GetId(n)) for n in range(members.GetNumberOfIds())),
            }
    return found
