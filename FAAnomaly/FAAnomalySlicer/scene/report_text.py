"""The engine's report of a run, stored in the scene as text: it can be exported later, also from a saved scene."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

ROLE = "FAAnomaly.report"
INPUT = "FAAnomaly.input"


def report_of(inputNode):
    """The ``vtkMRMLTextNode`` with the HTML page of the last run on *inputNode*; None when there is none."""
    node = inputNode.GetNodeReference(ROLE) if inputNode is not None else None
    # A copy of the input refers to the report of its original.
    return node if node is not None and node.GetNodeReferenceID(INPUT) == inputNode.GetID() else None


def store_report(html: str, inputNode, folder: int) -> None:
    """Store the page beside the other results of *inputNode*, in the subject hierarchy's *folder* (0: in none)."""
    scene = inputNode.GetScene()
    node = report_of(inputNode)
    if node is None:
        name = _("{name} report").format(name=inputNode.GetName())
        node = scene.AddNewNodeByClass("vtkMRMLTextNode", scene.GenerateUniqueName(name))
        inputNode.SetNodeReferenceID(ROLE, node.GetID())
        node.SetNodeReferenceID(INPUT, inputNode.GetID())
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        if folder and hierarchy is not None:
            item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(folder, node)
            hierarchy.SetItemParent(item, folder)
    node.SetText(html)
