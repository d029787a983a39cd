"""The threshold slider: from the computed z-map to regions, segments and table, without the engine."""

from __future__ import annotations

import json
import math

import numpy as np
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.regions import LEAST_LEVEL, find_regions
from FAAnomalyLib.result import Region
from FAAnomalyLib.volume import Volume

from . import geometry
from .segments import bounding_box, fill_segments, labelmap
from .table import fill_table

SIGNS = ("both", "increased", "decreased")
THRESHOLD = "FAAnomaly.threshold"
SHOWN_SIGNS = "FAAnomaly.signs"


def both_tails(threshold) -> tuple[float, float]:
    """A threshold as the pair (increased, decreased).

    Accepts a number, a pair, ``{"increased": z, "decreased": z}`` or what :func:`as_text` wrote;
    raises ``FAError('bad-request')`` for anything that is no positive z.
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
        raise FAError("bad-request", _("Threshold {value} is not a positive z").format(value=repr(threshold)), "",
                      _("Give one number, or one for each sign")) from None
    return up, down


def as_text(threshold) -> str:
    """A threshold as a node attribute holds it: ``7.0`` or ``[6.5, 7.0]`` (increased, decreased)."""
    up, down = both_tails(threshold)
    return json.dumps(up if up == down else [up, down])


def apply_threshold(nodes, threshold, signs: str = "both") -> list[Region]:
    """Find the regions beyond *threshold* in the z-map and put them into segmentation and table.

    Parameters
    ----------
    nodes
        :class:`~FAAnomalySlicer.results.ResultNodes`; a segmentation or table that the user deleted is
        left out.
    threshold
        Positive z for both signs, or a pair (increased, decreased).
    signs
        ``both``, ``increased`` or ``decreased``: which ones are kept.

    Returns
    -------
    list of Region
        Strongest first, positions in the volume's local frame (:func:`FAAnomalySlicer.views.jump_to` takes them).

    Raises ``FAError('bad-request')`` when z-map or difference are gone or do not fit each other.
    """
    up, down = both_tails(threshold)
    if signs not in SIGNS:
        raise ValueError(f"signs {signs!r} is none of {', '.join(SIGNS)}")
    labels, corner, regions = _find(nodes, math.inf if signs == "decreased" else up,
                                    math.inf if signs == "increased" else down)
    kept = {THRESHOLD: as_text((up, down)), SHOWN_SIGNS: signs}
    if nodes.segmentation is not None:
        fill_segments(nodes.segmentation, labelmap(labels, geometry.ijk_to_ras(nodes.zMap), corner))
    if nodes.table is not None:
        fill_table(nodes.table, regions, nodes.zMap)
    for node in (nodes.segmentation, nodes.table):
        for name, value in kept.items() if node is not None else ():
            node.SetAttribute(name, value)
    return regions


def _find(nodes, up: float, down: float) -> tuple[np.ndarray, list[int], list[Region]]:
    """Labels (k, j, i) of the part of the grid that holds the regions, where it begins (i, j, k), and the regions."""
    if nodes.zMap is None or nodes.difference is None:
        raise FAError("bad-request", _("The z-map or the difference is gone"), _("it was removed from the scene"),
                      _("Run again"))
    z, difference = geometry.voxels(nodes.zMap), geometry.voxels(nodes.difference)
    if z.shape != difference.shape:
        raise FAError("bad-request", _("The z-map and the difference do not fit each other"),
                      _("one of them was changed"), _("Run again"))
    # No region reaches below this; what lies beyond the box cannot matter.
    box = bounding_box((z > LEAST_LEVEL * up) | (z < -LEAST_LEVEL * down)) or (slice(0, 1),) * 3
    corner = [s.start for s in box[::-1]]
    # Indexed (k, j, i) as in memory, with the columns of the affine in that order: no copy, same places.
    affine = geometry.ijk_to_ras(nodes.zMap)
    affine[:3, 3] += affine[:3, :3] @ corner
    affine = affine[:, [2, 1, 0, 3]]
    segmentation, regions = find_regions(Volume(z[box], affine), Volume(difference[box], affine), (up, down))
    return segmentation.data, corner, regions
