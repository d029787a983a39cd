"""The subject hierarchy folder of a result, beside its input."""

from __future__ import annotations

import slicer
import vtk
from slicer.i18n import tr as _

FOLDER_ATTRIBUTE = "FAAnomaly.results"
NO_ITEM = 0
"""No item; also when the scene has no subject hierarchy."""


def result_folder(nodes) -> int:
    """The result folder that contains one of *nodes*, 0 when there is none."""
    for node in nodes:
        hierarchy = _hierarchy(node.GetScene())
        item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else NO_ITEM
        parent = hierarchy.GetItemParent(item) if item else NO_ITEM
        if parent and hierarchy.HasItemAttribute(parent, FOLDER_ATTRIBUTE):
            return parent
    return NO_ITEM


def all_items(scene) -> set[int]:
    """Every item of the subject hierarchy."""
    hierarchy = _hierarchy(scene)
    if hierarchy is None:
        return set()
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    return {items.GetId(number) for number in range(items.GetNumberOfIds())}


def remove_new_items(scene, items: set[int]) -> None:
    """Remove every item of the subject hierarchy that is not among *items*."""
    for item in all_items(scene) - items:
        _hierarchy(scene).RemoveItem(item)


def gather_in_folder(scene, inputNode, name: str, nodes, earlier) -> int:
    """Put *nodes* into one folder beside *inputNode*, called after *name*, and return its item.

    The folder of the *earlier* nodes is used again, and these nodes stay where the user moved them.
    """
    hierarchy = _hierarchy(scene)
    if hierarchy is None:
        return NO_ITEM
    nodes, earlier = list(nodes), list(earlier)
    folder = result_folder(earlier)
    if not folder and len(earlier) == len(nodes):
        return NO_ITEM  # the user has moved them all out of it
    if not folder:
        folder = hierarchy.CreateFolderItem(_parent_item(hierarchy, inputNode), _("{name} FAAnomaly").format(name=name))
        hierarchy.SetItemAttribute(folder, FOLDER_ATTRIBUTE, "1")
    for node in nodes:
        # In Slicer the item exists already, and CreateItem returns it.
        item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(folder, node)
        if node not in earlier:
            hierarchy.SetItemParent(item, folder)
    return folder


def put_into_folder(scene, folder: int, node) -> None:
    """Put *node* into the *folder* of a result; without effect where there is none."""
    hierarchy = _hierarchy(scene)
    if folder and hierarchy is not None:
        item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(folder, node)
        hierarchy.SetItemParent(item, folder)


def rename_folder(scene, folder: int, prefix: str, suffix: str) -> None:
    """Append *suffix* to the name of a result's folder that begins with *prefix*."""
    hierarchy = _hierarchy(scene)
    if hierarchy is not None and folder and hierarchy.GetItemName(folder).startswith(prefix):
        hierarchy.SetItemName(folder, hierarchy.GetItemName(folder) + suffix)


def remove_empty_folder(scene, folder: int) -> None:
    """Remove a result's folder unless something lies in it."""
    hierarchy = _hierarchy(scene)
    if hierarchy is not None and folder and not hierarchy.GetNumberOfItemChildren(folder):
        hierarchy.RemoveItem(folder)


def _hierarchy(scene):
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene) if scene is not None else None


def _parent_item(hierarchy, inputNode) -> int:
    item = hierarchy.GetItemByDataNode(inputNode) if inputNode is not None else NO_ITEM
    return (hierarchy.GetItemParent(item) if item else NO_ITEM) or hierarchy.GetSceneItemID()
