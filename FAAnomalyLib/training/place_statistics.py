"""Bias and spread of healthy people at each place of the template, for any subset of them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..anomaly.residual_maps import SCREENING_KEYS, MapKey
from ..preprocessing.deformable_registration import inverse, warped
from .healthy_maps import HealthySubject

PRIOR_PEOPLE = 6.0
"""Weight of "no bias, unit spread" against the few people there are, in people."""
SPREAD_SMOOTHING_MM = 6.0
"""Standard deviation of the Gaussian that smooths the variance over voxels."""


class PlaceStatistics:
    """The standardised screening maps of all volumes, at the places of the template where any of them is analysed.

    Parameters
    ----------
    people
        Volumes on one model grid, at least one; each is brought from its brain to the template.
    """

    def __init__(self, people: list[HealthySubject]) -> None:
        self._shape = people[0].analysed.shape
        self._sigma = SPREAD_SMOOTHING_MM / people[0].prepared.grid.spacing_mm
        brought = [_on_template(one) for one in people]
        self._where = np.any([analysed for analysed, _ in brought], axis=0)
        self._analysed = np.stack([analysed[self._where] for analysed, _ in brought]).astype(np.float32)
        self._values = {}
        for number, key in enumerate(SCREENING_KEYS):
            values = np.stack([maps[number][self._where] for _, maps in brought])
            self._values[key] = values.astype(np.float32) * self._analysed

    def bias_and_spread(self, weights: np.ndarray) -> tuple[dict[MapKey, np.ndarray], dict[MapKey, np.ndarray]]:
        """Shrunken mean and standard deviation of each map at each voxel.

        With the weights w, the volumes' values v, n = sum(w) over the volumes analysed at the voxel and k = 6:
        ``bias = sum(w v) / (n + k)`` and ``spread = sqrt(M(G((sum(w (v - bias)**2) + k) / (n + k))))``, G a Gaussian of
        6 mm and M the mean of both hemispheres, which vary alike.

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
            square = (square + square[::-1]) / 2
            known = self._on_grid(count, 0.0) > 0
            bias[key] = np.where(known, self._on_grid(mean, 0.0), 0.0).astype(np.float32)
            spread[key] = np.where(known, np.sqrt(square), 1.0).astype(np.float32)
        return bias, spread

    def _on_grid(self, values: np.ndarray, elsewhere: float) -> np.ndarray:
        grid = np.full(self._shape, elsewhere, np.float32)
        grid[self._where] = values
        return grid


def _on_template(one: HealthySubject) -> tuple[np.ndarray, np.ndarray]:
    """Analysed places of the template, bool (X, Y, Z), and the standardised maps there, (keys, X, Y, Z)."""
    scales = [one.subject_scale[key] for key in SCREENING_KEYS]
    pairs = zip(SCREENING_KEYS, scales, strict=True)
    standard = [(one.maps[key] - own.location) / own.scale for key, own in pairs]
    inside = one.analysed.astype(np.float32)
    if one.displacement is None:
        return one.analysed, np.stack(standard)
    share, *maps = warped(np.stack([inside, *(values * inside for values in standard)]), inverse(one.displacement))
    return share > 0.5, np.stack(maps) / np.maximum(share, 0.5)
