"""Free-response ROC (FROC): sensitivity against false-positive regions per brain as the threshold varies.

Bunch et al. 1977, Proc. SPIE 127:124. The automatic threshold is one point of the curve, chosen so that most healthy
brains show nothing; a reader who inspects every region may choose a lower one.
"""

from __future__ import annotations

import numpy as np

from ...anomaly.regions import restrict_to_signs
from ...result import Result
from .bootstrap import MeanOverPeople, mean_over_people
from .regionwise import apply_threshold, detected_and_false_positives

Z_THRESHOLDS = (2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 5.0, 6.0)
"""|z|, the same for both tails."""
FALSE_POSITIVES = 1.0
"""Mean number of false-positive regions per brain at the operating point."""


def froc_points(result: Result, truth: np.ndarray, sign: str, signs: str = "both") -> list[list[float]]:
    """``[detected (0 or 1), false-positive regions]`` at each of :data:`Z_THRESHOLDS`.

    Parameters
    ----------
    result
        A scored volume with an anomaly.
    truth
        bool (X, Y, Z): the anomaly.
    sign
        ``increased`` or ``decreased``: its sign.
    signs
        Signs that are reported, see :func:`FAAnomalyLib.anomaly.regions.restrict_to_signs`.
    """
    points = []
    for z in Z_THRESHOLDS:
        at_threshold = apply_threshold(result, restrict_to_signs((z, z), signs))
        detected, false_positives = detected_and_false_positives(at_threshold, truth, sign)
        points.append([float(detected), float(false_positives)])
    return points


def froc_curve(rows: list[dict], seed: int = 0) -> list[dict]:
    """Mean over people of the FROC points of many cases.

    Parameters
    ----------
    rows
        Dicts with ``person`` and, where it was measured, ``free_response`` (:func:`froc_points`).
    seed
        Of the bootstrap.

    Returns
    -------
    list of dict
        For each threshold ``z``, ``found`` (sensitivity) and ``false_regions``, both as
        :func:`~.bootstrap.mean_over_people`; empty when no row has points.
    """
    measured = _with_points(rows)
    return [
        {
            "z": z,
            **{
                name: mean_over_people([(row["person"], row["free_response"][number][part]) for row in measured], seed)
                for part, name in enumerate(("found", "false_regions"))
            },
        }
        for number, z in enumerate(Z_THRESHOLDS)
        if measured
    ]


def sensitivity_at_false_positives(rows: list[dict], curve: list[dict], seed: int = 0) -> MeanOverPeople | None:
    """Sensitivity at the operating point of :data:`FALSE_POSITIVES`, linear between two points of the curve.

    Parameters
    ----------
    rows
        As for :func:`froc_curve`.
    curve
        The curve of *rows*.
    seed
        Of the bootstrap.

    Returns
    -------
    dict or None
        As :func:`~.bootstrap.mean_over_people`, with the threshold ``z`` of the operating point. None when every
        threshold has more false positives. Where even the lowest threshold has fewer, it is the operating point.
    """
    allowed = [n for n, point in enumerate(curve) if point["false_regions"]["mean"] <= FALSE_POSITIVES]
    if not allowed:
        return None
    upper = allowed[0]  # the threshold just high enough
    lower, weight = max(upper - 1, 0), 0.0
    if lower < upper:
        more, fewer = (curve[number]["false_regions"]["mean"] for number in (lower, upper))
        weight = (FALSE_POSITIVES - fewer) / (more - fewer)

    def interpolated(at_lower: float, at_upper: float) -> float:
        return weight * at_lower + (1 - weight) * at_upper

    sensitivity = mean_over_people(
        [
            (row["person"], interpolated(row["free_response"][lower][0], row["free_response"][upper][0]))
            for row in _with_points(rows)
        ],
        seed,
    )
    if sensitivity is not None:
        sensitivity["z"] = interpolated(curve[lower]["z"], curve[upper]["z"])
    return sensitivity


def _with_points(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row.get("free_response")]
