"""Threshold of the computed z-map: regions, segments and table, without the engine."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

from slicer.i18n import tr as _

from FAAnomalyLib.anomaly.regions import choose_threshold, restrict_to_signs
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.result import Region

from . import geometry
from .atlas_place import AtlasPlace, open_place
from .place_node import stored_place
from .region_search import FoundRegions, search_regions
from .region_table import fill_table
from .segments import bounding_box, describe, fill_segments, labelmap

THRESHOLD, SENSITIVE = "FAAnomaly.threshold", "FAAnomaly.sensitiveThreshold"
ONE_SIDED = "FAAnomaly.sensitiveThresholdOneSign"
SHOWN_SIGNS = "FAAnomaly.signs"
UNNAMED = "FAAnomaly.unnamed"
"""Attribute of a table of regions: why they have no tracts; absent where they have."""


def both_tails(threshold) -> tuple[float, float]:
    """A threshold as the pair (increased, decreased).

    Accepts a number, a pair, ``{"increased": z, "decreased": z}`` or what :func:`as_text` wrote;
    raises ``FAError('bad-request')`` for anything else than positive z.
    """
    value = threshold
    try:
        if isinstance(value, str):
            value = json.loads(value)
        if isinstance(value, dict):
            value = value["increased"], value["decreased"]
        up, down = (float(z) for z in (value if isinstance(value, (tuple, list)) else (value, value)))
        if not (0 < up < math.inf and 0 < down < math.inf):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise FAError(
            "bad-request",
            _("Threshold {value} is not a positive z").format(value=repr(threshold)),
            "",
            _("Give one number, or one for each sign"),
        ) from None
    return up, down


def as_text(threshold) -> str:
    """A threshold as text of a node attribute: ``7.0`` or ``[6.5, 7.0]`` (increased, decreased)."""
    up, down = both_tails(threshold)
    return json.dumps(up if up == down else [up, down])


def apply_threshold(nodes, threshold, signs: str = "both") -> list[Region]:
    """Find the regions beyond *threshold* in the z-map and put them into segmentation and table.

    Parameters
    ----------
    nodes
        :class:`~.result_list.ResultNodes`; a segmentation or table that the user deleted is left out.
    threshold
        Positive z for both signs, or a pair (increased, decreased).
    signs
        ``both``, ``increased`` or ``decreased``: which ones are kept.

    Returns
    -------
    list of Region
        Strongest first, positions in the volume's local frame.

    Raises
    ------
    FAError
        ``bad-request`` when z-map or difference are gone or differ in shape.
    """
    return show_selection(nodes, prepare_search(nodes, threshold, signs)())


@dataclass(frozen=True, eq=False)
class Selection:
    """The regions of a result that become segments and table.

    Attributes
    ----------
    found
        Labels and regions.
    threshold, signs
        As for :func:`apply_threshold`.
    unnamed
        Why the regions have no tracts; empty where they have, or where none was asked for.
    """

    found: FoundRegions
    threshold: object
    signs: str
    unnamed: str = ""


def select(arrays, threshold, signs: str) -> Selection:
    """The regions of a run's result (:class:`~.result_files.ResultArrays`); touches no node, safe in a thread.

    *threshold* may also be ``auto`` or ``sensitive``. The engine's own choice, ``auto`` and both signs, is used
    without another search.
    """
    chosen, calibration = arrays.provenance["threshold_z"], arrays.provenance.get("calibration", {})
    threshold = choose_threshold(
        threshold,
        signs,
        auto=chosen,
        sensitive=calibration.get("sensitive_z"),
        one_sided=calibration.get("alone_z"),
    )
    if (as_text(threshold), signs) == (as_text(chosen), "both"):
        k, j, i = bounding_box(arrays.segmentation) or (slice(0, 0),) * 3
        corner = i.start, j.start, k.start
        return Selection(FoundRegions(arrays.segmentation[k, j, i], corner, arrays.regions), threshold, signs)
    maps = arrays.z_map, arrays.difference, arrays.ijk_to_ras
    asked = bool(arrays.provenance.get("atlas"))
    return _search(maps, threshold, signs, arrays.place, no_place() if asked else "")


def prepare_search(nodes, threshold, signs: str = "both") -> Callable[[], Selection]:
    """The search of :func:`apply_threshold` as a function that touches no node and is safe in a thread.

    It reads the voxels in the memory of the nodes' images, which it keeps. Raises as :func:`apply_threshold`.
    """
    limits(threshold, signs)  # raises here what is wrong with them
    if nodes.zMap is None or nodes.difference is None:
        raise FAError(
            "bad-request", _("The z-map or the difference is gone"), _("it was removed from the scene"), _("Run again")
        )
    z, difference = geometry.voxels(nodes.zMap), geometry.voxels(nodes.difference)
    if z.shape != difference.shape:
        raise FAError(
            "bad-request",
            _("The z-map and the difference do not fit each other"),
            _("one of them was changed"),
            _("Run again"),
        )
    affine = geometry.ijk_to_ras(nodes.zMap)
    place = stored_place(nodes.place)
    return lambda: _search((z, difference, affine), threshold, signs, place, no_place())


def no_place() -> str:
    """Why the regions of another threshold have no tracts where the result has no place in the atlas."""
    return _("this result does not keep the brain's place in the tract atlas; run again")


def _search(maps, threshold, signs: str, place: AtlasPlace | None, without_place: str) -> Selection:
    """Find and name the regions; an atlas that cannot be used costs the names alone, and says why."""
    anatomy, unnamed = None, without_place
    if place is not None:
        try:
            anatomy, unnamed = open_place(place).anatomy, ""
        except FAError as error:
            unnamed = str(error)
    z, difference, ijk_to_ras = maps
    up, down = limits(threshold, signs)
    found = search_regions(z, difference, ijk_to_ras, up, down, anatomy)
    return Selection(found, threshold, signs, unnamed)


def show_selection(nodes, selection: Selection) -> list[Region]:
    """Put a selection into segmentation and table, with its threshold and signs as attributes; returns the regions."""
    attributes, found = {THRESHOLD: as_text(selection.threshold), SHOWN_SIGNS: selection.signs}, selection.found
    if nodes.segmentation is not None:
        was = nodes.segmentation.StartModify()  # one update of the views for both
        try:
            fill_segments(nodes.segmentation, labelmap(found.labels, geometry.ijk_to_ras(nodes.zMap), found.corner))
            describe(nodes.segmentation, found.regions)
        finally:
            nodes.segmentation.EndModify(was)
    if nodes.table is not None:
        fill_table(nodes.table, found.regions, nodes.zMap)
        nodes.table.SetAttribute(UNNAMED, selection.unnamed or None)
    for node in (nodes.segmentation, nodes.table):
        for name, value in attributes.items() if node is not None else ():
            node.SetAttribute(name, value)
    return found.regions


def limits(threshold, signs: str) -> tuple[float, float]:
    """The threshold of increases and of decreases; infinity where *signs* leaves one out."""
    return restrict_to_signs(both_tails(threshold), signs)
