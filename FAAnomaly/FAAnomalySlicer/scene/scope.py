"""The scope of a result: the whole brain, or one box or segment. Each scope of a volume has results of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from slicer.i18n import tr as _

from .node_attributes import SCOPE

REGION = "FAAnomaly.region"
"""Reference of a result to the box or the segmentation that was analysed."""
SEGMENT = "FAAnomaly.segment"
"""Attribute of a result: the ID of the segment that was analysed."""
WHOLE_BRAIN, BOX, SEGMENT_KIND = "whole brain", "ROI", "segment"
"""Values of the attribute :data:`~.node_attributes.SCOPE`."""


@dataclass(frozen=True)
class Scope:
    """What was analysed. Two scopes are the same when they mean the same node and the same segment.

    Attributes
    ----------
    kind
        ``whole brain``, ``ROI`` or ``segment``.
    node_id
        Of the box or the segmentation; empty for the whole brain, and where the node is not known or gone.
    segment_id
        Of the segment, else empty.
    region_name
        Of the box or the segment, for the user.
    """

    kind: str = WHOLE_BRAIN
    node_id: str = ""
    segment_id: str = ""
    region_name: str = field(default="", compare=False)

    def label(self) -> str:
        """A few words: ``Whole brain``, ``Box R``, ``Segment tumour``."""
        if self.kind == WHOLE_BRAIN:
            return _("Whole brain")
        if not self.region_name:
            return _("Box that was removed") if self.kind == BOX else _("Segment that was removed")
        words = _("Box {name}") if self.kind == BOX else _("Segment {name}")
        return words.format(name=self.region_name)

    def prefix(self, input_name: str) -> str:
        """How the names of the results begin: ``FA`` for the whole brain, ``FA, box R:`` for a box."""
        if self.kind == WHOLE_BRAIN:
            return input_name
        if not self.region_name:
            words = _("{input}, box:") if self.kind == BOX else _("{input}, segment:")
        else:
            words = _("{input}, box {name}:") if self.kind == BOX else _("{input}, segment {name}:")
        return words.format(input=input_name, name=self.region_name)

    def mark(self, node, scene) -> None:
        """Store it at a result: as attributes, and as a reference while the region is in *scene*."""
        node.SetAttribute(SCOPE, self.kind)
        if self.segment_id:
            node.SetAttribute(SEGMENT, self.segment_id)
        present = self.node_id and scene.GetNodeByID(self.node_id) is not None
        node.SetNodeReferenceID(REGION, self.node_id if present else None)


def scope_of_region(roi=None, segment: tuple | None = None) -> Scope:
    """The scope of a run on a box, on ``(segmentation node, segment ID or name)``, or on the whole brain."""
    if roi is not None:
        return Scope(BOX, roi.GetID() or "", "", roi.GetName())
    if segment is None:
        return Scope()
    node, wanted = segment
    segmentation = node.GetSegmentation()
    segment_id = wanted if segmentation.GetSegment(wanted) else segmentation.GetSegmentIdBySegmentName(wanted)
    found = segmentation.GetSegment(segment_id)
    return Scope(SEGMENT_KIND, node.GetID() or "", segment_id, found.GetName() if found else "")


def scope_of_provenance(provenance: dict) -> Scope:
    """The scope that the engine tells, which knows no nodes."""
    request = provenance.get("request", {})
    return Scope(BOX if request.get("roi") else SEGMENT_KIND if request.get("region") else WHOLE_BRAIN)


def scope_of_nodes(nodes: Iterable[Any]) -> Scope:
    """The scope that result nodes were marked with; of an earlier version's, only the kind is known."""
    for node in nodes:
        kind = node.GetAttribute(SCOPE) or WHOLE_BRAIN
        region, segment_id = node.GetNodeReference(REGION), node.GetAttribute(SEGMENT) or ""
        if region is None:
            return Scope(kind, "", segment_id)
        if kind != SEGMENT_KIND:
            return Scope(kind, region.GetID(), "", region.GetName())
        found = region.GetSegmentation().GetSegment(segment_id)
        return Scope(kind, region.GetID(), segment_id, found.GetName() if found else "")
    return Scope()
