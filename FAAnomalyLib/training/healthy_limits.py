"""What healthy people stay below: limits of maps, the table of the normal scale, thresholds of z."""

from __future__ import annotations

from typing import cast

import numpy as np
from scipy.stats import norm, t

from ..anomaly.calibration import Limits
from ..anomaly.regions import find_regions
from ..volume import Volume

TAIL = 0.95
"""Share of healthy people who stay below a limit."""
STEP, FINEST_STEP = 0.02, 0.0025
"""Of the automatic threshold: the search for a lower one begins with the first and halves it down to the second."""


def limits_of(maps: list[np.ndarray], weights: np.ndarray) -> Limits:
    """Heights above and below 0 beyond which 5 % of healthy people have any voxel.

    The 95 % quantile of a Gumbel distribution with mean and standard deviation of the people's maxima: extremes of
    smooth maps are nearly Gumbel distributed, and there are too few people for an empirical quantile. With mean m and
    standard deviation s: ``m - gamma b - b log(-log 0.95)``, ``b = s sqrt(6) / pi``, gamma Euler's constant.

    Parameters
    ----------
    maps
        One for each volume, (X, Y, Z).
    weights
        (N,), of the volumes; see :func:`.calibration_fit.volume_weights`.

    Examples
    --------
    >>> up, down = limits_of([np.array([4.0, -3.0]), np.array([6.0, -3.0])], np.ones(2))
    >>> round(float(up), 3), round(float(down), 3)
    (6.866, 3.0)
    """
    up, down = (_gumbel_quantile([float((sign * values).max()) for values in maps], weights) for sign in (1, -1))
    return up, down


def _gumbel_quantile(maxima: list[float], weights: np.ndarray) -> float:
    mean = float(np.average(maxima, weights=weights))
    spread = float(np.sqrt(np.average((np.array(maxima) - mean) ** 2, weights=weights)))
    scale = spread * np.sqrt(6.0) / np.pi
    return mean - np.euler_gamma * scale - scale * np.log(-np.log(TAIL))


def normal_table(values: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Quantiles of the statistic beside the standard normal ones at 49 z from -3 to 3.

    Parameters
    ----------
    values
        The statistic at the analysed voxels, one array for each volume.
    weights
        (N,), of the volumes.

    Returns
    -------
    numpy.ndarray
        (2, 49): the volumes' mean quantiles, and z; both increase.
    """
    z = np.linspace(-3.0, 3.0, 49)
    each = np.stack([np.quantile(v, norm.cdf(z)) for v in values])
    mean = np.average(each, axis=0, weights=weights)
    return np.stack([np.maximum.accumulate(mean + 1e-6 * np.arange(len(z))), z])


def automatic_threshold(maxima: list[list[float]], weights: np.ndarray, people: int, share: float = TAIL) -> Limits:
    """The z that one more healthy person stays below with a probability, for each sign.

    Student's t for the prediction of the next value, with the pooled variance of both tails: a standard normal map has
    equally spread extremes above and below, and a variance of six people is poor. With many people it is the normal
    quantile: ``mean + s sqrt(1 + 1/n) t(share, 2 (n - 1))``.

    Parameters
    ----------
    maxima
        Two lists: each volume's largest z and largest -z.
    weights
        (N,), of the volumes.
    people
        Number n of people, at least 2.
    share
        The probability.
    """
    means = np.array([np.average(tail, weights=weights) for tail in maxima])
    variance = (
        np.mean(
            [
                np.average((np.array(tail) - mean) ** 2, weights=weights)
                for tail, mean in zip(maxima, means, strict=True)
            ]
        )
        * people
        / (people - 1)
    )
    margin = np.sqrt(variance * (1 + 1 / people)) * t.ppf(share, len(maxima) * (people - 1))
    up, down = (float(mean + margin) for mean in means)
    return up, down


def one_region_threshold(z: list[Volume], weights: np.ndarray, threshold: Limits) -> Limits:
    """The lowest thresholds, in one proportion to *threshold*, with at most one region a brain on average.

    Parameters
    ----------
    z
        z-maps of healthy people on their native grids.
    weights
        (N,), of the volumes.
    threshold
        Where the search begins, (increased, decreased); infinity searches nothing of that sign and stays.
    """

    def too_low(scale: float) -> bool:
        lower = _scaled(threshold, scale)
        return bool(np.average([len(find_regions(one, one, lower)[1]) for one in z], weights=weights) > 1.0)

    scale, step = 1.0, STEP
    while scale > step and not too_low(scale - step):
        scale -= step
    while step > FINEST_STEP:
        step /= 2
        if not too_low(scale - step):
            scale -= step
    return _scaled(threshold, scale)


def _scaled(threshold: Limits, scale: float) -> Limits:
    return cast(Limits, tuple(scale * limit for limit in threshold))
