"""Free response (FROC): how much is found at other thresholds, and at the price of how many false regions.

Bunch et al. 1977; the automatic threshold is one point of the curve, chosen so that most healthy brains
show nothing. Whoever looks at every region anyway may choose a lower one.
"""

from __future__ import annotations

import numpy as np

from ...anomaly.regions import restrict_to_signs
from ...result import Result
from .bootstrap import mean_over_people
from .regionwise import cut_at, found_and_false

LEVELS = (2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 5.0, 6.0)
"""|z| of the thresholds, the same for both tails."""
FALSE_REGIONS = 1.0
"""A brain, on average: the price at which :func:`found_at_price` is read off."""


def free_response(result: Result, truth: np.ndarray, sign: str, signs: str = "both") -> list[list[float]]:
    """``[found (0 or 1), false regions]`` at each of :data:`LEVELS`; see :func:`.hits.found_and_false`.

    *signs* is what is looked for, see :func:`FAAnomalyLib.anomaly.regions.restrict_to_signs`.
    """
    points = []
    for level in LEVELS:
        found, false = found_and_false(cut_at(result, restrict_to_signs((level, level), signs)), truth, sign)
        points.append([float(found), float(false)])
    return points


def curve(rows: list[dict], seed: int = 0) -> list[dict]:
    """Means over people at each level: ``z``, ``found``, ``false_regions`` (:func:`~.bootstrap.mean_over_people`).

    *rows* have ``person`` and, where it was measured, ``free_response``; empty when none has.
    """
    told = _told(rows)
    return [
        {
            "z": level,
            **{
                name: mean_over_people([(row["person"], row["free_response"][number][part]) for row in told], seed)
                for part, name in enumerate(("found", "false_regions"))
            },
        }
        for number, level in enumerate(LEVELS)
        if told
    ]


def found_at_price(rows: list[dict], points: list[dict], seed: int = 0) -> dict | None:
    """What is found at :data:`FALSE_REGIONS` false regions, on a straight line between two points of the curve.

    *points* is the :func:`curve` of *rows*. Returns what :func:`~.bootstrap.mean_over_people` gives of ``found``, with
    the ``z`` there; None where no level has so few. Where the lowest level has fewer, it stands for the price.
    """
    affordable = [number for number, point in enumerate(points) if point["false_regions"]["mean"] <= FALSE_REGIONS]
    if not affordable:
        return None
    cheap = affordable[0]
    dear, share = max(cheap - 1, 0), 0.0
    if dear < cheap:
        most, least = (points[number]["false_regions"]["mean"] for number in (dear, cheap))
        share = (FALSE_REGIONS - least) / (most - least)

    def between(lower: float, upper: float) -> float:
        return share * lower + (1 - share) * upper

    found = [
        (row["person"], between(row["free_response"][dear][0], row["free_response"][cheap][0])) for row in _told(rows)
    ]
    return mean_over_people(found, seed) | {"z": between(points[dear]["z"], points[cheap]["z"])}


def _told(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row.get("free_response")]
