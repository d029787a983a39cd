"""Colours of a signed map: blue for decreased, red for increased, transparent in the middle.

The foreground of a slice view has no half transparent colours: alpha 0 hides, any other alpha shows. So the map is
hidden where |z| is small, and the colour shows its strength, from a pale tint to a full one. Colour-blind readers can
distinguish blue and orange red too, and neither is a grey.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
from slicer.i18n import tr as _

ENTRIES = 256
HIDDEN_SHARE = 0.25
"""Share of the window, to both sides of 0, that is transparent."""
WINDOW_FACTOR = 2.0
"""The window's limit divided by the threshold, so that the map begins to show at half the threshold."""

# Light and full tint, sRGB in 0..1. The light ones are coloured enough to stand out from white matter.
INCREASED = np.array([[1.00, 0.80, 0.30], [0.78, 0.04, 0.10]])
DECREASED = np.array([[0.55, 0.92, 1.00], [0.05, 0.20, 0.80]])

ROLE = "FAAnomaly.colours"


def color_table() -> np.ndarray:
    """float64 (256, 4): red, green, blue and alpha from the most negative to the most positive value."""
    place = (np.arange(ENTRIES) + 0.5) / ENTRIES * 2.0 - 1.0
    strength = np.clip((np.abs(place) - HIDDEN_SHARE) / (1.0 - HIDDEN_SHARE), 0.0, 1.0)[:, None]
    tints = np.where((place > 0)[:, None, None], INCREASED, DECREASED)
    colours = (1.0 - strength) * tints[:, 0] + strength * tints[:, 1]
    # Black too, not only transparent: a legend has no transparency.
    return np.hstack([colours, np.ones((ENTRIES, 1))]) * (np.abs(place) > HIDDEN_SHARE)[:, None]


def color_node(scene):
    """The scene's own table of these colours, made on the first call."""
    for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode", scene):
        if node.GetAttribute(ROLE):
            return node
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName(scene.GenerateUniqueName(_("FA z-map")))
    node.SetDescription(_("Decreased FA blue, increased FA red, transparent in between"))
    node.SetAttribute(ROLE, "z")
    node.SetAttribute("Category", "FAAnomaly")
    node.SetNumberOfColors(ENTRIES)
    for number, (red, green, blue, alpha) in enumerate(color_table()):
        node.SetColor(number, f"{(number + 0.5) / ENTRIES * 2 - 1:+.3f}", red, green, blue, alpha)
    return scene.AddNode(node)


def show_signed(volumeNode, limit: float) -> None:
    """Display *volumeNode* in these colours with the symmetric window -*limit* to *limit*."""
    display = volumeNode.GetDisplayNode()
    display.SetAndObserveColorNodeID(color_node(volumeNode.GetScene()).GetID())
    display.SetAutoWindowLevel(False)
    display.SetApplyThreshold(False)
    display.SetWindowLevelMinMax(-limit, limit)


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
