"""Several fillings of one volume as one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass
class Inpainted:
    """Healthy content on the model grid.

    Attributes
    ----------
    mean
        FA, float32 (X, Y, Z); 0 where nothing was filled.
    variance
        Of a healthy voxel about the mean, FA squared; NaN where the method knows none.
    covered
        bool: some hole lay here.
    evaluations
        Network calls.
    """

    mean: np.ndarray
    variance: np.ndarray
    covered: np.ndarray
    evaluations: int = 0


def fuse_passes(parts: Iterable[Inpainted], shape: tuple[int, int, int]) -> Inpainted:
    """Several fillings of one volume as one; means and variances as in :func:`inpaint_passes_by_size`."""
    total = _Sum(shape)
    for part in parts:
        total.add(part.covered, part.mean[part.covered], part.variance[part.covered])
        total.evaluations += part.evaluations
    return total.filled()


class _Sum:
    """Running sums of means weighted by their precision."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.weighted, self.weights = np.zeros(shape), np.zeros(shape)
        self.count = np.zeros(shape, np.int32)
        self.unknown, self.evaluations = False, 0

    def add(self, hole: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> None:
        blind = ~np.isfinite(variance)
        self.unknown |= bool(blind.any())
        precision = np.where(blind, 1.0, 1.0 / np.maximum(variance, 1e-8))
        self.weighted[hole] += precision * mean
        self.weights[hole] += precision
        self.count[hole] += 1

    def filled(self) -> Inpainted:
        covered = self.count > 0
        mean = np.divide(self.weighted, self.weights, out=np.zeros_like(self.weighted), where=covered)
        variance = np.full(covered.shape, np.nan)
        if not self.unknown:
            np.divide(self.count, self.weights, out=variance, where=covered)
        return Inpainted(mean.astype(np.float32), variance.astype(np.float32), covered, self.evaluations)
