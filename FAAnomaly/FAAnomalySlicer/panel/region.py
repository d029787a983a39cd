"""Region: whole brain, box or segment, and its masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..events.debounce import Debouncer
from ..scene.choices import PanelParameters, RegionMode
from ..scene.geometry import ijk_to_ras, roi_mask, segment_mask
from .panel_context import Observer, PanelContext, show_text
from .roi_tools import PlaceMode, fit_to_brain, has_size, new_box, show_as_outline

INFO_MS = 150


class RegionSection:
    """Shows the rows that the choice needs, and the size of the region."""

    def __init__(self, context: PanelContext) -> None:
        self._context, self._ui = context, context.ui
        self.problem = ""
        roi_class, segmentation = slicer.vtkMRMLMarkupsROINode, slicer.vtkSegmentation
        self._roi = Observer(
            [
                roi_class.PointModifiedEvent,
                roi_class.PointRemovedEvent,
                slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
                vtk.vtkCommand.ModifiedEvent,
            ],
            self._on_region_changed,
        )
        self._segmentation = Observer(
            [
                segmentation.SegmentAdded,
                segmentation.SegmentRemoved,
                segmentation.SegmentModified,
                segmentation.SourceRepresentationModified,
            ],
            self._on_segmentation_changed,
        )
        self._place_mode = PlaceMode()
        self._interaction = Observer([slicer.vtkMRMLInteractionNode.InteractionModeChangedEvent], self._on_mode_changed)
        self._interaction.watch(self._place_mode.interaction)
        self._info = Debouncer(self._show_info, INFO_MS)
        ui = self._ui
        ui.roiPlaceButton.connect("clicked(bool)", context.guarded(self._place))
        ui.roiFitButton.connect("clicked(bool)", context.guarded(self._fit))
        ui.segmentSelector.connect("currentIndexChanged(int)", self._on_segment_chosen)
        self._listing = False
        self._listed: list | None = None
        self._informed: tuple = ()

    def update(self) -> None:
        """Follow the parameter node."""
        parameters = self._context.parameters
        self._roi.watch(parameters.roi if parameters else None)
        self._segmentation.watch(parameters.segmentation if parameters else None)
        if parameters is None:
            return
        ui, mode = self._ui, parameters.regionMode
        box, segment = mode is RegionMode.BOX, mode is RegionMode.SEGMENT
        for widget in (ui.roiLabel, ui.roiSelector, ui.roiPlaceButton, ui.roiFitButton, ui.roiVisibleCheckBox):
            widget.visible = box
        for widget in (ui.segmentationLabel, ui.segmentationSelector, ui.segmentSelector):
            widget.visible = segment
        ui.maskSizeSelector.enabled = not (box or segment)
        if parameters.roi is not None:
            show_as_outline(parameters.roi, box and parameters.roiVisible)
        self._list_segments()
        nodes = tuple(
            node.GetID() if node else None for node in (parameters.inputVolume, parameters.roi, parameters.segmentation)
        )
        if self._informed != (mode, parameters.segmentID, *nodes):
            self._informed = (mode, parameters.segmentID, *nodes)
            self._info.trigger()

    def close(self) -> None:
        """Observe no node any more."""
        for observer in (self._roi, self._segmentation, self._interaction):
            observer.watch(None)
        self._info.stop()

    def sceneCloses(self) -> None:
        """Observe the box and the segmentation no more."""
        self._roi.watch(None)
        self._segmentation.watch(None)
        self._info.stop()

    def _place(self) -> None:
        if self._place_mode.active:
            self._place_mode.end()
        else:
            self._place_mode.begin(self._roi_or_new())

    def _fit(self) -> None:
        parameters = self._context.require_parameters()
        if parameters.inputVolume is None:
            raise FAError(
                "bad-request",
                _("There is nothing to fit the box to"),
                _("no input volume is chosen"),
                _("Choose an FA volume first"),
            )
        fit_to_brain(self._roi_or_new(), parameters.inputVolume)

    def _roi_or_new(self):
        parameters = self._context.require_parameters()
        if parameters.roi is None:
            parameters.roi = new_box()
        return parameters.roi

    def _on_mode_changed(self, caller, event) -> None:
        self._ui.roiPlaceButton.checked = self._place_mode.active

    def _on_region_changed(self, caller, event) -> None:
        self._info.trigger()

    def _on_segmentation_changed(self, caller, event) -> None:
        self._list_segments()
        self._info.trigger()

    def _list_segments(self) -> None:
        parameters, combo = self._context.parameters, self._ui.segmentSelector
        segments: Any = parameters.segmentation.GetSegmentation() if parameters and parameters.segmentation else None
        count = segments.GetNumberOfSegments() if segments else 0
        ids: list[str] = [segments.GetNthSegmentID(n) for n in range(count)]
        names = [segments.GetSegment(segment_id).GetName() for segment_id in ids]
        if self._listing:
            return
        self._listing = True
        if self._listed != [*zip(ids, names, strict=True)]:
            self._listed = [*zip(ids, names, strict=True)]
            combo.clear()
            for segment_id, name in self._listed:
                combo.addItem(name, segment_id)
        if parameters:
            chosen = parameters.segmentID if parameters.segmentID in ids else (ids[0] if ids else "")
            combo.currentIndex = ids.index(chosen) if chosen else -1
            if chosen != parameters.segmentID:
                parameters.segmentID = chosen
        self._listing = False

    def _on_segment_chosen(self, index: int) -> None:
        if not self._listing and index >= 0 and self._context.parameters:
            self._context.parameters.segmentID = self._ui.segmentSelector.itemData(index)

    def _show_info(self) -> None:
        parameters = self._context.parameters
        self.problem, text = "", ""
        if parameters is not None and parameters.regionMode is not RegionMode.WHOLE_BRAIN:
            try:
                text = self._size_of(parameters)
            except FAError as error:
                self.problem, text = str(error), f"⚠ {error}"
        show_text(self._ui.regionInfoLabel, text)
        self._context.problems_changed.emit()

    def _size_of(self, parameters: PanelParameters) -> str:
        volume = parameters.inputVolume
        if parameters.regionMode is RegionMode.BOX:
            if not has_size(parameters.roi):
                raise FAError("bad-request", _("No box is drawn"), "", _("Press Draw and click two opposite corners"))
            mask = roi_mask(parameters.roi, volume) if volume else None
        else:
            if not parameters.segmentation or not parameters.segmentID:
                raise FAError("bad-request", _("No segment is chosen"), "", _("Choose a segmentation and a segment"))
            mask = segment_mask(parameters.segmentation, parameters.segmentID, volume) if volume else None
        if mask is None:
            return ""
        count = int(mask.sum())
        if not count:
            raise FAError("bad-request", _("The box holds no voxel of the volume"), "", _("Move or enlarge it"))
        millilitres = count * abs(np.linalg.det(ijk_to_ras(volume)[:3, :3])) / 1000
        return _("{count} voxels, {ml:.1f} ml").format(count=count, ml=millilitres)
