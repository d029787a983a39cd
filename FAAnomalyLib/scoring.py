"""From residual to z and suspects.

z = (FA - predicted mean) / predicted standard deviation, smoothed inside the judged white matter
and brought to unit spread over the subject's own white matter (median and MAD, so that a lesion
does not widen its own yardstick).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .regions import NEIGHBOURS

SMOOTHING_MM = 3.0
"""Standard deviation of the Gaussian over z."""
EDGE_MM = 6.0
"""Nearer to the brain's edge FA is ruled by noise and partial volume and is not judged."""
AUTO_THRESHOLD = 7.0
"""|z| of ``--threshold auto``: fixed, just above the largest of the held-out person (see the model card)."""
SUSPECT_Z = 3.5
"""Lower catches more of a lesion's rim, but lets the second look's holes depend on noise: the same brain
on two grids then agreed less (correlation of z 0.96 to 0.98 against 0.99)."""
SUSPECT_DILATION_MM = 6.0


def judged_mask(brain: np.ndarray, white_matter: np.ndarray, covered: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Voxels of the model grid that are judged: filled, white matter by the prior, away from the edge."""
    depth = ndimage.distance_transform_edt(brain, sampling=spacing_mm)
    return covered & (white_matter > 0.5) & (depth >= EDGE_MM)


def z_map(fa: np.ndarray, mean: np.ndarray, variance: np.ndarray, judged: np.ndarray, spacing_mm: float,
          yardstick: tuple[float, float] | None = None) -> np.ndarray:
    """Smoothed, standardised z on the model grid, float32; 0 outside *judged*.

    Parameters
    ----------
    fa, mean, variance
        (X, Y, Z), FA and FA squared. Where the method knows no variance (NaN) every voxel is taken
        to be as sure as every other.
    judged
        bool (X, Y, Z), see :func:`judged_mask`.
    yardstick
        Centre and spread of :func:`smoothed_z` over healthy white matter. None takes them from
        *judged* itself, which only a whole brain can do: a lesion that fills a drawn box would be
        its own yardstick.
    """
    values = smoothed_z(fa, mean, variance, judged, spacing_mm)
    centre, spread = yardstick or centre_and_spread(values[judged])
    return np.where(judged, (values - centre) / spread, 0.0).astype(np.float32)


def smoothed_z(fa: np.ndarray, mean: np.ndarray, variance: np.ndarray, judged: np.ndarray,
               spacing_mm: float) -> np.ndarray:
    """Residual over predicted standard deviation, smoothed over the judged voxels; parameters as :func:`z_map`."""
    deviation = np.sqrt(np.where(np.isfinite(variance), np.maximum(variance, 1e-6), 1.0))
    raw = np.where(judged, (fa - mean) / deviation, 0.0)
    return _smooth_inside(raw, judged, SMOOTHING_MM / spacing_mm)


def centre_and_spread(values: np.ndarray) -> tuple[float, float]:
    """Median and robust standard deviation (from the MAD); (0, 1) of nothing."""
    if values.size == 0:
        return 0.0, 1.0
    centre = np.median(values)
    return float(centre), float(max(1.4826 * np.median(np.abs(values - centre)), 1e-6))


def _smooth_inside(values: np.ndarray, inside: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian sum over the judged neighbours alone, over the root of its summed squared weights.

    So independent noise of unit variance keeps unit variance, however few neighbours are judged.
    """
    reach = int(np.ceil(3.0 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    total = _weighted_sum(np.where(inside, values, 0.0), kernel)
    squared = _weighted_sum(inside.astype(np.float64), kernel**2)
    return np.divide(total, np.sqrt(np.maximum(squared, 1e-12)), out=np.zeros_like(total), where=inside)


def _weighted_sum(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    for axis in range(values.ndim):
        values = ndimage.correlate1d(values, kernel, axis=axis, mode="constant")
    return values


def suspects(z: np.ndarray, judged: np.ndarray, spacing_mm: float) -> np.ndarray:
    """What deserves a second look: clusters beyond :data:`SUSPECT_Z`, dilated so as to be hidden whole."""
    found = np.zeros(z.shape, bool)
    least = max(int(round(0.3e3 / spacing_mm**3)), 1)
    for sign in (1, -1):
        labels, count = ndimage.label((sign * z > SUSPECT_Z) & judged, NEIGHBOURS)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        sizes[0] = 0
        found |= (sizes >= least)[labels]
    if not found.any():
        return found
    return ndimage.distance_transform_edt(~found, sampling=spacing_mm) <= SUSPECT_DILATION_MM
