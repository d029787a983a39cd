"""Voxel by voxel against the truth: overlap of what was segmented, and ranking by a score."""

from __future__ import annotations

import numpy as np


def overlap(segmentation: np.ndarray, label: int, truth: np.ndarray) -> dict[str, float | None]:
    """Dice, IoU, sensitivity and precision of a segmentation.

    True positives are voxels of the truth that carry the planted sign's *label*. Everything that is
    segmented at all counts as predicted: a voxel of the other sign, inside the truth or outside, is a
    false positive, and inside it is a miss as well.

    Parameters
    ----------
    segmentation
        Integers, 0 where nothing was found.
    truth
        bool of that shape, not empty.

    Returns
    -------
    dict
        Values in [0, 1]; the precision of an empty segmentation is None.
    """
    hits = int(np.count_nonzero((segmentation == label) & truth))
    predicted, true = int(np.count_nonzero(segmentation)), int(np.count_nonzero(truth))
    return {
        "dice": 2 * hits / (predicted + true),
        "iou": hits / (predicted + true - hits),
        "sensitivity": hits / true,
        "precision": hits / predicted if predicted else None,
    }


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the precision-recall curve as the exact step sum of (R_n - R_n-1) P_n.

    *scores* and boolean *truth* have shape (N,). Equal scores are one step, so a constant score gives the
    prevalence. Raises ``ValueError`` when there is no truth.
    """
    hits, predicted = _curve(scores, truth)
    return float((hits / predicted) @ np.diff(hits, prepend=0) / hits[-1])


def best_dice(scores: np.ndarray, truth: np.ndarray) -> float:
    """Largest Dice over all thresholds on *scores*, which only somebody who knows the truth could choose."""
    hits, predicted = _curve(scores, truth)
    return float((2 * hits / (predicted + hits[-1])).max())


def _curve(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True positives and positives at every distinct score, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(truth[order], dtype=np.int64)[last]
    if hits[-1] == 0:
        raise ValueError("there is no truth to rank")
    return hits, last + 1


def leakage(untouched: np.ndarray, changed: np.ndarray, truth: np.ndarray, change: float) -> float:
    """Shift of a prediction inside the truth per unit of planted change.

    *untouched* and *changed* are the pseudo-healthy maps of the brain without and with the anomaly,
    *change* the mean planted change of FA (not 0). 0: the prediction did not see the anomaly; 1: it repeats it.
    """
    return float((changed[truth].astype(np.float64) - untouched[truth]).mean() / change)
