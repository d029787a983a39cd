"""Tools for the box: drawing it with the mouse, fitting it to the brain, showing it as an outline."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..scene.geometry import ijk_to_ras, parent_to_world, voxels

PREVIEW_BOX_MM = 30.0
BRAIN_SHARE = 0.05
"""A voxel counts as brain, for fitting a box, above this share of the largest value."""


def new_box(name: str | None = None):
    """A ROI without a size, to be drawn."""
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name or _("FA region"))
    roi.CreateDefaultDisplayNodes()
    return roi


def has_size(roi) -> bool:
    """Whether the box has been drawn."""
    return roi is not None and all(length > 0 for length in roi.GetSize())


def fit_to_brain(roi, volume) -> None:
    """Make *roi* the bounding box of the brain in *volume*, along its axes. Raises ``FAError`` when it is empty."""
    low, high = _brain_extent(volume)
    _set_box(roi, volume, (low + high) / 2, high - low + 1)


def place_preview_box(roi, volume) -> None:
    """Make *roi* a box of 30 mm in one hemisphere of the brain in *volume*, along the volume's axes."""
    low, high = _brain_extent(volume)
    to_world = parent_to_world(volume) @ ijk_to_ras(volume)
    lateral = int(np.abs(to_world[0, :3]).argmax())  # the voxel axis that runs from left to right
    center = (low + high) / 2
    center[lateral] += (high - low)[lateral] / 5
    _set_box(roi, volume, center, PREVIEW_BOX_MM / np.linalg.norm(to_world[:3, :3], axis=0))


def show_as_outline(roi, visible: bool) -> None:
    """Show or hide the box in the views; never filled, so that the tissue inside is visible."""
    display = roi.GetDisplayNode()
    if display is not None:
        with slicer.util.NodeModify(display):
            display.SetVisibility(visible)
            display.SetFillVisibility(False)
            display.SetPropertiesLabelVisibility(False)


class PlaceMode:
    """Slicer's own place mode, for one ROI."""

    def __init__(self) -> None:
        scene = slicer.mrmlScene
        self.interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        self._selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")

    @property
    def active(self) -> bool:
        """Whether a click in a slice view places a corner of a ROI."""
        return (
            self.interaction.GetCurrentInteractionMode() == self.interaction.Place
            and self._selection.GetActivePlaceNodeClassName() == "vtkMRMLMarkupsROINode"
        )

    def begin(self, roi) -> None:
        """The next two clicks are the corners of *roi*; an earlier box is forgotten."""
        roi.RemoveAllControlPoints()
        self._selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsROINode")
        self._selection.SetActivePlaceNodeID(roi.GetID())
        self.interaction.SetPlaceModePersistence(0)
        self.interaction.SetCurrentInteractionMode(self.interaction.Place)

    def end(self) -> None:
        """End place mode."""
        self.interaction.SwitchToViewTransformMode()


def _brain_extent(volume) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest (i, j, k) with brain."""
    data = voxels(volume)
    with np.errstate(invalid="ignore"):
        brain = data > BRAIN_SHARE * np.nanmax(data)
    if not brain.any():
        raise FAError(
            "bad-input", _("There is no brain to fit a box to"), _("no voxel is above 0"), _("Choose an FA map")
        )
    ends = [np.flatnonzero(brain.any(axis=other))[[0, -1]] for other in ((0, 1), (0, 2), (1, 2))]
    low, high = np.array(ends, dtype=np.float64).T
    return low, high


def _set_box(roi, volume, center_ijk: np.ndarray, size_ijk: np.ndarray) -> None:
    to_world = parent_to_world(volume) @ ijk_to_ras(volume)
    lengths = np.linalg.norm(to_world[:3, :3], axis=0)
    matrix = np.eye(4)
    matrix[:3, :3] = to_world[:3, :3] / lengths
    if np.linalg.det(matrix[:3, :3]) < 0:
        matrix[:3, 0] *= -1  # the same box, right-handed
    matrix[:3, 3] = (to_world @ [*center_ijk, 1.0])[:3]
    local = np.linalg.inv(parent_to_world(roi)) @ matrix
    with slicer.util.NodeModify(roi):
        roi.SetSize(*(float(length) for length in lengths * size_ijk))
        roi.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(local))
