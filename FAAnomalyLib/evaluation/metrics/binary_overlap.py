"""Overlap of two sets of voxels (thesis, equations 2.6 to 2.9): precision, recall, F1, IoU, Dice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BinaryOverlap:
    """Overlap of found and true voxels, each in [0, 1].

    Attributes
    ----------
    iou
        Intersection over union (equation 2.9).
    f1
        Harmonic mean of precision and recall, 2 P R / (P + R). The thesis prints P R as the denominator of equation
        2.8, which is always 2. Equal to Dice, and to 2 IoU / (1 + IoU).
    precision, recall
        Equations 2.6 and 2.7; None where nothing was found, and where there was nothing to find.
    """

    iou: float
    f1: float
    precision: float | None
    recall: float | None

    @property
    def dice(self) -> float:
        """2 |X and Y| / (|X| + |Y|), the same number as F1."""
        return self.f1


def binary_overlap(found: np.ndarray, truth: np.ndarray, inside: np.ndarray | None = None) -> BinaryOverlap:
    """Compare found voxels with true ones.

    Where there was nothing to find and nothing was found, IoU and F1 are 1; where one of both is empty, 0.

    Parameters
    ----------
    found, truth
        bool, one shape.
    inside
        bool of that shape: the voxels that count, all by default.

    Examples
    --------
    >>> found, truth = np.array([True, True, False, False]), np.array([True, False, True, False])
    >>> binary_overlap(found, truth)
    BinaryOverlap(iou=0.3333333333333333, f1=0.5, precision=0.5, recall=0.5)
    >>> binary_overlap(found, truth, np.array([True, False, False, True])).iou
    1.0
    """
    if inside is not None:
        found, truth = found[inside], truth[inside]
    hits, predicted, positives = (int(np.count_nonzero(a)) for a in (found & truth, found, truth))
    if predicted == positives == 0:
        return BinaryOverlap(1.0, 1.0, None, None)
    precision = hits / predicted if predicted else None
    recall = hits / positives if positives else None
    return BinaryOverlap(hits / (predicted + positives - hits), 2 * hits / (predicted + positives), precision, recall)
