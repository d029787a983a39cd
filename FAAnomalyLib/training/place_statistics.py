"""Bias and spread of healthy people at each voxel, for any subset of them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..anomaly.residual_maps import SCREENING_KEYS, MapKey
from .healthy_maps import HealthySubject

PRIOR_PEOPLE = 4.0
"""Weight of "no bias, unit spread" against the few people there are, in people."""
SPREAD_SMOOTHING_MM = 3.0
"""Standard deviation of the Gaussian that smooths the variance over voxels."""


class PlaceStatistics:
    """The standardised screening maps of all volumes, at the voxels where any of them is analysed.

    Parameters
    ----------
    people
        Volumes on one model grid, at least one.
    """

    def __init__(self, people: list[HealthySubject]) -> None:
        self._shape = people[0].analysed.shape
        self._sigma = SPREAD_SMOOTHING_MM / people[0].prepared.grid.spacing_mm
        self._where = np.any([one.analysed for one in people], axis=0)
        self._analysed = np.stack([one.analysed[self._where] for one in people]).astype(np.float32)
        self._values = {}
        for key in SCREENING_KEYS:
            standard = [
                (one.maps[key][self._where] - one.subject_scale[key][0]) / one.subject_scale[key][1] for one in people
            ]
            self._values[key] = np.stack(standard).astype(np.float32) * self._analysed

    def bias_and_spread(self, weights: np.ndarray) -> tuple[dict[MapKey, np.ndarray], dict[MapKey, np.ndarray]]:
        """Shrunken mean and standard deviation of each map at each voxel.

        With the weights w, the volumes' values v, n = sum(w) over the volumes analysed at the voxel and k = 4:
        ``bias = sum(w v) / (n + k)`` and ``spread = sqrt(G((sum(w (v - bias)**2) + k) / (n + k)))``, G a Gaussian of
        3 mm.

        Parameters
        ----------
        weights
            (N,), of the volumes; those of one person add up to 1. 0 leaves a volume out.

        Returns
        -------
        (dict, dict)
            Key -> float32 (X, Y, Z): bias (0 where nobody is analysed) and spread (1 there).
        """
        weights = weights.astype(np.float32)
        count = weights @ self._analysed
        bias, spread = {}, {}
        for key, values in self._values.items():
            mean = weights @ values / (count + PRIOR_PEOPLE)
            square = weights @ (self._analysed * (values - mean) ** 2)
            square = self._on_grid((square + PRIOR_PEOPLE) / (count + PRIOR_PEOPLE), 1.0)
            square = ndimage.gaussian_filter(square, self._sigma)
            known = self._on_grid(count, 0.0) > 0
            bias[key] = np.where(known, self._on_grid(mean, 0.0), 0.0).astype(np.float32)
            spread[key] = np.where(known, np.sqrt(square), 1.0).astype(np.float32)
        return bias, spread

    def _on_grid(self, values: np.ndarray, elsewhere: float) -> np.ndarray:
        grid = np.full(self._shape, elsewhere, np.float32)
        grid[self._where] = values
        return grid
