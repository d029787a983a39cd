"""How tables 3.10 and 3.11 are scored, after Behrendt et al. (2023), whom the thesis follows.

The residual is the absolute difference of image and expected image, within the brain mask eroded in each axial slice,
after a 3D median filter. One threshold comes from patients who are not tested; components of few voxels are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..metrics.binary_overlap import binary_overlap
from ..metrics.voxelwise import average_precision

EROSION_DIVISOR = 25
"""The mask is eroded so many times as its slices' width holds it: 96 // 25 = 3."""
MEDIAN_VOXELS = 5
LARGEST_DROPPED = 7
"""Components of so many voxels and fewer are dropped."""
BISECTIONS = 10


@dataclass(frozen=True)
class T2Scores:
    """One patient's scores, each in [0, 1].

    Attributes
    ----------
    dice
        Of lesions and of what lies above the threshold.
    average_precision
        Of the residual over all voxels; None without a lesion.
    dice_of_brain
        Dice where all of the eroded brain is called lesion.
    prevalence
        Share of voxels that are lesion: the average precision of a constant residual.
    """

    dice: float
    average_precision: float | None
    dice_of_brain: float
    prevalence: float


def eroded_brain(brain: np.ndarray) -> np.ndarray:
    """Brain mask, bool (X, Y, Z), eroded in each axial slice by a cross of 4 neighbours.

    Examples
    --------
    >>> brain = np.zeros((96, 96, 2), bool)
    >>> brain[10:30, 10:30] = True
    >>> eroded_brain(brain).sum(axis=(0, 1)).tolist()
    [196, 196]
    """
    cross = ndimage.generate_binary_structure(2, 1)[:, :, None]
    times = brain.shape[0] // EROSION_DIVISOR
    return ndimage.binary_erosion(brain, cross, iterations=times) if times else brain.copy()


def filtered_residual(difference: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Residual that is thresholded, float32 (X, Y, Z), 0 outside the eroded brain before it is filtered.

    Parameters
    ----------
    difference
        Image minus expected image, (X, Y, Z).
    brain
        Brain mask, bool (X, Y, Z).
    """
    residual = np.where(eroded_brain(brain), np.abs(difference), 0.0).astype(np.float32)
    return ndimage.median_filter(residual, size=MEDIAN_VOXELS)


def best_threshold(residuals: Sequence[np.ndarray], lesions: Sequence[np.ndarray]) -> float:
    """Threshold of the best Dice over the voxels of all validation patients together, by bisection.

    From 0 to the largest residual, the half whose middle has the higher Dice is kept, ten times; the best threshold
    that was met is returned. Dice need not have one maximum, so that another may be better: the source's rule.

    Parameters
    ----------
    residuals
        (X, Y, Z) of each patient.
    lesions
        bool, of the same shapes.
    """
    # Sorted once, so that Dice at any threshold costs a search.
    values = np.concatenate([one.ravel() for one in residuals])
    truth = np.concatenate([one.ravel() for one in lesions])
    order = np.argsort(values, kind="stable")
    values, hits_above = values[order], np.append(np.cumsum(truth[order][::-1])[::-1], 0)
    positives = int(hits_above[0])

    def dice(threshold: float) -> float:
        first = int(np.searchsorted(values, threshold, side="right"))
        found = len(values) - first
        return 2.0 * int(hits_above[first]) / (found + positives) if found + positives else 1.0

    low, high = 0.0, float(values[-1]) if len(values) else 0.0
    best = max(((dice(one), one) for one in (low, high)), key=lambda pair: pair[0])
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        pairs = [(dice(one), one) for one in ((low + middle) / 2, (middle + high) / 2)]
        best = max([best, *pairs], key=lambda pair: pair[0])
        low, high = (low, middle) if pairs[0][0] > pairs[1][0] else (middle, high)
    return best[1]


def without_specks(found: np.ndarray) -> np.ndarray:
    """*found*, bool (X, Y, Z), without components of :data:`LARGEST_DROPPED` voxels and fewer (6 neighbours).

    Examples
    --------
    >>> found = np.zeros((9, 9, 9), bool)
    >>> found[:7, 0, 0] = found[:8, 4, 4] = True
    >>> int(without_specks(found).sum())
    8
    """
    labels, count = ndimage.label(found)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    return (sizes > LARGEST_DROPPED)[labels]


def scores_of(residual: np.ndarray, lesions: np.ndarray, brain: np.ndarray, threshold: float) -> T2Scores:
    """Score one patient; *residual* as :func:`filtered_residual` gives it."""
    found = without_specks(residual > threshold)
    precision = average_precision(residual.ravel(), lesions.ravel()) if lesions.any() else None
    return T2Scores(
        binary_overlap(found, lesions).dice,
        precision,
        binary_overlap(eroded_brain(brain), lesions).dice,
        float(lesions.mean()),
    )
