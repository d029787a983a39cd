"""Receiver operating characteristic over a stated set of voxels, and the area under it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Points of a ROC curve, from the strictest threshold (0, 0) to the loosest (1, 1).

    Attributes
    ----------
    false_positive_rate, true_positive_rate
        Shape (P,), both rising from 0 to 1.
    """

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray

    @property
    def area(self) -> float:
        """Area under the curve by trapezoids: the chance that a true voxel outranks a false one, ties half."""
        widths = np.diff(self.false_positive_rate)
        return float((widths * (self.true_positive_rate[1:] + self.true_positive_rate[:-1]) / 2).sum())

    def thinned(self, points: int) -> RocCurve:
        """At most *points* of it, evenly spaced along the curve's length, both ends kept."""
        if len(self.false_positive_rate) <= points:
            return self
        along = np.cumsum(np.abs(np.diff(self.false_positive_rate)) + np.abs(np.diff(self.true_positive_rate)))
        chosen = np.unique(np.searchsorted(np.append(0.0, along), np.linspace(0.0, along[-1], points)))
        return RocCurve(self.false_positive_rate[chosen], self.true_positive_rate[chosen])


def roc_curve(scores: np.ndarray, truth: np.ndarray) -> RocCurve | None:
    """ROC of a score; the same points as :func:`sklearn.metrics.roc_curve` with ``drop_intermediate=False``.

    Parameters
    ----------
    scores
        Shape (N,), larger for more anomalous; equal scores are one step.
    truth
        bool (N,).

    Returns
    -------
    RocCurve or None
        None where all voxels are true, or none is: there is nothing to tell apart.

    Examples
    --------
    >>> curve = roc_curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    >>> curve.true_positive_rate.tolist(), curve.area
    ([0.0, 0.5, 0.5, 1.0, 1.0], 0.75)
    """
    positives = int(np.count_nonzero(truth))
    negatives = len(truth) - positives
    if not positives or not negatives:
        return None
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(truth[order], dtype=np.int64)[last_of_ties]
    misses = last_of_ties + 1 - hits
    return RocCurve(np.append(0.0, misses / negatives), np.append(0.0, hits / positives))
