"""A brain's place in the atlas as a text node of its result, saved with the scene."""

from __future__ import annotations

from .atlas_place import AtlasPlace

ATLAS = "FAAnomaly.atlasSha256"


def store_place(node, place: AtlasPlace | None) -> None:
    """Put *place* into a ``vtkMRMLTextNode``; None empties it."""
    node.SetText(place.text if place is not None else "")
    node.SetAttribute(ATLAS, place.atlas_sha256 if place is not None else None)


def stored_place(node) -> AtlasPlace | None:
    """What the text node holds; None without a node, or where it holds none."""
    if node is None or not node.GetAttribute(ATLAS) or not node.GetText():
        return None
    return AtlasPlace(node.GetText().strip(), node.GetAttribute(ATLAS))
