"""Input: the volume, and whether it is an FA map."""

from __future__ import annotations

import re
from typing import Any

import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _

from ..events.debounce import Debouncer
from ..scene.input_check import check_fa
from ..scene.node_attributes import result_problem
from ..scene.sample_data import NODE_NAME, load_sample
from ..scene.tensor_fa import is_tensor_volume
from .panel_context import Observer, PanelContext, show_text

_FA_NAME = re.compile(r"(?<![a-z])fa(?![a-z])", re.IGNORECASE)


class InputSection:
    """Volume selector, sample button and the check."""

    def __init__(self, context: PanelContext) -> None:
        self._context, self._ui = context, context.ui
        self._checked: tuple | None = None
        self.problem = ""
        self._check = Debouncer(self._do_check)
        self._candidates: list[Any] = []
        self._try = Debouncer(self._try_next)
        self._watch = Observer(
            [
                slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
                slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
                vtk.vtkCommand.ModifiedEvent,
            ],
            self._on_volume_changed,
        )
        self._ui.sampleButton.connect("clicked(bool)", context.guarded(self._load_sample))

    def update(self) -> None:
        """Follow the parameter node."""
        volume = self._context.parameters.inputVolume if self._context.parameters else None
        if volume is not self._watch.node or volume is None:
            self._watch.watch(volume)
            self._checked = None
            self._check.trigger()

    def preselect(self) -> None:
        """Choose, soon, the FA map of the scene where nothing is chosen; one volume is looked at in each turn."""
        parameters = self._context.parameters
        if parameters is not None and parameters.inputVolume is None:
            self._candidates = _candidates()
            self._try.trigger()

    def sceneCloses(self) -> None:
        """Look for no FA map any more."""
        self._candidates = []
        self._try.stop()

    def close(self) -> None:
        """Observe no volume any more."""
        self.sceneCloses()
        self._watch.watch(None)
        self._check.stop()

    def _try_next(self) -> None:
        parameters = self._context.parameters
        if parameters is None or parameters.inputVolume is not None or not self._candidates:
            return
        volume = self._candidates.pop(0)
        if volume.GetScene() is not None and (is_tensor_volume(volume) or check_fa(volume).kind == "fa"):
            parameters.inputVolume = volume
        else:
            self._try.trigger()

    def _load_sample(self) -> None:
        loaded = slicer.mrmlScene.GetNodesByClassByName("vtkMRMLScalarVolumeNode", NODE_NAME)
        loaded.UnRegister(None)
        node = loaded.GetItemAsObject(0) or load_sample()
        self._context.require_parameters().inputVolume = node
        slicer.util.setSliceViewerLayers(background=node, foreground=None, fit=True)

    def _on_volume_changed(self, caller, event) -> None:
        self._check.trigger()

    def _do_check(self) -> None:
        volume = self._watch.node
        # The modified event of a volume also follows changes of its name or a display node: check again only when
        # something changes that the check reads.
        state = _state(volume)
        if state == self._checked:
            return
        self._checked = state
        self.problem, text = "", ""
        if is_tensor_volume(volume):
            text = _("✔ Diffusion tensors: their FA is computed first.")
        elif volume is not None:
            verdict = check_fa(volume)
            text = f"{'✔' if verdict.kind == 'fa' else '⚠'} {verdict.sentence}"
            self.problem = "" if verdict.ok else verdict.sentence
        show_text(self._ui.inputCheckLabel, text)
        self._context.problems_changed.emit()


def _candidates() -> list[Any]:
    """Volumes that may be an FA map: those called so first, tensors last, results never."""
    volumes = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if (node.GetClassName() == "vtkMRMLScalarVolumeNode" or is_tensor_volume(node))
        and node.GetImageData() is not None
        and not (node.GetHideFromEditors() or result_problem(node))
    ]
    return sorted(volumes, key=lambda node: (is_tensor_volume(node), not _FA_NAME.search(node.GetName())))


def _state(volume) -> tuple:
    if volume is None:
        return ()
    image = volume.GetImageData()
    transform = volume.GetParentTransformNode()
    return (
        volume.GetID(),
        image.GetMTime() if image else None,
        transform is None or bool(transform.IsTransformToWorldLinear()),
    )
