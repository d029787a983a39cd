"""Voxel-wise metrics against the ground truth: overlap of a segmentation, and ranking by a score."""

from __future__ import annotations

import numpy as np


def overlap(segmentation: np.ndarray, label: int, truth: np.ndarray) -> dict[str, float | None]:
    """Dice, IoU, sensitivity and precision of a segmentation with two signs.

    True positives are voxels of the truth with the planted sign's *label*. Every segmented voxel counts as
    predicted: one of the other sign is a false positive wherever it lies, and inside the truth a miss as well.
    (The Dice of a plain binary mask does not know the second sign.)

    Parameters
    ----------
    segmentation
        Integer array, 0 where nothing was detected.
    label
        Label of the planted sign.
    truth
        bool array of that shape, not empty.

    Returns
    -------
    dict
        ``dice``, ``iou``, ``sensitivity`` and ``precision`` in [0, 1]; the precision of an empty segmentation is None.

    Examples
    --------
    >>> scores = overlap(np.array([2, 2, 1, 0]), 2, np.array([True, True, False, True]))
    >>> {name: round(score, 3) for name, score in scores.items()}
    {'dice': 0.667, 'iou': 0.5, 'sensitivity': 0.667, 'precision': 0.667}
    """
    true_positives = int(np.count_nonzero((segmentation == label) & truth))
    predicted, positives = int(np.count_nonzero(segmentation)), int(np.count_nonzero(truth))
    return {
        "dice": 2 * true_positives / (predicted + positives),
        "iou": true_positives / (predicted + positives - true_positives),
        "sensitivity": true_positives / positives,
        "precision": true_positives / predicted if predicted else None,
    }


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the precision-recall curve as the step sum of (R_n - R_n-1) P_n.

    The same as :func:`sklearn.metrics.average_precision_score`, which the engine does not depend on.

    Parameters
    ----------
    scores
        Shape (N,), larger for more anomalous. Equal scores are one step: a constant score gives the prevalence.
    truth
        bool (N,).

    Raises
    ------
    ValueError
        When *truth* is empty.

    Examples
    --------
    >>> round(average_precision(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])), 4)
    0.8333
    """
    true_positives, predicted = _operating_points(scores, truth)
    return float((true_positives / predicted) @ np.diff(true_positives, prepend=0) / true_positives[-1])


def best_dice(scores: np.ndarray, truth: np.ndarray) -> float:
    """Largest Dice over all thresholds on *scores*: an oracle's, who knows the truth.

    Parameters and errors as :func:`average_precision`.

    Examples
    --------
    >>> best_dice(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, True, False]))
    0.8
    """
    true_positives, predicted = _operating_points(scores, truth)
    return float((2 * true_positives / (predicted + true_positives[-1])).max())


def _operating_points(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True positives and predicted positives at every distinct score, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    true_positives = np.cumsum(truth[order], dtype=np.int64)[last_of_ties]
    if true_positives[-1] == 0:
        raise ValueError("there is no truth to rank")
    return true_positives, last_of_ties + 1


def leakage(untouched: np.ndarray, changed: np.ndarray, truth: np.ndarray, change: float) -> float:
    """Share of the planted change that shows up in the prediction of healthy FA.

    Parameters
    ----------
    untouched, changed
        Expected FA of the brain without and with the anomaly, one shape.
    truth
        bool of that shape: planted voxels.
    change
        Mean planted change of FA, not 0.

    Returns
    -------
    float
        0: the prediction did not follow the anomaly; 1: it repeats it.

    Examples
    --------
    >>> leakage(np.array([0.5, 0.5]), np.array([0.375, 0.5]), np.array([True, False]), -0.25)
    0.5
    """
    return float((changed[truth].astype(np.float64) - untouched[truth]).mean() / change)
