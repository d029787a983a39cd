"""Candidates: clusters of the screening statistic that are hidden whole and inpainted again."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import bounding_box
from .calibration import UNIT
from .regions import NEIGHBOURS

CANDIDATE_SHARE = 0.6
"""Of :data:`~FAAnomalyLib.anomaly.calibration.UNIT`: low enough that the slopes of a change are hidden with it."""
CANDIDATE_DILATION_MM = 6.0
MIN_CANDIDATE_ML = 0.3
MAX_HIDDEN_SHARE = 0.25
"""Share of the analysed white matter that may be hidden at once: the rest must remain as context."""


def candidate_mask(statistic: np.ndarray, spacing_mm: float, analysed: np.ndarray) -> np.ndarray:
    """Clusters beyond :data:`CANDIDATE_SHARE`, dilated; the strongest first until :data:`MAX_HIDDEN_SHARE` is reached.

    Parameters
    ----------
    statistic
        (X, Y, Z), signed, in units of :data:`~FAAnomalyLib.anomaly.calibration.UNIT`
        (:meth:`~FAAnomalyLib.anomaly.calibration.Calibration.strongest`).
    spacing_mm
        Edge of a voxel.
    analysed
        bool (X, Y, Z).

    Returns
    -------
    numpy.ndarray
        bool (X, Y, Z). The strongest cluster is part of it whatever its size.
    """
    hidden = np.zeros(statistic.shape, bool)
    for _, box, cluster in sorted(_clusters(statistic, spacing_mm), key=lambda c: -c[0]):
        more = hidden | _dilated(cluster, box, statistic.shape, spacing_mm)
        if (more & analysed).sum() > MAX_HIDDEN_SHARE * analysed.sum() and hidden.any():
            break
        hidden = more
    return hidden


def _clusters(statistic: np.ndarray, spacing_mm: float) -> list[tuple[float, tuple[slice, ...], np.ndarray]]:
    """Height, box and voxels within the box of each cluster of either sign that is large enough."""
    clusters = []
    for sign in (1, -1):
        labels, _ = ndimage.label(sign * statistic > CANDIDATE_SHARE * UNIT, NEIGHBOURS)
        for number, box in enumerate(ndimage.find_objects(labels), 1):
            inside = labels[box] == number
            if inside.sum() * spacing_mm**3 / 1000.0 >= MIN_CANDIDATE_ML:
                clusters.append((float((sign * statistic[box])[inside].max()), box, inside))
    return clusters


def _dilated(inside: np.ndarray, box: tuple[slice, ...], shape: tuple[int, ...], spacing_mm: float) -> np.ndarray:
    """A cluster, given within its box, dilated by :data:`CANDIDATE_DILATION_MM` on the whole grid."""
    whole = np.zeros(shape, bool)
    whole[box] = inside
    near = bounding_box(whole, int(np.ceil(CANDIDATE_DILATION_MM / spacing_mm)))
    whole[near] = ndimage.distance_transform_edt(~whole[near], sampling=spacing_mm) <= CANDIDATE_DILATION_MM
    return whole
