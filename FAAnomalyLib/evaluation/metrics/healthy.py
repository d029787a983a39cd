"""Is z standard normal where nothing is wrong?"""

from __future__ import annotations

import numpy as np

QUANTILES = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999)
"""Probabilities for a QQ plot."""
NORMAL = {"z_mean": 0.0, "z_sd": 1.0, "z_beyond_2": 0.0455, "z_beyond_3": 0.0027}
"""What a standard normal z would give."""


def z_on_healthy(z: np.ndarray, white: np.ndarray) -> dict:
    """Spread, tails and quantiles of *z* over the judged white matter (z not 0) of an untouched brain.

    Returns a dict of floats: ``z_mean``, ``z_sd``, shares of voxels with |z| beyond 2 and 3, each tail's
    share beyond 3, the extremes, the share of the white matter that was judged, and ``z_quantiles`` at
    :data:`QUANTILES`; None where nothing was judged.
    """
    values = z[white & (z != 0)].astype(np.float64)
    analysed = values.size / max(np.count_nonzero(white), 1)
    if not values.size:
        return {
            **dict.fromkeys(
                (
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
            ),
            "judged_share": analysed,
        }
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
        "judged_share": analysed,
    }
