"""A layout with three axial views side by side, moved together: input, pseudo-healthy, z-map over the input."""

from __future__ import annotations

import slicer
import slicer.util
from slicer.i18n import tr as _

from .slice_views import COMPARED, INPUT, PSEUDO_HEALTHY, Z_MAP, fit, match_window

LAYOUT_ID = 4137
"""Numbers of Slicer's own layouts are below 1000."""


def register_layout() -> None:
    """Tell Slicer what the layout looks like, where there are layouts: not without a window.

    At Slicer's start and not when it is first shown, because a scene that was saved in this layout names its number
    alone, and Slicer shows nothing at all for a number that it does not know.
    """
    layout = _layout()
    if layout is not None and not layout.IsLayoutDescription(LAYOUT_ID):
        layout.AddLayoutDescription(LAYOUT_ID, _description())


class Comparison:
    """Shows the layout and gives the user's back."""

    def __init__(self) -> None:
        self._before: int | None = None

    @property
    def possible(self) -> bool:
        """Whether there is a layout to change: not without a window."""
        return _layout() is not None

    @property
    def shown(self) -> bool:
        """Whether the layout on the screen is this one."""
        layout = _layout()
        return layout is not None and layout.GetViewArrangement() == LAYOUT_ID

    def show(self, inputNode, nodes, opacity: float) -> None:
        """Show the three views of a result, :class:`~.results.ResultNodes`; also to bring them up to date."""
        layout = _layout()
        register_layout()
        if not self.shown:
            self._before = layout.GetViewArrangement()
            layout.SetViewArrangement(LAYOUT_ID)
        if inputNode is not None and nodes.pseudoHealthy is not None:
            match_window(inputNode, nodes.pseudoHealthy)
        volumes = {
            INPUT: (inputNode, None),
            PSEUDO_HEALTHY: (nodes.pseudoHealthy, None),
            Z_MAP: (inputNode, nodes.zMap),
        }
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            what = COMPARED.get(composite.GetLayoutName())
            if what is not None:
                _fill(composite, *volumes[what], opacity)
        fit()

    def set_opacity(self, opacity: float) -> None:
        """Of the z-map, as long as the layout is shown."""
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode") if self.shown else ():
            if COMPARED.get(composite.GetLayoutName()) == Z_MAP:
                composite.SetForegroundOpacity(opacity)

    def end(self) -> None:
        """The layout that was there before; without effect when the user has chosen another meanwhile.

        A scene that was saved in this layout tells of no other: then Slicer's own first one.
        """
        if self.shown:
            _layout().SetViewArrangement(self._before or slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
        self._before = None


def _layout():
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")


def _fill(composite, background, foreground, opacity: float) -> None:
    was = composite.StartModify()
    composite.SetBackgroundVolumeID(background.GetID() if background is not None else None)
    composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
    composite.SetLabelVolumeID(None)
    composite.SetForegroundOpacity(opacity)
    composite.SetLinkedControl(True)
    composite.SetHotLinkedControl(True)
    composite.EndModify(was)


def _description() -> str:
    titles = {INPUT: _("Input"), PSEUDO_HEALTHY: _("Healthy"), Z_MAP: _("z")}
    views = "".join(
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        f'<property name="orientation" action="default">Axial</property>'
        f'<property name="viewlabel" action="default">{titles[what]}</property>'
        f'<property name="viewcolor" action="default">#F34A33</property></view></item>'
        for name, what in COMPARED.items()
    )
    return f'<layout type="horizontal">{views}</layout>'
