"""How far a brain misses its own estimate about each place: standard deviation of healthy tissue without a network."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import ndimage

from ..preprocessing.robust_statistics import robust_location_and_scale

SIGMA_MM = 8.0
"""Width of the Gaussian over which squared errors are averaged."""
LARGEST = 3.0
"""In typical errors of the tissue: a larger one counts as this, so that a lesion is not its own spread."""
TISSUES, LEAST_VOXELS = 24, 100
"""Classes of white-matter probability, fewer where they would have fewer voxels than this."""
LEAST_VARIANCE = 1e-6
"""FA squared."""


def error_variance(error: np.ndarray, where: np.ndarray, white_matter: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Variance of an error by tissue, times how much larger it is about each place than in this tissue elsewhere.

    White matter varies twice as much as grey; a place where registration or image is poor, more than the tissue tells.

    Parameters
    ----------
    error
        (X, Y, Z), FA: observed minus estimated.
    where
        bool (X, Y, Z): voxels that count, and get a variance.
    white_matter
        Probability, 0 to 1, (X, Y, Z).
    spacing_mm
        Edge of a voxel.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z), FA squared; NaN outside *where*.
    """
    variance = np.full(error.shape, np.nan, np.float32)
    if not where.any():
        return variance
    typical = np.zeros(error.shape, np.float32)
    typical[where] = _by_tissue(error[where], white_matter[where])
    excess = np.zeros(error.shape, np.float32)
    excess[where] = np.minimum(error[where] ** 2 / typical[where], LARGEST**2)
    sigma = SIGMA_MM / spacing_mm
    total, share = (ndimage.gaussian_filter(one, sigma) for one in (excess, where.astype(np.float32)))
    variance[where] = np.maximum(typical[where] * total[where] / share[where], LEAST_VARIANCE)
    return variance


def _by_tissue(error: np.ndarray, white_matter: np.ndarray) -> np.ndarray:
    """Mean square of *error* at each voxel's probability of white matter, (N,), interpolated between classes."""
    classes = int(np.clip(error.size // LEAST_VOXELS, 1, TISSUES))
    edges = np.unique(np.quantile(white_matter, np.linspace(0.0, 1.0, classes + 1)))
    if len(edges) == 1:
        edges = np.repeat(edges, 2)
    places, variances = [], []
    for low, high in pairwise(edges):
        inside = (white_matter >= low) & (white_matter <= high)
        bound = LARGEST * robust_location_and_scale(error[inside]).scale
        places.append(float(np.median(white_matter[inside])))
        variances.append(float(np.mean(np.clip(error[inside], -bound, bound) ** 2)))
    return np.maximum(np.interp(white_matter, places, variances), LEAST_VARIANCE)
