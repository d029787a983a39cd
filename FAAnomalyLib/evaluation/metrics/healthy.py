"""Distribution of z in healthy brains, which should be standard normal."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

QUANTILES = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999)
"""Probabilities for a QQ plot."""
STANDARD_NORMAL = {
    "z_mean": 0.0,
    "z_sd": 1.0,
    "z_beyond_2": float(2 * norm.sf(2)),
    "z_beyond_3": float(2 * norm.sf(3)),
}
"""What a standard normal z would give."""
STATISTICS = (
    "z_mean",
    "z_sd",
    "z_beyond_2",
    "z_beyond_3",
    "z_above_3",
    "z_below_3",
    "z_highest",
    "z_lowest",
    "z_quantiles",
)


def healthy_z_statistics(z: np.ndarray, white_matter: np.ndarray) -> dict:
    """Moments, tails and quantiles of z over the analysed white matter of an untouched brain.

    Parameters
    ----------
    z
        Signed z, 0 where nothing was analysed.
    white_matter
        bool of that shape.

    Returns
    -------
    dict
        ``z_mean``, ``z_sd``, shares of voxels with |z| beyond 2 and 3 and in each tail beyond 3, the extremes,
        ``z_quantiles`` at :data:`QUANTILES`, all None where nothing was analysed; ``judged_share``, the share of the
        white matter that was analysed.

    Examples
    --------
    >>> statistics = healthy_z_statistics(np.array([0.0, 1.0, -2.5, 3.5]), np.ones(4, bool))
    >>> statistics["z_highest"], statistics["judged_share"], round(statistics["z_beyond_2"], 3)
    (3.5, 0.75, 0.667)
    """
    values = z[white_matter & (z != 0)].astype(np.float64)
    share = values.size / max(int(np.count_nonzero(white_matter)), 1)
    if not values.size:
        return {**dict.fromkeys(STATISTICS), "judged_share": share}
    size = np.abs(values)
    return {
        "z_mean": float(values.mean()),
        "z_sd": float(values.std()),
        "z_beyond_2": float((size > 2).mean()),
        "z_beyond_3": float((size > 3).mean()),
        "z_above_3": float((values > 3).mean()),
        "z_below_3": float((values < -3).mean()),
        "z_highest": float(values.max()),
        "z_lowest": float(values.min()),
        "z_quantiles": np.quantile(values, QUANTILES).round(4).tolist(),
        "judged_share": share,
    }
