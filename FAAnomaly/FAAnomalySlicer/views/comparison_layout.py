"""A layout with three linked views side by side: input, expected, z-map over the input."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
import slicer.util
from slicer.i18n import tr as _

from .slice_views import COMPARED, EXPECTED, INPUT, Z_MAP, fit_slices, match_window

LAYOUT_ID = 4137
"""Numbers of Slicer's own layouts are below 1000."""
VIEW_GROUP = 4137
"""Linked views follow each other within their group: these three, and none of another layout."""


def register_layout() -> None:
    """Register the layout with Slicer; without effect where there are no layouts, as without a window.

    At Slicer's start and not when it is first shown, because a scene that was saved in this layout stores only its
    number, and Slicer shows nothing for an unknown number.
    """
    layout = _layout()
    if layout is not None and not layout.IsLayoutDescription(LAYOUT_ID):
        layout.AddLayoutDescription(LAYOUT_ID, _description())


class Comparison:
    """Shows the layout and restores the user's."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._orientation = ""

    @property
    def possible(self) -> bool:
        """Whether there is a layout to change: not without a window."""
        return _layout() is not None

    @property
    def shown(self) -> bool:
        """Whether the layout on the screen is this one."""
        layout = _layout()
        return layout is not None and layout.GetViewArrangement() == LAYOUT_ID

    def show(self, inputNode, nodes, opacity: float, orientation: str, position: Sequence[float] | None = None) -> None:
        """Show the three views of a result, :class:`~..scene.result_list.ResultNodes`; also to update them.

        *orientation* and *position* as in :meth:`set_orientation`.
        """
        layout = _layout()
        register_layout()
        if not self.shown:
            self._before = layout.GetViewArrangement()
            layout.SetViewArrangement(LAYOUT_ID)
        if inputNode is not None and nodes.mean is not None:
            match_window(inputNode, nodes.mean)
        volumes = {
            INPUT: (inputNode, None),
            EXPECTED: (nodes.mean, None),
            Z_MAP: (inputNode, nodes.zMap),
        }
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            content = COMPARED.get(composite.GetLayoutName())
            if content is not None:
                _set_layers(composite, *volumes[content], opacity)
        self._orientation = ""
        self.set_orientation(orientation, position)

    def set_opacity(self, opacity: float) -> None:
        """Set the opacity of the z-map, as long as the layout is shown."""
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode") if self.shown else ():
            if COMPARED.get(composite.GetLayoutName()) == Z_MAP:
                composite.SetForegroundOpacity(opacity)

    def set_orientation(self, orientation: str, position: Sequence[float] | None = None) -> None:
        """Turn the three views to ``Axial``, ``Coronal`` or ``Sagittal``, as long as the layout is shown.

        They show all of the volume, cut at *position*, world RAS mm; None: in the middle of what they showed, or of the
        volume when they are new.
        """
        if not self.shown or orientation == self._orientation:
            return
        nodes = [node for node in slicer.util.getNodesByClass("vtkMRMLSliceNode") if node.GetLayoutName() in COMPARED]
        if position is None and self._orientation and nodes:
            position = [nodes[0].GetSliceToRAS().GetElement(row, 3) for row in range(3)]
        self._orientation = orientation
        for node in nodes:
            node.SetOrientation(orientation)
        fit_slices(COMPARED)
        if position is not None:
            for node in nodes:
                node.JumpSliceByOffsetting(*position)

    def end(self) -> None:
        """Restore the earlier layout; without effect when the user has chosen another meanwhile.

        A scene that was saved in this layout stores no earlier one: then Slicer's default is shown.
        """
        if self.shown:
            _layout().SetViewArrangement(self._before or slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
        self._before, self._orientation = None, ""


def _layout():
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")


def _set_layers(composite, background, foreground, opacity: float) -> None:
    was = composite.StartModify()
    composite.SetBackgroundVolumeID(background.GetID() if background is not None else None)
    composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
    composite.SetLabelVolumeID(None)
    composite.SetForegroundOpacity(opacity)
    composite.SetLinkedControl(True)
    composite.SetHotLinkedControl(True)
    composite.EndModify(was)


def _description() -> str:
    titles = {INPUT: _("Input"), EXPECTED: _("Expected"), Z_MAP: _("z")}
    views = "".join(
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        f'<property name="orientation" action="default">Axial</property>'
        f'<property name="viewgroup" action="default">{VIEW_GROUP}</property>'
        f'<property name="viewlabel" action="default">{titles[content]}</property>'
        f'<property name="viewcolor" action="default">#F34A33</property></view></item>'
        for name, content in COMPARED.items()
    )
    return f'<layout type="horizontal">{views}</layout>'
