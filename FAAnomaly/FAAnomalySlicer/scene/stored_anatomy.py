"""The tracts of regions as short text that a scene keeps, and back; also how they are told in a table."""

from __future__ import annotations

import json
from collections.abc import Iterable

from slicer.i18n import tr as _

from FAAnomalyLib.result import Region
from FAAnomalyLib.tracts import RegionAnatomy, TractShare


def anatomy_of(stored: dict | None) -> RegionAnatomy | None:
    """The anatomy of a region of ``result.json``; None where it has none."""
    if stored is None:
        return None
    return RegionAnatomy(
        tuple(TractShare(**share) for share in stored["tracts"]), stored["nearest"], stored["distance_mm"]
    )


def anatomies_as_text(regions: Iterable[Region]) -> str:
    """The tracts of *regions* as JSON: each tract's words once, then the shares of each region."""
    tracts: dict[tuple, int] = {}
    stored: list = []
    for region in regions:
        anatomy = region.anatomy
        if anatomy is None:
            stored.append(None)
            continue
        shares = []
        for share in anatomy.tracts:
            words = (share.tract, share.abbreviation, share.side, share.group)
            number = tracts.setdefault(words, len(tracts))
            shares.append([number, round(share.share_of_region, 4), round(share.share_of_tract, 6)])
        distance = None if anatomy.distance_mm is None else round(anatomy.distance_mm, 1)
        stored.append([shares, anatomy.nearest, distance])
    return json.dumps({"tracts": [list(words) for words in tracts], "regions": stored})


def anatomies_from_text(text: str | None, count: int) -> list[RegionAnatomy | None]:
    """The tracts of *count* regions; None for each where *text* is absent, or was edited and does not fit them."""
    try:
        content = json.loads(text or "")
        tracts, stored = content["tracts"], content["regions"]
        found = [
            None
            if one is None
            else RegionAnatomy(tuple(TractShare(*tracts[number], *shares) for number, *shares in one[0]), *one[1:])
            for one in stored
        ]
    except (ValueError, KeyError, TypeError, IndexError):
        found = []
    return found if len(found) == count else [None] * count


def best_match(anatomy: RegionAnatomy | None) -> str:
    """The tract that matches best, for a narrow column; where there is none, the nearest one in brackets."""
    if anatomy is None:
        return ""
    if anatomy.tracts:
        return anatomy.tracts[0].tract
    if anatomy.nearest is None:
        return _("outside the atlas")
    return _("({tract}, {mm:.0f} mm)").format(tract=anatomy.nearest, mm=anatomy.distance_mm)


def all_matches(anatomy: RegionAnatomy | None) -> str:
    """Every tract of a region with its shares, one a line."""
    if anatomy is None:
        return ""
    return "\n".join(share.words() for share in anatomy.tracts) or anatomy.words()


def is_about(text: str, names: Iterable[tuple[str, str]]) -> bool:
    """Whether one of the tracts, (name, abbreviation), is meant by what a user typed: part of a name, or how an
    abbreviation begins, in capitals or not.
    """
    wanted = " ".join(text.lower().split())
    return not wanted or any(
        wanted in name.lower() or abbreviation.lower().startswith(wanted) for name, abbreviation in names
    )


def names_of(anatomy: RegionAnatomy | None) -> list[tuple[str, str]]:
    """(Name, abbreviation) of the tracts of a region, or of the nearest one."""
    if anatomy is None:
        return []
    if anatomy.nearest is not None:
        return [(anatomy.nearest, "")]
    return [(share.tract, share.abbreviation) for share in anatomy.tracts]
