"""Colours of a signed map: blue for decreased, red for increased, transparent in the middle.

The foreground of a slice view has no half transparent colours: alpha 0 hides, any other alpha shows. So the map is
hidden up to the threshold, and the colour shows its strength, from a pale tint to a full one. Colour-blind readers can
distinguish blue and orange red too, and neither is a grey.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

ENTRIES = 256
WINDOW_FACTOR = 2.0
"""The window's limit divided by the larger threshold: a tint is full at twice the threshold."""

# Light and full tint, sRGB in 0..1. The light ones are coloured enough to stand out from white matter.
INCREASED = np.array([[1.00, 0.80, 0.30], [0.78, 0.04, 0.10]])
DECREASED = np.array([[0.55, 0.92, 1.00], [0.05, 0.20, 0.80]])

ROLE = "FAAnomaly.colours"


def color_table(up: float, down: float) -> np.ndarray:
    """float64 (256, 4): red, green, blue and alpha from the most negative to the most positive value.

    Parameters
    ----------
    up, down
        Where the colours of either sign begin, as a share of the window's limit, from 0 to 1; infinity for none.
    """
    place = (np.arange(ENTRIES) + 0.5) / ENTRIES * 2.0 - 1.0
    begin = np.where(place > 0, up, down)
    # An entry covers values from its inner to its outer edge: none of them may lie before the beginning.
    shown = np.abs(place) - 1.0 / ENTRIES >= begin - 1e-9
    with np.errstate(invalid="ignore"):
        strength = np.where(shown, (np.abs(place) - begin) / (1.0 - begin), 0.0)[:, None]
    tints = np.where((place > 0)[:, None, None], INCREASED, DECREASED)
    colours = (1.0 - strength) * tints[:, 0] + strength * tints[:, 1]
    # Black too, not only transparent: a legend has no transparency.
    return np.hstack([colours, np.ones((ENTRIES, 1))]) * shown[:, None]


def is_signed(volumeNode) -> bool:
    """Whether *volumeNode* is displayed in these colours, and not in some that the user has chosen."""
    display = volumeNode.GetDisplayNode()
    node = display.GetColorNode() if display is not None else None
    return node is not None and bool(node.GetAttribute(ROLE))


def show_beyond(volumeNode, up: float, down: float, limit: float | None = None) -> None:
    """Display *volumeNode* in these colours, beginning where its values reach *up* and minus *down*.

    Parameters
    ----------
    up, down
        Positive; infinity for no colour of that sign.
    limit
        The window reaches from minus this value to it; by default twice the larger finite one of *up* and *down*.
    """
    limit = limit or WINDOW_FACTOR * max(value for value in (up, down) if value < np.inf)
    display = volumeNode.GetDisplayNode()
    node = _own_node(volumeNode)
    _fill(node, color_table(up / limit, down / limit))
    display.SetAndObserveColorNodeID(node.GetID())
    display.SetAutoWindowLevel(False)
    display.SetApplyThreshold(False)
    display.SetWindowLevelMinMax(-limit, limit)


def remove_unused(scene, node) -> None:
    """Remove *node*, the table of a map that was removed; one that is used, is not ours or is None stays."""
    if node is None or node.GetScene() is not scene or not node.GetAttribute(ROLE):
        return
    displays = slicer.util.getNodesByClass("vtkMRMLDisplayNode", scene)
    if all(display.GetColorNodeID() != node.GetID() for display in displays):
        scene.RemoveNode(node)


def _own_node(volumeNode):
    """The table of this volume alone; one that no volume uses any more, or a new one."""
    scene, display = volumeNode.GetScene(), volumeNode.GetDisplayNode()
    used = {
        other.GetColorNodeID()
        for other in slicer.util.getNodesByClass("vtkMRMLVolumeDisplayNode", scene)
        if other is not display
    }
    tables = [node for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode", scene) if node.GetAttribute(ROLE)]
    free = [node for node in tables if node.GetID() not in used]
    mine = display.GetColorNode()
    return mine if any(node is mine for node in free) else (free[0] if free else _new_node(scene))


def _new_node(scene):
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName(scene.GenerateUniqueName(_("FA z-map")))
    node.SetDescription(_("Decreased FA blue, increased FA red, transparent in between"))
    node.SetAttribute(ROLE, "z")
    node.SetAttribute("Category", "FAAnomaly")
    node.SetNumberOfColors(ENTRIES)
    return scene.AddNode(node)


def _fill(node, table: np.ndarray) -> None:
    was = node.StartModify()
    for number, (red, green, blue, alpha) in enumerate(table):
        node.SetColor(number, f"{(number + 0.5) / ENTRIES * 2 - 1:+.3f}", red, green, blue, alpha)
    node.EndModify(was)


def add_legend(volumeNode, title: str) -> None:
    """A colour legend in the views that show *volumeNode*, where this Slicer has legends."""
    module = getattr(slicer.modules, "colors", None)
    logic: Any = module.logic() if module else None
    if not hasattr(logic, "AddDefaultColorLegendDisplayNode"):
        return
    legend = logic.GetColorLegendDisplayNode(volumeNode) or logic.AddDefaultColorLegendDisplayNode(volumeNode)
    if legend is not None:
        legend.SetTitleText(title)
        legend.SetLabelFormat("%.0f")
        legend.SetNumberOfLabels(5)
