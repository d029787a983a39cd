"""Thresholds of a comparator from healthy brains of other people."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

Thresholds = tuple[float, float]
"""Positive z of the increased and of the decreased tail."""
UNCALIBRATED: Thresholds = (inf, inf)
"""Nothing passes: used on the healthy brains from which the thresholds are derived."""
PERCENTILE = 95.0


def leave_one_person_out(person: str, extremes: Sequence[tuple[str, float, float]]) -> Thresholds:
    """95th percentile over other people of the largest z of a healthy brain, for each tail.

    Parameters
    ----------
    person
        Whose brains the thresholds are for. Their own brains count only when there is nobody else.
    extremes
        ``(person, highest z, lowest z)`` of every healthy brain. A person counts once, with the largest of
        several volumes.

    Examples
    --------
    >>> leave_one_person_out("A", [("A", 9.0, -9.0), ("B", 4.0, -3.0), ("B", 3.5, -5.0)])
    (4.0, 5.0)
    >>> leave_one_person_out("A", [("A", 9.0, -8.0)])
    (9.0, 8.0)
    """
    return from_healthy_people([row for row in extremes if row[0] != person] or extremes)


def from_healthy_people(extremes: Sequence[tuple[str, float, float]]) -> Thresholds:
    """95th percentile over people of the largest score of a healthy brain, for each tail; the common protocol.

    Parameters as :func:`leave_one_person_out`, without a person of one's own.

    Examples
    --------
    >>> from_healthy_people([("B", 4.0, -3.0), ("B", 3.5, -5.0)])
    (4.0, 5.0)
    """
    highest: dict[str, float] = {}
    lowest: dict[str, float] = {}
    for owner, high, low in extremes:
        highest[owner] = max(highest.get(owner, 0.0), high)
        lowest[owner] = max(lowest.get(owner, 0.0), -low)
    increased, decreased = (float(np.percentile(list(tail.values()), PERCENTILE)) for tail in (highest, lowest))
    return increased, decreased
