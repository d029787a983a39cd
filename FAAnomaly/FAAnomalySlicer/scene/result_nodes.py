"""Results in the scene: six nodes in one folder beside the input, made once and used again.

Everything slow is prepared outside the scene, in steps; the last step adds it all in one batch. Before that step the
scene is unchanged, and when the step fails the scene is restored: no new node is left, and nodes of an earlier run have
their earlier contents.

Each scope of a volume, the whole brain or one box or segment, has nodes of its own (``result_list.py``), and a node
that the user deleted is made again.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from ..events.scheduling import Steps, run_to_end
from . import color_tables, geometry, node_attributes, segments, subject_hierarchy, terminology
from .place_node import store_place
from .report_text import store_report, unused_name
from .result_files import ResultArrays, read_result, read_volume
from .result_list import (
    CLASSES,
    EXTRAS,
    FILLED,
    INPUT,
    ResultNodes,
    displays_of,
    find_result_of_scope,
    find_results,
    number_for,
    results_of,
    store_result,
)
from .rollback import Rollback
from .scope import WHOLE_BRAIN, Scope, scope_of_provenance
from .threshold import Selection, limits, select, show_selection
from .tract_scores import fill_tract_table

__all__ = [
    "ResultArrays",
    "ResultNodes",
    "import_result",
    "import_steps",
    "read_result",
    "read_volume",
    "find_results",
]

SCALE = "FAAnomaly.inputScale"
"""Attribute of the expected and the pseudo-healthy volume: the value of the input that corresponds to FA 1."""
FA_ROLES = ("expected", "pseudoHealthy")
"""Volumes of FA, shown in the window of the input."""
DIFFERENCE_LIMIT = 0.4
"""The difference is shown from minus to plus this change of FA."""


def import_result(
    arrays: ResultArrays, answer: dict, inputNode, previous: ResultNodes | None = None, **more
) -> ResultNodes:
    """Put a result into the scene at once; see :func:`import_steps`."""
    return run_to_end(import_steps(arrays, answer, inputNode, previous, **more))


def import_steps(
    arrays: ResultArrays,
    answer: dict,
    inputNode,
    previous: ResultNodes | None = None,
    *,
    scope: Scope | None = None,
    selection: Selection | None = None,
    report: str | None = None,
) -> Steps[ResultNodes]:
    """Put a result into the scene in steps that are short enough for the event loop.

    Parameters
    ----------
    arrays
        From :func:`read_result`.
    answer
        The worker's answer; its ``name`` is used where *inputNode* is None.
    inputNode
        The analysed volume; None when it was removed meanwhile, and the result is kept all the same.
    previous
        Nodes to use again; by default those of the volume's result of the same scope, unless it is kept.
    scope
        What was analysed; by default what the engine tells, which knows no nodes.
    selection
        The regions for segments and table, from :func:`~.threshold.select`; by default those of the engine.
    report
        The engine's page; stored beside the nodes if *inputNode* is given.

    Yields the fraction done. Closing the generator early leaves the scene unchanged, and so does an exception.
    """
    selection = selection or select(arrays, "auto", "both")
    images = {}
    volumes = {
        "expected": arrays.expected,
        "pseudoHealthy": arrays.pseudo_healthy,
        "difference": arrays.difference,
        "zMap": arrays.z_map,
    }
    for number, (role, array) in enumerate(volumes.items(), 1):
        images[role] = _image(array)
        yield number / 7
    scale = _scale(inputNode, arrays) if inputNode is not None else 1.0
    yield 6 / 7
    # The user may have closed the scene or removed the input since the first step.
    if inputNode is not None and inputNode.GetScene() is None:
        inputNode = None
    scene = inputNode.GetScene() if inputNode is not None else slicer.mrmlScene
    scope = scope or scope_of_provenance(arrays.provenance)
    previous = _reusable(previous or find_result_of_scope(inputNode, scope) or ResultNodes(), inputNode)
    with _batch(scene), _all_or_nothing(scene, inputNode, previous):
        name = inputNode.GetName() if inputNode is not None else answer.get("name") or _("FA")
        prepared = PreparedResult(scope, scope.prefix(name), arrays, images, scale, selection, report)
        result = _commit(prepared, scene, inputNode, previous)
    if result.shownTracts is not None:  # they were placed by the replaced result
        result.shownTracts.GetSegmentation().RemoveAllSegments()
    return result


@dataclass(frozen=True, eq=False)
class PreparedResult:
    """A result that is ready for the scene.

    Attributes
    ----------
    scope
        What was analysed.
    name
        How the names of the nodes begin.
    arrays, selection, report
        See :func:`import_steps`.
    images
        Role -> ``vtkImageData`` of the volumes.
    scale
        The value of the input that corresponds to FA 1.
    """

    scope: Scope
    name: str
    arrays: ResultArrays
    images: dict[str, Any]
    scale: float
    selection: Selection
    report: str | None


def _commit(prepared: PreparedResult, scene, inputNode, previous: ResultNodes) -> ResultNodes:
    name, arrays, images, scale = prepared.name, prepared.arrays, prepared.images, prepared.scale
    nodes = {role: getattr(previous, role) or _new_node(scene, role, name) for role in CLASSES}
    parent = inputNode.GetTransformNodeID() if inputNode is not None else None
    attributes = node_attributes.attributes(arrays.provenance)
    _show(nodes, inputNode, scale, prepared.selection)  # before there are images, so that Slicer computes no window
    for role, node in nodes.items():
        if role in images:
            _place(node, images[role], arrays.ijk_to_ras)
        if role != "table" and inputNode is not None:
            node.SetAndObserveTransformNodeID(parent)
        for attribute in [a for a in node.GetAttributeNames() if a.startswith(node_attributes.PREFIX)]:
            node.RemoveAttribute(attribute)
        for attribute, value in attributes.items():
            node.SetAttribute(attribute, value)
        prepared.scope.mark(node, scene)
        node.SetNodeReferenceID(INPUT, inputNode.GetID() if inputNode is not None else None)
    for role in FA_ROLES:
        nodes[role].SetAttribute(SCALE, f"{scale:g}")
    nodes["pseudoHealthy"].SetAttribute(FILLED, "regions" if prepared.scope.kind == WHOLE_BRAIN else "drawn region")
    segmentation = nodes["segmentation"]
    same = inputNode is not None and _on_grid(inputNode, arrays)
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(inputNode if same else nodes["zMap"])
    result = ResultNodes(**nodes, **previous.extras())
    show_selection(result, prepared.selection)
    result.folder = subject_hierarchy.gather_in_folder(
        scene, inputNode, name, nodes.values(), previous.nodes().values()
    )
    if inputNode is not None:
        if prepared.report is not None:
            title = _("{name} report").format(name=name)
            result.report = store_report(prepared.report, inputNode, previous.report, title, result.folder)
        _store_anatomy(prepared, result, inputNode)
        result.number = number_for(inputNode, result)
        store_result(inputNode, result)
    return result


def _store_anatomy(prepared: PreparedResult, result: ResultNodes, inputNode) -> None:
    """The table of tracts and the place in the atlas; an earlier run's are replaced, be it by nothing."""
    scene, arrays = inputNode.GetScene(), prepared.arrays
    titles = {"tracts": _("{name} tract table"), "place": _("{name} place in the atlas")}
    for role, wanted in (("tracts", bool(arrays.tracts)), ("place", arrays.place is not None)):
        node = getattr(result, role)
        if node is None and wanted:
            title = unused_name(scene, titles[role].format(name=prepared.name))
            node = scene.AddNewNodeByClass(EXTRAS[role], title)
            node.SetNodeReferenceID(INPUT, inputNode.GetID())
            subject_hierarchy.put_into_folder(scene, result.folder, node)
            setattr(result, role, node)
    if result.tracts is not None:
        fill_tract_table(result.tracts, arrays.tracts)
    if result.place is not None:
        store_place(result.place, arrays.place)


def _new_node(scene, role: str, name: str):
    titles = {
        "expected": _("{name} expected"),
        "pseudoHealthy": _("{name} pseudo-healthy"),
        "difference": _("{name} difference"),
        "zMap": _("{name} z-map"),
        "segmentation": _("{name} anomalies"),
        "table": _("{name} regions"),
    }
    return scene.AddNewNodeByClass(CLASSES[role], unused_name(scene, titles[role].format(name=name)))


def _place(node, image, ijk_to_ras: np.ndarray) -> None:
    with slicer.util.NodeModify(node):
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras))
        node.SetAndObserveImageData(image)
        node.StorableModified()


def _show(nodes: dict, inputNode, scale: float, selection: Selection) -> None:
    """Give a display to nodes without one; the user's choices for the others stay."""
    new = [role for role, node in nodes.items() if role != "table" and not _displayed(node)]
    for role in new:
        node = nodes[role]
        while node.GetDisplayNode() is not None:  # a legend whose map has lost its display
            node.GetScene().RemoveNode(node.GetDisplayNode())
        node.CreateDefaultDisplayNodes()
        if role in (*FA_ROLES, "difference"):
            node.GetDisplayNode().SetAutoWindowLevel(False)
    low, high = 0.0, 1.0
    shown = inputNode.GetScalarVolumeDisplayNode() if inputNode is not None else None
    if shown is not None:
        low, high = shown.GetWindowLevelMin() / scale, shown.GetWindowLevelMax() / scale
    for role in FA_ROLES:
        if role in new:
            nodes[role].GetDisplayNode().SetWindowLevelMinMax(low, high)
    if "difference" in new:
        nodes["difference"].GetDisplayNode().SetWindowLevelMinMax(-DIFFERENCE_LIMIT, DIFFERENCE_LIMIT)
    if "zMap" in new or nodes["zMap"].GetDisplayNode().GetColorNode() is None:
        color_tables.show_beyond(nodes["zMap"], *limits(selection.threshold, selection.signs))
        color_tables.add_legend(nodes["zMap"], _("FA, z"))
    if "segmentation" in new:
        segments.show_outlines(nodes["segmentation"])
        terminology.load()


def _displayed(node) -> bool:
    display = node.GetVolumeDisplayNode() if node.IsA("vtkMRMLVolumeNode") else node.GetDisplayNode()
    return display is not None


def _image(array_kji: np.ndarray):
    """A ``vtkImageData`` on the memory of *array_kji* itself, which it keeps; extent from 0, index space."""
    image = vtk.vtkImageData()
    image.SetDimensions(array_kji.shape[::-1])
    scalars = numpy_to_vtk(array_kji.ravel(), array_type=vtk.VTK_FLOAT)
    scalars.SetName("ImageScalars")  # as where VTK itself makes them
    image.GetPointData().SetScalars(scalars)
    return image


def _scale(inputNode, arrays: ResultArrays) -> float:
    """The value of the input that corresponds to FA 1: the engine's divisor."""
    if not _on_grid(inputNode, arrays):
        return 1.0
    step = (slice(None, None, 3),) * 3
    given = geometry.voxels(inputNode)[step]
    analysed = arrays.expected[step] + arrays.difference[step]
    clear = (analysed > 0.2) & (analysed < 0.9)
    ratio = float(np.median(given[clear] / analysed[clear])) if clear.any() else 1.0
    return ratio if np.isfinite(ratio) and ratio > 1.5 else 1.0


def _on_grid(inputNode, arrays: ResultArrays) -> bool:
    """Whether the input still has the grid that was analysed."""
    image = inputNode.GetImageData()
    return (
        image is not None
        and image.GetDimensions() == arrays.z_map.shape[::-1]
        and np.allclose(geometry.ijk_to_ras(inputNode), arrays.ijk_to_ras, rtol=0, atol=1e-3)
    )


def _reusable(previous: ResultNodes, inputNode) -> ResultNodes:
    """*previous* without nodes that were removed or belong to another input."""
    owner = inputNode.GetID() if inputNode is not None else None
    unusable: dict[str, Any] = {
        role: None
        for role, node in {**previous.nodes(), **previous.extras()}.items()
        if node.GetScene() is None or node.GetNodeReferenceID(INPUT) != owner
    }
    return replace(previous, **unusable, number=0)


@contextlib.contextmanager
def _batch(scene):
    scene.StartState(slicer.vtkMRMLScene.BatchProcessState)
    try:
        yield
    finally:
        scene.EndState(slicer.vtkMRMLScene.BatchProcessState)


@contextlib.contextmanager
def _all_or_nothing(scene, inputNode, previous: ResultNodes):
    before, items = {node.GetID() for node in _all_nodes(scene)}, subject_hierarchy.all_items(scene)
    outlines = [display for result in results_of(inputNode) for display in displays_of(result)]
    changed = [*previous.all_nodes(), *outlines]
    rollback = Rollback(changed, filter(None, [inputNode]))
    try:
        yield
    except BaseException:
        for node in _all_nodes(scene):
            if node.GetScene() is not None and node.GetID() not in before:
                scene.RemoveNode(node)
        subject_hierarchy.remove_new_items(scene, items)
        rollback()
        raise


def _all_nodes(scene) -> list:
    return [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
