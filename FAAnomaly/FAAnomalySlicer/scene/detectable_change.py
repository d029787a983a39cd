"""What an empty list of regions means: the size of change that the search would have found."""

from __future__ import annotations

import json
from typing import Any

from slicer.i18n import tr as _

ATTRIBUTE = "FAAnomaly.detectableChange"
"""Attribute of a result: the engine's ``detectable_change`` as JSON, for the threshold of the run."""

SCOPE = "FAAnomaly.scope"
DRAWN = ("ROI", "segment")
"""Scopes of a drawn region."""
LARGEST_CHANGE = 0.4
"""FA, the engine's ``LARGEST_CHANGE``: no larger change is told."""


def sentence(node, threshold: tuple[float, float], run_threshold: tuple[float, float], signs: str) -> str:
    """What is said where no region was found.

    Parameters
    ----------
    node
        Of the result; one of an earlier version tells no change, and only the first half is said.
    threshold
        The applied one, z (increased, decreased).
    run_threshold
        The one that the engine's changes belong to. Beyond a higher one less is found, and nothing is claimed.
    signs
        ``both``, ``increased`` or ``decreased``.
    """
    nothing = _("No region beyond the threshold.")
    signs_shown = ("increased", "decreased") if signs == "both" else (signs,)
    allowed = [
        sign
        for sign, z, of_run in zip(("increased", "decreased"), threshold, run_threshold, strict=True)
        if sign in signs_shown and z <= of_run
    ]
    changes = _changes(node)
    if not changes or not allowed:
        return nothing
    parts = [part for change in changes if (part := _words(change, allowed))]
    drawn = node.GetAttribute(SCOPE) in DRAWN
    where = _("in a region drawn so") if drawn else _("of white matter")
    if not parts:
        widest = max(change["diameter_mm"] for change in changes)
        return _(
            "{nothing} At half of the places {where}, not even a change of FA by {largest:g} over {mm:g} mm would have "
            "been found."
        ).format(nothing=nothing, where=where, largest=LARGEST_CHANGE, mm=widest)
    return _(
        "{nothing} At half of the places {where}, a change of FA by about {changes} would have been found."
    ).format(nothing=nothing, where=where, changes=_(", or by about ").join(parts))


def _words(change: dict, signs: list[str]) -> str:
    """``+0.18 or −0.17 over 20 mm``; empty where no change of *signs* reaches the threshold."""
    formats = {"increased": "+{:.2f}", "decreased": "−{:.2f}"}
    sizes = [formats[sign].format(change[sign]) for sign in signs if change.get(sign) is not None]
    if not sizes:
        return ""
    return _("{sizes} over {mm:g} mm").format(sizes=_(" or ").join(sizes), mm=change["diameter_mm"])


def _changes(node: Any) -> list[dict]:
    try:
        changes = json.loads(node.GetAttribute(ATTRIBUTE) or "[]")
        return [change for change in changes if float(change["diameter_mm"]) > 0]
    except (ValueError, TypeError, KeyError):
        return []  # edited by hand
