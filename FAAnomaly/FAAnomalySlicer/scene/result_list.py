"""The results of a volume: one of each scope, and those that are kept.

The volume refers to the nodes of each result under the result's number (``FAAnomaly.result2.zMap``), and without a
number to those of the one that is shown (``FAAnomaly.zMap``), which in scenes of earlier versions is the only one. Each
result refers back to its volume. All is saved with the scene. A copy of the volume also carries the references, but the
results do not refer back to the copy, so that a run on the copy does not overwrite the results of the original.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from slicer.i18n import tr as _

from . import color_tables, subject_hierarchy
from .scope import Scope, scope_of_nodes

ROLE = "FAAnomaly."
INPUT = "FAAnomaly.input"
FILLED = "FAAnomaly.filled"
"""Attribute of a pseudo-healthy volume: what was replaced in it. Those of earlier versions, which hold the expected FA,
have none."""
KEPT = "FAAnomaly.kept"
"""Attribute of the nodes of a result that no run replaces: which kept one of its scope it is."""

CLASSES = {
    "expected": "vtkMRMLScalarVolumeNode",
    "pseudoHealthy": "vtkMRMLScalarVolumeNode",
    "difference": "vtkMRMLScalarVolumeNode",
    "zMap": "vtkMRMLScalarVolumeNode",
    "segmentation": "vtkMRMLSegmentationNode",
    "table": "vtkMRMLTableNode",
}
"""Role -> class, in the order in which they are made."""
EXTRAS = {
    "report": "vtkMRMLTextNode",
    "tracts": "vtkMRMLTableNode",
    "place": "vtkMRMLTextNode",
    "shownTracts": "vtkMRMLSegmentationNode",
}
"""The same of nodes that not every result has."""
_NUMBERED = re.compile(r"FAAnomaly\.result(\d+)\.\w+")


@dataclass
class ResultNodes:
    """The nodes of one result; a field is None where the user deleted the node.

    Attributes
    ----------
    pseudoHealthy, difference, zMap, expected
        ``vtkMRMLScalarVolumeNode``.
    segmentation
        ``vtkMRMLSegmentationNode`` with the segments ``increased`` and ``decreased``.
    table
        ``vtkMRMLTableNode``, one row per region.
    folder
        Subject hierarchy item, 0 where there is no subject hierarchy.
    report
        ``vtkMRMLTextNode`` with the engine's page.
    tracts
        ``vtkMRMLTableNode``, one row per tract of the atlas.
    place
        ``vtkMRMLTextNode`` with the brain's place in the atlas, see ``place_node.py``.
    shownTracts
        ``vtkMRMLSegmentationNode`` with the tracts that were shown.
    number
        Which of the volume's results it is, from 1; 0 for none of them.
    """

    pseudoHealthy: Any = None
    difference: Any = None
    zMap: Any = None
    segmentation: Any = None
    table: Any = None
    folder: int = 0
    report: Any = None
    tracts: Any = None
    place: Any = None
    shownTracts: Any = None
    number: int = 0
    expected: Any = None

    @property
    def mean(self) -> Any:
        """The expected FA; of a scene of an earlier version the pseudo-healthy volume, which held it."""
        earlier = self.pseudoHealthy is not None and self.pseudoHealthy.GetAttribute(FILLED) is None
        return self.pseudoHealthy if self.expected is None and earlier else self.expected

    def nodes(self) -> dict[str, Any]:
        """Role -> node, of the nodes that every result has and that exist."""
        return {name: getattr(self, name) for name in CLASSES if getattr(self, name) is not None}

    def extras(self) -> dict[str, Any]:
        """Role -> node, of the others that exist: report, tracts, place in the atlas, tracts that were shown."""
        return {name: getattr(self, name) for name in EXTRAS if getattr(self, name) is not None}

    def all_nodes(self) -> list[Any]:
        """Every node that exists."""
        return [*self.nodes().values(), *self.extras().values()]

    def present(self) -> ResultNodes:
        """The same without nodes that were removed from the scene."""
        nodes = {**self.nodes(), **self.extras()}
        removed: dict[str, Any] = {name: None for name, node in nodes.items() if node.GetScene() is None}
        return replace(self, **removed)

    def scope(self) -> Scope:
        """What was analysed."""
        return scope_of_nodes(self.nodes().values())

    def kept(self) -> int:
        """Which kept result of its scope it is, from 1; 0 when the next run of the scope replaces it."""
        return next((int(node.GetAttribute(KEPT) or 0) for node in self.nodes().values()), 0)

    def label(self) -> str:
        """A few words that distinguish it from the other results of its volume."""
        label = self.scope().label()
        return _("{label}, kept {number}").format(label=label, number=self.kept()) if self.kept() else label


def results_of(volume) -> list[ResultNodes]:
    """All results of an input volume, oldest first; empty without any and for None."""
    if volume is None:
        return []
    roles: list[str] = []
    volume.GetNodeReferenceRoles(roles)
    numbers = sorted({int(match[1]) for match in map(_NUMBERED.fullmatch, roles) if match})
    found = [result for number in numbers if (result := _read(volume, f"result{number}.", number)) is not None]
    shown = _read(volume, "", found[-1].number + 1 if found else 1)
    # In a scene of an earlier version the one that is shown has no number.
    if shown is not None and not any(_share_a_node(shown, result) for result in found):
        found.append(shown)
    return found


def find_results(volume) -> ResultNodes | None:
    """The result of an input volume that is shown: the last one made or chosen; None without any."""
    found, shown = results_of(volume), _read(volume, "", 0) if volume is not None else None
    if not found:
        return None
    return next((result for result in found if shown is not None and _share_a_node(shown, result)), found[-1])


def find_result_of_scope(volume, scope: Scope) -> ResultNodes | None:
    """The result that a run of *scope* replaces: none that is kept."""
    return next((result for result in results_of(volume) if not result.kept() and result.scope() == scope), None)


def number_for(volume, previous: ResultNodes) -> int:
    """The number of a result that uses the *previous* nodes again."""
    found = results_of(volume)
    same = next((result.number for result in found if _share_a_node(previous, result)), 0)
    return same or max((result.number for result in found), default=0) + 1


def store_result(volume, result: ResultNodes) -> None:
    """Let *volume* refer to *result* as the one that is shown, beside its other results."""
    others = [other for other in results_of(volume) if other.number != result.number]
    for one in (*others, result):  # one of an earlier version gets its number now
        _refer(volume, f"result{one.number}.", one)
    show_result(volume, result)


def show_result(volume, result: ResultNodes) -> None:
    """Make *result* the one that is shown: the outlines of the volume's other results are hidden."""
    before = _read(volume, "", 0)
    was_shown = before is not None and _share_a_node(before, result)
    _refer(volume, "", result)
    for other in results_of(volume):
        for display in displays_of(other):
            if other.number != result.number:
                display.SetVisibility(False)
            elif not was_shown:
                display.SetVisibility(True)


def displays_of(result: ResultNodes) -> list[Any]:
    """The display nodes of the outlines of a result: of its regions, and of its tracts."""
    nodes = [node for node in (result.segmentation, result.shownTracts) if node is not None]
    return [node.GetDisplayNode() for node in nodes if node.GetDisplayNode() is not None]


def keep_result(volume, result: ResultNodes) -> None:
    """Keep *result*: the next run of its scope makes new nodes. Names that were not changed say so."""
    scope = result.scope()
    number = 1 + max((other.kept() for other in results_of(volume) if other.scope() == scope), default=0)
    suffix = _(", kept {number}").format(number=number)
    prefix = scope.prefix(volume.GetName())
    for node in result.all_nodes():
        node.SetAttribute(KEPT, str(number))
        if node.GetName().startswith(prefix):
            node.SetName(node.GetName() + suffix)
    subject_hierarchy.rename_folder(volume.GetScene(), result.folder, prefix, suffix)


def remove_result(volume, result: ResultNodes) -> None:
    """Remove the nodes of *result* with its report and folder; another one of the volume is shown then."""
    scene = volume.GetScene()
    nodes = result.all_nodes()
    displays = [
        node.GetNthDisplayNode(number)
        for node in nodes
        if node.IsA("vtkMRMLDisplayableNode")
        for number in range(node.GetNumberOfDisplayNodes())
    ]
    tables = [display.GetColorNode() for display in displays if display is not None]
    for node in (*nodes, *displays):
        if node is not None and node.GetScene() is scene:  # the scene itself removes some displays with their node
            scene.RemoveNode(node)
    for table in tables:
        color_tables.remove_unused(scene, table)
    subject_hierarchy.remove_empty_folder(scene, result.folder)
    left = find_results(volume)
    if left is not None:
        show_result(volume, left)


def _read(volume, group: str, number: int) -> ResultNodes | None:
    nodes = {}
    for name in (*CLASSES, *EXTRAS):
        node = volume.GetNodeReference(f"{ROLE}{group}{name}")
        if node is not None and node.GetNodeReferenceID(INPUT) == volume.GetID():
            nodes[name] = node
    if not any(name in CLASSES for name in nodes):
        return None
    return ResultNodes(**nodes, folder=subject_hierarchy.result_folder(nodes.values()), number=number)


def _refer(volume, group: str, result: ResultNodes) -> None:
    for name in (*CLASSES, *EXTRAS):
        node = getattr(result, name)
        volume.SetNodeReferenceID(f"{ROLE}{group}{name}", node.GetID() if node is not None else None)


def _share_a_node(one: ResultNodes, other: ResultNodes) -> bool:
    return any(other.nodes().get(role) is node for role, node in one.nodes().items())
