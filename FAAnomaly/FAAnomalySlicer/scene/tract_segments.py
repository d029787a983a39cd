"""Tracts of the atlas as segments of one segmentation node of a result, on the input's own grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from . import geometry, subject_hierarchy
from .atlas_place import open_place
from .place_node import stored_place
from .report_text import unused_name
from .result_list import EXTRAS, INPUT, ResultNodes, store_result
from .segments import LABELMAP, labelmap
from .threshold import no_place

SURFACE = "Closed surface"
COLOURS = {"left": (0.43, 0.88, 0.63), "right": (0.80, 0.55, 1.0)}
"""Side -> red, green and blue in 0..1, as in the pictures of the atlas."""
NO_SIDE = (1.0, 0.80, 0.35)
OPACITY_3D = 0.5
"""So that regions inside of a tract are seen."""


@dataclass(frozen=True, eq=False)
class TractVoxels:
    """A tract on the grid of a result.

    Attributes
    ----------
    name, side
        As in the atlas.
    mask
        uint8 (k, j, i), a part of the grid: 1 in the tract.
    corner
        First voxel (i, j, k) of that part.
    ijk_to_ras
        float64 (4, 4) of the whole grid.
    middle_ras
        The voxel of the tract that is nearest to its centre, RAS mm in the local frame.
    """

    name: str
    side: str
    mask: np.ndarray
    corner: tuple[int, int, int]
    ijk_to_ras: np.ndarray
    middle_ras: tuple[float, float, float]


def prepare_tract(nodes: ResultNodes, name: str) -> Callable[[], TractVoxels]:
    """A function that finds the voxels of a tract, touches no node and is safe in a thread.

    Raises
    ------
    FAError
        ``bad-request`` when the z-map is gone or the result has no place in the atlas. The function raises it when the
        atlas has no such tract or the tract lies outside of the volume, and ``missing`` when the atlas is another one.
    """
    place = stored_place(nodes.place)
    if nodes.zMap is None or nodes.zMap.GetImageData() is None or place is None:
        raise FAError("bad-request", _("The tract cannot be shown"), no_place(), _("Run again"))
    shape, affine = nodes.zMap.GetImageData().GetDimensions()[::-1], geometry.ijk_to_ras(nodes.zMap)

    def find() -> TractVoxels:
        placed = open_place(place)
        tract = placed.atlas.tract(name)
        mask, corner = placed.voxels_of_tract(name, shape, affine)
        ijk = np.argwhere(mask)[:, ::-1] + corner
        if not len(ijk):
            raise FAError("bad-request", _("The {tract} lies outside of this volume").format(tract=tract.name))
        middle = ijk[np.argmin(((ijk - ijk.mean(axis=0)) ** 2).sum(axis=1))]
        r, a, s = (float(value) for value in affine[:3, :3] @ middle + affine[:3, 3])
        return TractVoxels(tract.name, tract.side, mask, corner, affine, (r, a, s))

    return find


def add_tract(nodes: ResultNodes, tract: TractVoxels, surface) -> None:
    """Show *tract* of a result as a segment; *surface*, ``vtkPolyData`` in RAS mm, is what 3D views show."""
    node = nodes.shownTracts or _new_node(nodes)
    segmentation = node.GetSegmentation()
    was = node.StartModify()
    try:
        if segmentation.GetSegment(tract.name) is not None:
            segmentation.RemoveSegment(tract.name)
        segment = slicer.vtkSegment()
        segment.SetName(tract.name)
        segment.SetColor(*COLOURS.get(tract.side, NO_SIDE))
        segment.AddRepresentation(LABELMAP, labelmap(tract.mask, tract.ijk_to_ras, tract.corner))
        segment.AddRepresentation(SURFACE, surface)
        segmentation.AddSegment(segment, tract.name)
    finally:
        node.EndModify(was)
    node.GetDisplayNode().SetVisibility(True)


def hide_tract(nodes: ResultNodes, name: str) -> None:
    """Hide a tract of a result; with the last one its node goes, too."""
    node = nodes.shownTracts
    if node is None or node.GetScene() is None:
        return
    if node.GetSegmentation().GetSegment(name) is not None:
        node.GetSegmentation().RemoveSegment(name)
    if not node.GetSegmentation().GetNumberOfSegments():
        scene, display = node.GetScene(), node.GetDisplayNode()
        scene.RemoveNode(node)
        if display is not None and display.GetScene() is scene:
            scene.RemoveNode(display)
        nodes.shownTracts = None


def shown_tracts(nodes: ResultNodes | None) -> list[str]:
    """The names of the tracts that are shown, in their order."""
    node = nodes.shownTracts if nodes is not None else None
    return list(node.GetSegmentation().GetSegmentIDs()) if node is not None and node.GetScene() is not None else []


def _new_node(nodes: ResultNodes) -> Any:
    volume = nodes.zMap.GetNodeReference(INPUT)
    if volume is None:
        raise FAError("bad-request", _("The tract cannot be shown"), _("the analysed volume is gone"), _("Run again"))
    scene = volume.GetScene()
    title = unused_name(scene, _("{name} tracts").format(name=nodes.scope().prefix(volume.GetName())))
    node = scene.AddNewNodeByClass(EXTRAS["shownTracts"], title)
    node.SetReferenceImageGeometryParameterFromVolumeNode(nodes.zMap)
    node.SetAndObserveTransformNodeID(nodes.zMap.GetTransformNodeID())
    node.SetNodeReferenceID(INPUT, volume.GetID())
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetPreferredDisplayRepresentationName2D(LABELMAP)
    display.SetPreferredDisplayRepresentationName3D(SURFACE)
    display.SetOpacity3D(OPACITY_3D)
    subject_hierarchy.put_into_folder(scene, nodes.folder, node)
    nodes.shownTracts = node
    store_result(volume, nodes)
    return node
