"""Means over people with bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

import numpy as np
from scipy.stats import bootstrap

RESAMPLES = 2000
COVERAGE = 0.95


class MeanOverPeople(TypedDict, total=False):
    """A mean with its interval; the keys are stored in ``evaluation.json``.

    ``mean``; ``low`` and ``high`` (ends of the 95 % interval, None with fewer than two people); ``people`` and
    ``cases`` (how many); in a row of a FROC operating point also ``z`` (its threshold).
    """

    mean: float
    low: float | None
    high: float | None
    people: int
    cases: int
    z: float


def mean_over_people(values: Iterable[tuple[str, float | None]], seed: int = 0) -> MeanOverPeople | None:
    """Mean over people of each person's mean, with a BCa bootstrap interval over people.

    People are resampled, not volumes or cases, because the values of one person are not independent. The interval
    is bias-corrected and accelerated (Efron 1987, J. Am. Stat. Assoc. 82:171).

    Parameters
    ----------
    values
        ``(person, value)``; a value of None (not defined for that case) is left out.
    seed
        Of the resampling.

    Returns
    -------
    dict or None
        See :class:`MeanOverPeople`; None when no value is defined. Where all people have the same value, BCa is not
        defined and the interval is that value.

    Examples
    --------
    >>> mean_over_people([("A", 1.0), ("A", 0.5), ("B", 0.0), ("B", None)])
    {'mean': 0.375, 'low': 0.0, 'high': 0.75, 'people': 2, 'cases': 3}
    >>> mean_over_people([("A", 1.0), ("A", 2.0)])
    {'mean': 1.5, 'low': None, 'high': None, 'people': 1, 'cases': 2}
    """
    defined = [(person, float(value)) for person, value in values if value is not None]
    if not defined:
        return None
    means = means_of_people(defined)
    low, high = _interval(means, seed)
    return {
        "mean": float(means.mean()),
        "low": low,
        "high": high,
        "people": len(means),
        "cases": len(defined),
    }


def means_of_people(values: Iterable[tuple[str, float]]) -> np.ndarray:
    """Mean of each person's values, (people,), from ``(person, value)``, in the order in which people come.

    Examples
    --------
    >>> means_of_people([("A", 1.0), ("B", 0.0), ("A", 0.5)]).tolist()
    [0.75, 0.0]
    """
    by_person: dict[str, list[float]] = {}
    for person, value in values:
        by_person.setdefault(person, []).append(value)
    return np.array([np.mean(own) for own in by_person.values()])


def _interval(means: np.ndarray, seed: int) -> tuple[float, float] | tuple[None, None]:
    """Ends of the interval of the mean of *means*, shape (people,)."""
    if len(means) < 2:
        return None, None
    if np.allclose(means, means[0], rtol=1e-12, atol=1e-12):
        return float(means.mean()), float(means.mean())
    # SciPy calls the argument rng since 1.15 and keeps this name.
    interval = bootstrap(
        (means,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=COVERAGE,
        method="BCa",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)
