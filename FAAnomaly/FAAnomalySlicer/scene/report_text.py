"""The engine's report of a run, stored in the scene as text: it can be exported later, also from a saved scene."""

from __future__ import annotations

from .subject_hierarchy import put_into_folder

ROLE = "FAAnomaly.report"
INPUT = "FAAnomaly.input"


def report_of(inputNode):
    """The ``vtkMRMLTextNode`` with the page of the shown result of *inputNode*; None when there is none."""
    node = inputNode.GetNodeReference(ROLE) if inputNode is not None else None
    # A copy of the input refers to the report of its original.
    return node if node is not None and node.GetNodeReferenceID(INPUT) == inputNode.GetID() else None


def store_report(html: str, inputNode, node, name: str, folder: int):
    """Store the page beside the other nodes of a result, in the subject hierarchy's *folder* (0: in none).

    *node* is used again; a new one, called *name*, is made where it is None. Returns the ``vtkMRMLTextNode``.
    """
    scene = inputNode.GetScene()
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLTextNode", unused_name(scene, name))
        node.SetNodeReferenceID(INPUT, inputNode.GetID())
        put_into_folder(scene, folder, node)
    node.SetText(html)
    return node


def unused_name(scene, name: str) -> str:
    """*name*, with a number where a node is called so already."""
    # The scene's own function also numbers names that are free again.
    return name if scene.GetFirstNodeByName(name) is None else scene.GenerateUniqueName(name)
