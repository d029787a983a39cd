"""The live preview ("healthy lens") on the panel: a button, a box that is dragged, and the tissue inside it."""

from __future__ import annotations

import time

import slicer
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..events.debounce import Debouncer
from ..runs.live_preview import LivePreview, PreviewPicture
from ..scene.choices import PanelParameters, RegionMode, request_options
from .packages import Packages
from .panel_context import Observer, PanelContext, show_text
from .roi_tools import has_size, new_box, place_preview_box

MOVE_MS = 30


class PreviewSection:
    """Turns the preview on and off, and requests it for the position of the box."""

    def __init__(self, context: PanelContext, packages: Packages) -> None:
        self._context, self._ui, self._packages = context, context.ui, packages
        self._preview: LivePreview | None = None
        self._picture = PreviewPicture()
        self._sent = 0.0
        roi_class = slicer.vtkMRMLMarkupsROINode
        self._roi = Observer(
            [roi_class.PointModifiedEvent, slicer.vtkMRMLTransformableNode.TransformModifiedEvent], self._on_moved
        )
        self._move = Debouncer(self._request, MOVE_MS)
        self._ui.lensButton.connect("toggled(bool)", self._on_toggled)
        context.run_starts.connect(self._pause)

    @property
    def on(self) -> bool:
        """Whether the preview is on."""
        return self._preview is not None

    def update(self) -> None:
        """Follow the parameter node: another volume, another box, or none."""
        parameters = self._context.parameters
        self._ui.lensButton.enabled = parameters is not None and parameters.inputVolume is not None
        if self.on:
            if parameters is None or not _is_usable(parameters):
                self.turn_off()
            elif parameters.roi is not self._roi.node:
                self._roi.watch(parameters.roi)
                self._move.trigger()

    def turn_on(self) -> None:
        """Choose the box mode, make a box where there is none, and inpaint it. Raises ``FAError`` when that fails."""
        context, parameters = self._context, self._context.require_parameters()
        context.message.clear()
        self._packages.ensure()
        parameters.regionMode = RegionMode.BOX
        if parameters.roi is None:
            parameters.roi = new_box()
        if not has_size(parameters.roi):
            place_preview_box(parameters.roi, parameters.inputVolume)
        preview = self._preview = context.logic.detections.live_preview()
        preview.filled.connect(self._on_filled)
        preview.failed.connect(self._on_failed)
        self._roi.watch(parameters.roi)
        show_text(self._ui.lensInfoLabel, _("The engine is starting; then drag the box."))
        self._request()

    def turn_off(self) -> None:
        """Forget the request in flight and restore the views."""
        preview, self._preview = self._preview, None
        self._roi.watch(None)
        self._move.stop()
        if preview is not None:
            preview.filled.disconnect(self._on_filled)
            preview.failed.disconnect(self._on_failed)
            preview.stop()
            self._context.views.restore()
            self._picture.remove()
        show_text(self._ui.lensInfoLabel, "")
        self._ui.lensButton.checked = False

    def _pause(self) -> None:
        self._move.stop()
        if self._preview is not None:
            self._preview.stop()

    def _on_toggled(self, on: bool) -> None:
        if on == self.on:
            return
        if not on:
            self.turn_off()
            return
        try:
            self.turn_on()
        except FAError as error:
            self.turn_off()
            self._context.message.show_error(error)

    def _on_moved(self, caller, event) -> None:
        self._move.trigger()

    def _request(self) -> None:
        preview, parameters = self._preview, self._context.parameters
        if preview is None or parameters is None or self._context.detection is not None:
            return
        if has_size(parameters.roi):
            self._sent = time.monotonic()
            preview.show(parameters.inputVolume, parameters.roi, request_options(parameters))

    def _on_filled(self, array, record) -> None:
        first = self._picture.node is None
        self._picture.show(array, record)
        if first and self._picture.node is not None:
            self._context.views.show_single(self._picture.node)
        show_text(
            self._ui.lensInfoLabel,
            _("Draft in {seconds:.1f} s. Press Apply for full quality.").format(seconds=time.monotonic() - self._sent),
        )

    def _on_failed(self, error: FAError) -> None:
        show_text(self._ui.lensInfoLabel, f"⚠ {error}")


def _is_usable(parameters: PanelParameters) -> bool:
    return parameters.inputVolume is not None and parameters.regionMode is RegionMode.BOX and parameters.roi is not None
