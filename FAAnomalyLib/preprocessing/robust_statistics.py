"""Statistics that a lesion or a scanner's level hardly moves: location and scale, gain and offset."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MAD_TO_SD = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution. Calibrations are made with these five
digits: :func:`scipy.stats.median_abs_deviation` has more, and other results in the sixth."""
MIN_SCALE = 1e-6
MIN_CONTRAST = 1e-6
"""Variance below which a reference has no contrast that a gain could be fitted to, FA squared."""


class LocationScale(NamedTuple):
    """Median of a map and its robust standard deviation, both in the map's unit."""

    location: float
    scale: float


def robust_location_and_scale(values: np.ndarray) -> LocationScale:
    """Median, and standard deviation estimated from the median absolute deviation (MAD).

    Parameters
    ----------
    values
        Any shape and real type, no NaN.

    Returns
    -------
    LocationScale
        ``median(v)`` and ``1.4826 * median(|v - median(v)|)``, the latter at least 1e-6; (0, 1) for no values.

    Examples
    --------
    >>> robust_location_and_scale(np.array([1.0, 2.0, 3.0, 4.0, 1000.0]))
    LocationScale(location=3.0, scale=1.4826)
    """
    if values.size == 0:
        return LocationScale(0.0, 1.0)
    median = np.median(values)
    return LocationScale(float(median), float(max(MAD_TO_SD * np.median(np.abs(values - median)), MIN_SCALE)))


def fit_gain_and_offset(reference: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Least-squares gain and offset of ``values ~ gain * reference + offset``, in double precision.

    Scanners and protocols shift the level and contrast of FA in the whole brain at once; one line takes that away.

    Parameters
    ----------
    reference, values
        Shape (N,), N at least 1: the same voxels of the template and of the brain, FA.

    Returns
    -------
    (float, float)
        Gain and offset. The gain is 1 where the reference has no contrast (variance below 1e-6).

    Examples
    --------
    >>> reference = np.array([0.2, 0.4, 0.6])
    >>> gain, offset = fit_gain_and_offset(reference, 0.9 * reference + 0.05)
    >>> round(gain, 6), round(offset, 6)
    (0.9, 0.05)
    """
    reference, values = reference.astype(np.float64), values.astype(np.float64)
    if not reference.var() > MIN_CONTRAST:
        return 1.0, float(values.mean() - reference.mean())
    gain, offset = np.polyfit(reference, values, 1)
    return float(gain), float(offset)
