"""Several inpaintings of one volume fused into one, by inverse variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Inpainted:
    """Healthy content on the model grid.

    Attributes
    ----------
    mean
        FA, float32 (X, Y, Z); 0 where nothing was inpainted.
    variance
        Of a healthy voxel about the mean, FA squared, float32 (X, Y, Z); NaN where it is unknown.
    covered
        bool (X, Y, Z): true where some hole lay.
    evaluations
        Network calls.
    """

    mean: np.ndarray
    variance: np.ndarray
    covered: np.ndarray
    evaluations: int = 0


class PassSum:
    """Several inpaintings of one volume, added one after the other and fused into one.

    The mean of n inpaintings of a voxel, m_i with variance v_i, is weighted by inverse variance, and the variance is
    the harmonic mean:

        mean = sum(m_i / v_i) / sum(1 / v_i),   variance = n / sum(1 / v_i)

    Errors of several passes at one voxel are nearly the same error (the voxel's own noise), so that averaging does
    not shrink the variance. Means have equal weights where variances are unknown.

    Parameters
    ----------
    shape
        (X, Y, Z).

    Examples
    --------
    >>> total = PassSum((2,))
    >>> for mean, variance in ((0.2, 0.1), (0.6, 0.3)):
    ...     total.add(np.array([True, False]), np.array([mean]), np.array([variance]))
    >>> print(total.fused().mean, total.fused().variance)
    [0.3 0. ] [0.15  nan]
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.weighted, self.weights = np.zeros(shape), np.zeros(shape)
        self.count = np.zeros(shape, np.int32)
        self.unknown, self.evaluations = False, 0

    def add(self, hole: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> None:
        """Add one pass: its *hole*, bool (X, Y, Z), and mean and variance of the hole's voxels in C order."""
        blind = ~np.isfinite(variance)
        self.unknown |= bool(blind.any())
        precision = np.where(blind, 1.0, 1.0 / np.maximum(variance, 1e-8))
        self.weighted[hole] += precision * mean
        self.weights[hole] += precision
        self.count[hole] += 1

    def fused(self) -> Inpainted:
        """All passes that were added, as one; the variance is NaN everywhere when one pass did not know it."""
        covered = self.count > 0
        mean = np.divide(self.weighted, self.weights, out=np.zeros_like(self.weighted), where=covered)
        variance = np.full(covered.shape, np.nan)
        if not self.unknown:
            np.divide(self.count, self.weights, out=variance, where=covered)
        return Inpainted(mean.astype(np.float32), variance.astype(np.float32), covered, self.evaluations)
