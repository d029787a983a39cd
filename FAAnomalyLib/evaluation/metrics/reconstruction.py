"""How well hidden voxels were generated (thesis, section 2.5): measured over the generated voxels alone, in FA."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .structural_similarity import structural_similarity

RECONSTRUCTION = ("ssim", "psnr", "max_difference", "percentage_error")
"""Names of the four numbers, in the order of the thesis."""


@dataclass(frozen=True)
class Reconstruction:
    """The thesis' four measures of one filled hole; None where one is not defined.

    Attributes
    ----------
    ssim
        See :func:`~.structural_similarity.structural_similarity`.
    psnr
        See :func:`peak_signal_to_noise`.
    max_difference
        See :func:`max_absolute_difference`.
    percentage_error
        See :func:`average_percentage_error`.
    """

    ssim: float | None
    psnr: float
    max_difference: float
    percentage_error: float | None


def measure_reconstruction(original: np.ndarray, filled: np.ndarray, generated: np.ndarray) -> Reconstruction:
    """All four measures of a hole.

    Parameters
    ----------
    original, filled
        FA in [0, 1], (X, Y, Z), before the hole was cut and after it was filled.
    generated
        bool (X, Y, Z): the voxels that were generated, at least one.
    """
    return Reconstruction(
        structural_similarity(original, filled, generated),
        peak_signal_to_noise(original, filled, generated),
        max_absolute_difference(original, filled, generated),
        average_percentage_error(original, filled, generated),
    )


def max_absolute_difference(original: np.ndarray, filled: np.ndarray, generated: np.ndarray) -> float:
    """Largest |original - filled| over the generated voxels, in FA, from 0 to 1.

    Parameters as :func:`measure_reconstruction`; raises ``ValueError`` when nothing was generated.

    Examples
    --------
    >>> max_absolute_difference(np.array([0.5, 0.9]), np.array([0.25, 0.0]), np.array([True, False]))
    0.25
    """
    return float(np.abs(_difference(original, filled, generated)).max())


def peak_signal_to_noise(original: np.ndarray, filled: np.ndarray, generated: np.ndarray) -> float:
    """PSNR in decibels, 10 log10(1 / MSE): the peak is FA 1. Infinite where both are equal.

    Parameters as :func:`measure_reconstruction`; raises ``ValueError`` when nothing was generated.

    Examples
    --------
    >>> round(peak_signal_to_noise(np.array([0.5, 0.9]), np.array([0.4, 0.0]), np.array([True, False])), 6)
    20.0
    """
    error = float((_difference(original, filled, generated) ** 2).mean())
    return math.inf if error == 0.0 else -10.0 * math.log10(error)


def average_percentage_error(original: np.ndarray, filled: np.ndarray, generated: np.ndarray) -> float | None:
    """Signed mean of 100 (filled - original) / original over generated voxels whose original FA is above 0.

    Positive where the model generates higher FA than there was. None where no voxel had FA above 0. Parameters as
    :func:`measure_reconstruction`; raises ``ValueError`` when nothing was generated.

    Examples
    --------
    >>> average_percentage_error(np.array([0.5, 0.25, 0.0]), np.array([0.25, 0.25, 0.5]), np.ones(3, bool))
    -25.0
    """
    change = -_difference(original, filled, generated)
    before = original[generated].astype(np.float64)
    return float(100.0 * (change[before > 0] / before[before > 0]).mean()) if (before > 0).any() else None


def _difference(original: np.ndarray, filled: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Original minus filled at the generated voxels, float64 (N,)."""
    if not generated.any():
        raise ValueError("no voxel was generated")
    return original[generated].astype(np.float64) - filled[generated]
