"""Layers of the slice views: input, expected, pseudo-healthy or z-map over the input, and back to the user's own.

Only MRML nodes are changed, so that it works without a window too. Layers that the user changes while a result is
shown are the user's: they are not restored.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import slicer
import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..scene.result_list import ResultNodes
from ..scene.result_nodes import SCALE

INPUT, EXPECTED, PSEUDO_HEALTHY, Z_MAP = "input", "expected", "pseudo-healthy", "z-map"
COMPARED = {"FAAnomalyInput": INPUT, "FAAnomalyHealthy": EXPECTED, "FAAnomalyZMap": Z_MAP}
"""Slice views of the comparison layout -> content of each; :class:`SliceViews` does not change them."""
OPACITY = 0.8
"""Opacity of the z-map over the input until another one is chosen."""


@dataclass(frozen=True)
class Layers:
    """Node IDs and opacities of one slice view."""

    background: str | None
    foreground: str | None
    label: str | None
    foreground_opacity: float
    label_opacity: float

    @classmethod
    def of(cls, composite) -> Layers:
        """The layers of a ``vtkMRMLSliceCompositeNode``."""
        return cls(
            composite.GetBackgroundVolumeID(),
            composite.GetForegroundVolumeID(),
            composite.GetLabelVolumeID(),
            composite.GetForegroundOpacity(),
            composite.GetLabelOpacity(),
        )

    def apply(self, composite) -> None:
        """Show them in a ``vtkMRMLSliceCompositeNode``, without nodes that were removed meanwhile."""
        scene = composite.GetScene()
        was = composite.StartModify()
        for set_id, node_id in (
            (composite.SetBackgroundVolumeID, self.background),
            (composite.SetForegroundVolumeID, self.foreground),
            (composite.SetLabelVolumeID, self.label),
        ):
            set_id(node_id if node_id and scene.GetNodeByID(node_id) else None)
        composite.SetForegroundOpacity(self.foreground_opacity)
        composite.SetLabelOpacity(self.label_opacity)
        composite.EndModify(was)

    def same_volumes(self, other: Layers) -> bool:
        """Whether the volumes are the same; opacities are not compared."""
        return (self.background, self.foreground, self.label) == (other.background, other.foreground, other.label)


class SliceViews:
    """The layers of all slice views, of every layout.

    Attributes
    ----------
    shown
        ``input``, ``expected``, ``pseudo-healthy``, ``z-map``, ``other`` (:meth:`show_single`), or None while the
        views show the user's layers.
    """

    def __init__(self, scene=None) -> None:
        self.shown: str | None = None
        self._scene = scene
        self._opacity = OPACITY
        self._user_layers: dict[str, Layers] = {}
        self._own_layers: dict[str, Layers] = {}

    @property
    def opacity(self) -> float:
        """Opacity of the z-map, 0 to 1."""
        return self._opacity

    def set_opacity(self, opacity: float) -> None:
        """Set the opacity of the z-map, also in the views that show it now."""
        self._opacity = min(max(float(opacity), 0.0), 1.0)
        for composite in self._composites() if self.shown == Z_MAP else ():
            ours = self._own_layers.get(composite.GetID())
            if ours is not None and ours.same_volumes(Layers.of(composite)):
                composite.SetForegroundOpacity(self._opacity)

    def show(self, what: str, inputNode, nodes: ResultNodes) -> None:
        """Show ``input``, ``expected``, ``pseudo-healthy`` or ``z-map`` in every slice view.

        Raises ``FAError('bad-request')`` when the volume is gone.
        """
        if what not in (INPUT, EXPECTED, PSEUDO_HEALTHY, Z_MAP):
            raise ValueError(f"{what!r} is none of {INPUT}, {EXPECTED}, {PSEUDO_HEALTHY}, {Z_MAP}")
        healthy = {EXPECTED: nodes.mean, PSEUDO_HEALTHY: nodes.pseudoHealthy}
        # The input may have been removed; outside the regions the pseudo-healthy volume equals the input.
        below = inputNode if inputNode is not None or what == INPUT else nodes.pseudoHealthy
        background = self._present(healthy.get(what, below), what)
        foreground = self._present(nodes.zMap, what) if what == Z_MAP else None
        if what in healthy and inputNode is not None:
            match_window(inputNode, background)
        self._put(what, background, foreground)

    def show_single(self, volumeNode) -> None:
        """Show one volume and nothing over it."""
        self._put("other", self._present(volumeNode, ""), None)

    def restore(self) -> None:
        """Restore the layers that every slice view had before the first :meth:`show`."""
        for composite in self._composites():
            user_layers, ours = self._user_layers.get(composite.GetID()), self._own_layers.get(composite.GetID())
            if user_layers is not None and ours is not None and ours.same_volumes(Layers.of(composite)):
                user_layers.apply(composite)
        self._update_legends()
        self.forget()

    def forget(self) -> None:
        """Take the present layers as the user's, as after closing a scene."""
        self.shown = None
        self._user_layers, self._own_layers = {}, {}

    def _put(self, what: str, background, foreground) -> None:
        empty = True
        for composite in self._composites():
            before = Layers.of(composite)
            ours = self._own_layers.get(composite.GetID())
            # A view that is new, or that the user changed meanwhile, is remembered as it is now.
            if ours is None or not ours.same_volumes(before):
                self._user_layers[composite.GetID()] = before
            empty = empty and before.background is None
            wanted = Layers(
                background.GetID(),
                foreground.GetID() if foreground is not None else None,
                None,
                self._opacity if foreground is not None else before.foreground_opacity,
                before.label_opacity,
            )
            wanted.apply(composite)
            self._own_layers[composite.GetID()] = wanted
        self.shown = what
        self._update_legends()
        if empty:
            fit_slices()

    def _update_legends(self) -> None:
        # A legend follows layers that are changed with the mouse, but no others.
        for legend in self._nodes("vtkMRMLColorLegendDisplayNode"):
            legend.Modified()

    def _present(self, node, what: str):
        if node is None or node.GetScene() is None:
            raise FAError("bad-request", _("The volume to be shown is gone"), what, _("Run again"))
        return node

    def _composites(self) -> list:
        return [node for node in self._nodes("vtkMRMLSliceCompositeNode") if node.GetLayoutName() not in COMPARED]

    def _nodes(self, class_name: str) -> list:
        return list(slicer.util.getNodesByClass(class_name, self._scene or slicer.mrmlScene))


def fit_slices(names: Collection[str] | None = None) -> None:
    """Fit the slice views of these names, or all, to their volumes, where there are views."""
    manager = slicer.app.layoutManager()
    for name in manager.sliceViewNames() if manager is not None else ():
        if names is None or name in names:
            manager.sliceWidget(name).fitSliceToBackground()


def in_world(ras, volumeNode) -> list[float]:
    """World RAS mm of a position in the local frame of *volumeNode* (RAS mm), such as a region's peak."""
    world = [0.0, 0.0, 0.0]
    volumeNode.TransformPointToWorld([float(value) for value in ras], world)
    return world


def jump_to(ras, volumeNode) -> None:
    """Centre all slice views on a position in the local frame of *volumeNode*, RAS mm."""
    world, centred = in_world(ras, volumeNode), slicer.vtkMRMLSliceNode.CenteredJumpSlice
    slicer.vtkMRMLSliceNode.JumpAllSlices(volumeNode.GetScene(), *world, centred)


def match_window(inputNode, healthy) -> None:
    """Give both volumes the window of the input: the same brightness is the same FA."""
    given, shown = inputNode.GetScalarVolumeDisplayNode(), healthy.GetScalarVolumeDisplayNode()
    if given is not None and shown is not None:
        scale = float(healthy.GetAttribute(SCALE) or 1.0)
        shown.SetAndObserveColorNodeID(given.GetColorNodeID())
        shown.SetWindowLevelMinMax(given.GetWindowLevelMin() / scale, given.GetWindowLevelMax() / scale)
