"""What size of change would have been found: the least change of FA in a sphere that reaches a threshold.

An empty list of regions says nothing without it. Each map that is searched has a limit in healthy people; over this
brain's own scale and the median spread of the places it stands for a mean residual. A sphere fills the smoothing
kernel in part (:func:`ball_height`) and lifts the regional level (:func:`level_lifted`), and of its change every voxel
shows what noise, the bound of the residuals and the smaller of deviation and asymmetry leave (:func:`residual_left`).

About half of single spheres of the told change are found in drawn regions of 20 to 60 mm (``docs/measurements.md``);
over whole brains this was not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import erf, exp, inf, isinf, pi, sqrt

import numpy as np

from ..preprocessing.model_grid import RESOLUTION_MM
from ..result import LARGEST_CHANGE
from .calibration import COMBINATIONS, UNIT, Calibration, Limits, calibrated_voxels
from .drawn_region import INPAINTED, INPAINTER_SHARE, PLACES_KEY, SIGMAS_MM
from .region_limits import ROUNDING
from .residual_maps import (
    LEVEL_MM,
    MAX_DEVIATION,
    MAX_LEVEL,
    MAX_RESIDUAL,
    MIN_SUPPORT,
    TEMPLATE,
    TEMPLATE_MINMOD,
    TEMPLATE_MINMOD_IN_TRACTS,
    MapKey,
    minmod,
)

DIAMETERS_MM = (20.0, 40.0)
"""Spheres that a result speaks of."""
CHANGES = np.linspace(0.0, LARGEST_CHANGE, 81)
"""FA."""
VOXEL_NOISE = 0.11
"""FA, robust standard deviation of the warped template's residual in a voxel of healthy white matter: median of six
people (0.10 to 0.14), each held out."""
DRAWS = 20000
"""Voxels of noise that :func:`residual_left` averages over."""


@dataclass(frozen=True)
class DetectableChange:
    """The least change that reaches the threshold in a sphere at a typical place; the field names are stored.

    Attributes
    ----------
    diameter_mm
        Of the sphere.
    increased, decreased
        FA, positive; None where the sign was not searched, or no change up to 0.4 reaches the threshold.
    """

    diameter_mm: float
    increased: float | None
    decreased: float | None


def detectable_changes(
    calibration: Calibration,
    scale: Mapping[MapKey, float],
    threshold: Limits,
    diameters_mm: tuple[float, ...] = DIAMETERS_MM,
) -> list[DetectableChange]:
    """For each diameter the least change of each sign that a whole brain's search would have found.

    Parameters
    ----------
    calibration
        Statistics of healthy people; a default one knows no spread, and the list is empty.
    scale
        For each screening key this brain's own scale of the map, FA.
    threshold
        Positive z of increases and of decreases; infinity for a sign that is not searched.
    diameters_mm
        Of the spheres.
    """
    if not calibration.people:
        return []
    found = []
    for diameter in diameters_mm:
        by_combination = changes_by_combination(calibration, scale, threshold, diameter)
        least = (min(changes) for changes in zip(*by_combination.values(), strict=True))
        found.append(DetectableChange(diameter, *(None if isinf(value) else round(value, 3) for value in least)))
    return found


def detectable_in_region(
    calibration: Calibration, scale: Mapping[MapKey, float], threshold: Limits, edge_mm: float
) -> list[DetectableChange]:
    """The same for a drawn region, as large as a cube of *edge_mm*: spheres that fit into it, of its width at least.

    The inpainter's part counts whole, because nothing of a sphere within the hole is left to follow. *scale* is that of
    :class:`~.drawn_region.RegionEvidence`.
    """
    if not (calibration.people and calibration.regions.people):
        return []
    limits, shown = calibration.regions.at(edge_mm), residual_left()[TEMPLATE]
    places = float(np.median(calibration.spread[PLACES_KEY][calibrated_voxels(calibration)]))
    found = []
    for diameter in [d for d in DIAMETERS_MM if d <= ROUNDING * edge_mm] or [round(edge_mm, 1)]:
        inpainter, template = np.zeros(len(CHANGES)), np.zeros(len(CHANGES))
        for sigma in SIGMAS_MM:
            part = ball_height(diameter / 2, sigma) / len(SIGMAS_MM)
            inpainter += part * np.minimum(CHANGES, MAX_RESIDUAL) / scale[INPAINTED, sigma]
            template += part * shown / (scale[TEMPLATE, sigma] * places)
        height = np.minimum(INPAINTER_SHARE / limits.inpainter_spread * inpainter, template) / limits.spread
        least = (_change_at(height, z) for z in threshold)
        found.append(DetectableChange(diameter, *(None if isinf(value) else round(value, 3) for value in least)))
    return found


def changes_by_combination(
    calibration: Calibration, scale: Mapping[MapKey, float], threshold: Limits, diameter_mm: float
) -> dict[str, tuple[float, float]]:
    """For each of :data:`~.calibration.COMBINATIONS` the change of each sign at which it alone reaches the threshold.

    Parameters as in :func:`detectable_changes`; infinite where no change of :data:`CHANGES` does.
    """
    where = calibrated_voxels(calibration)
    spread = {key: float(np.median(values[where])) for key, values in calibration.spread.items()}
    shown = residual_left(level_lifted(diameter_mm))
    found = {}
    for name, weights in COMBINATIONS.items():
        height = np.zeros(len(CHANGES))
        for key, weight in weights.items():
            height += weight * ball_height(diameter_mm / 2, key[1]) * shown[key[0]] / (scale[key] * spread[key])
        up, down = (
            calibration.limits[name][tail] * statistic_at(calibration, threshold[tail], sign)
            for tail, sign in enumerate((1, -1))
        )
        found[name] = _change_at(height, up), _change_at(height, down)
    return found


def _change_at(height: np.ndarray, wanted: float) -> float:
    return float(np.interp(wanted, height, CHANGES)) if wanted <= height[-1] else inf


def statistic_at(calibration: Calibration, z: float, sign: int) -> float:
    """Where the statistic stands for *z*, in units of a map's limit: the inverse of
    :meth:`~.calibration.Calibration.to_normal`. Infinite for an infinite z.

    >>> round(statistic_at(Calibration(), 3.0, 1), 3), statistic_at(Calibration(), inf, -1)
    (0.5, inf)
    """
    if isinf(z):
        return inf
    grid = np.linspace(0.0, 10.0 * UNIT, 6001)
    reached = sign * calibration.to_normal((sign * grid).astype(np.float32))
    return float(np.interp(z, reached, grid)) / UNIT if z <= reached[-1] else inf


def level_lifted(diameter_mm: float) -> float:
    """Share of a change in a sphere that the regional level in its centre takes over.

    >>> round(level_lifted(20.0), 2), round(level_lifted(40.0), 2)
    (0.03, 0.18)
    """
    return ball_height(diameter_mm / 2, LEVEL_MM) / (1.0 + MIN_SUPPORT)


@cache
def residual_left(share_in_level: float = 0.0) -> dict[str, np.ndarray]:
    """For each of :data:`CHANGES` the mean residual that is left of it, FA, by the map's source.

    *share_in_level* of the bounded change lies in the regional level, which is taken away up to its own bound.
    """
    here, there = VOXEL_NOISE * np.random.default_rng(0).standard_normal((2, DRAWS))
    level = np.minimum(share_in_level * np.minimum(CHANGES, MAX_DEVIATION), MAX_LEVEL)
    deviation = (CHANGES - level)[:, None] + here
    bounded = np.clip(deviation, -MAX_DEVIATION, MAX_DEVIATION)
    agreed = minmod(bounded, deviation - there).mean(1)
    return {TEMPLATE: bounded.mean(1), TEMPLATE_MINMOD: agreed, TEMPLATE_MINMOD_IN_TRACTS: agreed}


def ball_height(radius_mm: float, sigma_mm: float) -> float:
    """Height in the centre of a ball of height 1 after smoothing with a Gaussian.

    The smoothing includes that every map is first brought to voxels of
    :data:`~FAAnomalyLib.preprocessing.model_grid.RESOLUTION_MM`.

    >>> round(ball_height(100.0, 3.0), 6), round(ball_height(5.0, 8.0), 2)
    (1.0, 0.06)
    """
    width = sqrt(sigma_mm**2 + RESOLUTION_MM**2 / 12.0)
    x = radius_mm / width
    return erf(x / sqrt(2)) - sqrt(2 / pi) * x * exp(-(x**2) / 2)
