"""Means over people, and how far they could have been elsewhere with other people."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

DRAWS = 2000
COVERAGE = 0.95


def mean_over_people(values: Iterable[tuple[str, float | None]], seed: int = 0, draws: int = DRAWS) -> dict | None:
    """Mean over people of each person's mean, with a percentile bootstrap interval over people.

    Parameters
    ----------
    values
        ``(person, value)``; a value of None (not defined for that case) is left out.
    seed, draws
        Of the resampling of people with replacement.

    Returns
    -------
    dict or None
        ``mean``, ``low`` and ``high`` (95 % interval; None with fewer than two people), ``people`` and
        ``cases``. None when no value is defined.
    """
    grouped: dict[str, list[float]] = {}
    for person, value in values:
        if value is not None:
            grouped.setdefault(person, []).append(float(value))
    if not grouped:
        return None
    means = np.array([np.mean(own) for own in grouped.values()])
    found = {
        "mean": float(means.mean()),
        "low": None,
        "high": None,
        "people": len(means),
        "cases": sum(map(len, grouped.values())),
    }
    if len(means) > 1:
        drawn = means[np.random.default_rng(seed).integers(len(means), size=(draws, len(means)))].mean(axis=1)
        found["low"], found["high"] = (float(q) for q in np.quantile(drawn, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]))
    return found
