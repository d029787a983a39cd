"""Increased and decreased FA as two segments of one segmentation node."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from FAAnomalyLib.result import DECREASED, INCREASED, Region

from . import terminology
from .stored_anatomy import best_match

MAX_DESCRIBED = 20
"""Regions that a description names, the strongest."""
LABELS = {"increased": INCREASED, "decreased": DECREASED}
"""Segment ID, which is also the sign -> value in a labelmap."""
LABELMAP = "Binary labelmap"
DESCRIBED = "FAAnomaly.described"
"""Attribute: the description is the module's."""
TRACTS_TAG = "FAAnomaly.tracts"
"""Of a segment: number and tract of each of its regions."""


def _names() -> dict[str, str]:
    return {"increased": _("Increased FA"), "decreased": _("Decreased FA")}


def labelmap(labels_kji: np.ndarray, ijk_to_ras: np.ndarray, corner_ijk=(0, 0, 0)):
    """Labels as a ``vtkOrientedImageData``, cropped to their bounding box.

    Parameters
    ----------
    labels_kji
        uint8 (k, j, i): 0, 1 increased, 2 decreased; a part of the grid.
    ijk_to_ras
        float64 (4, 4) of the whole grid.
    corner_ijk
        First voxel (i, j, k) of the part in the grid.
    """
    image = slicer.vtkOrientedImageData()
    box = bounding_box(labels_kji)
    if box is None:
        image.SetExtent(0, -1, 0, -1, 0, -1)
        # Without it the empty labelmap counts as one of floats, which has no surface and is warned of when it is read.
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    else:
        corner = [int(c) + s.start for c, s in zip(corner_ijk, box[::-1], strict=True)]
        part = labels_kji[box]
        image.SetExtent(*[n for c, size in zip(corner, part.shape[::-1], strict=True) for n in (c, c + size - 1)])
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        vtk_to_numpy(image.GetPointData().GetScalars())[:] = part.ravel()
    image.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras))
    return image


def bounding_box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """Slices around the voxels that are not 0; None when all are 0."""
    # 2 ms for 256 voxels cubed, where ndimage.find_objects takes 70 ms, too long for a turn of the event loop. The
    # engine has such a function in a module that Slicer does not load.
    box = []
    for axis in range(mask.ndim):
        shown = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        if not shown.size:
            return None
        box.append(slice(int(shown[0]), int(shown[-1]) + 1))
        mask = mask[tuple([slice(None)] * axis + [box[-1]])]
    return tuple(box)


def fill_segments(segmentationNode, image) -> None:
    """Give *image* (values 1 and 2) to both segments; IDs, names and colours of existing ones stay."""
    was = segmentationNode.StartModify()
    try:
        segmentation = segmentationNode.GetSegmentation()
        for sign, value in LABELS.items():
            segment = segmentation.GetSegment(sign)
            if segment is None:
                segment = slicer.vtkSegment()
                segment.SetName(_names()[sign])
                segment.SetColor(*terminology.color(sign))
                segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology.entry(sign))
                segment.SetLabelValue(value)
                segment.AddRepresentation(LABELMAP, image)
                segmentation.AddSegment(segment, sign)
            else:
                segment.SetLabelValue(value)
                segment.AddRepresentation(LABELMAP, image)
        # Announces other voxels: surfaces of the old ones are dropped, and the views are redrawn.
        image.Modified()
    finally:
        segmentationNode.EndModify(was)


def describe(segmentationNode, regions: Iterable[Region]) -> None:
    """Tell the tracts of *regions*: all of them in the node's description, those of its sign in a segment's tag."""
    named = [region for region in regions if region.anatomy is not None]
    if not segmentationNode.GetDescription() or segmentationNode.GetAttribute(DESCRIBED):  # else it is the user's own
        segmentationNode.SetDescription("\n".join(region.sentence() for region in named[:MAX_DESCRIBED]))
        segmentationNode.SetAttribute(DESCRIBED, "1")
    for sign in LABELS:
        told = [region for region in named if region.sign == sign][:MAX_DESCRIBED]
        words = "; ".join(f"{region.label}: {best_match(region.anatomy)}" for region in told)
        segmentationNode.GetSegmentation().GetSegment(sign).SetTag(TRACTS_TAG, words)


def show_outlines(segmentationNode) -> None:
    """Outlines and no fill in the slice views, so that the tissue inside stays visible; no surface in 3D."""
    display = segmentationNode.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetSliceIntersectionThickness(2)
    display.SetVisibility3D(False)


def show_surface(segmentationNode, shown: bool) -> None:
    """Show the segments as closed surfaces in 3D, made now from their voxels, or hide them.

    A change of the threshold drops the surfaces; call this again afterwards.
    """
    if shown:
        segmentationNode.CreateClosedSurfaceRepresentation()
    else:
        segmentationNode.RemoveClosedSurfaceRepresentation()
    display = segmentationNode.GetDisplayNode()
    if display is not None:
        display.SetVisibility3D(shown)
