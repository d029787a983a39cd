"""The first look at a brain: where it is judged, its evidence, its suspects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import bounding_box
from ..preprocessing.template import EDGE_MM, WHITE_MATTER_PROBABILITY, TemplatePriors
from .calibration import UNIT, Calibration
from .regions import NEIGHBOURS
from .residual_maps import SCREENING_KEYS, Key, Residual, robust_location_and_scale, screening_maps

CANDIDATE_SHARE = 0.6
"""Of :data:`~FAAnomalyLib.anomaly.calibration.UNIT`: the slopes of a change are hidden with it."""
CANDIDATE_DILATION_MM = 6.0
MIN_CANDIDATE_ML = 0.3
MAX_HIDDEN_SHARE = 0.25
"""Share of the judged white matter that one look may hide: the rest must remain as context."""


@dataclass(frozen=True)
class Screening:
    """What the first look found.

    Attributes
    ----------
    judged
        bool (X, Y, Z).
    yardstick
        Centre and spread of each first-look map over the subject.
    maps
        By name, see :meth:`~FAAnomalyLib.anomaly.calibration.Calibration.combined`.
    """

    analysed: np.ndarray
    subject_scale: dict[Key, tuple[float, float]]
    maps: dict[str, np.ndarray]


def analysis_mask(brain: np.ndarray, white_matter: np.ndarray, covered: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Voxels of the model grid that are judged: filled, white matter by the prior, away from the edge."""
    analysed = covered & (white_matter > WHITE_MATTER_PROBABILITY)
    near = bounding_box(analysed, int(np.ceil(EDGE_MM / spacing_mm)))
    if not brain[near].all():
        analysed[near] &= ndimage.distance_transform_edt(brain[near], sampling=spacing_mm) >= EDGE_MM
    return analysed


def screen(
    fa: np.ndarray,
    priors: TemplatePriors,
    analysed: np.ndarray,
    small: Residual,
    large: Residual,
    spacing_mm: float,
    calibration: Calibration,
) -> Screening:
    """Evidence, standardised and combined; parameters as :func:`~FAAnomalyLib.anomaly.residual_maps.screening_maps`."""
    maps = screening_maps(fa, priors, analysed, small, large, spacing_mm)
    subject_scale = {key: robust_location_and_scale(maps[key][analysed]) for key in SCREENING_KEYS}
    return Screening(analysed, subject_scale, calibration.combined(maps, analysed, subject_scale))


def candidate_mask(statistic: np.ndarray, spacing_mm: float, analysed: np.ndarray) -> np.ndarray:
    """What deserves to be hidden whole: clusters beyond :data:`CANDIDATE_SHARE`, dilated, the strongest first.

    *statistic* is in units of :data:`~FAAnomalyLib.anomaly.calibration.UNIT`.
    """
    clusters = []
    for sign in (1, -1):
        labels, _ = ndimage.label(sign * statistic > CANDIDATE_SHARE * UNIT, NEIGHBOURS)
        for number, box in enumerate(ndimage.find_objects(labels), 1):
            inside = labels[box] == number
            if inside.sum() * spacing_mm**3 / 1000.0 >= MIN_CANDIDATE_ML:
                clusters.append((float((sign * statistic[box])[inside].max()), box, inside))
    hidden = np.zeros(statistic.shape, bool)
    for _, box, inside in sorted(clusters, key=lambda c: -c[0]):
        more = hidden | _dilated(inside, box, statistic.shape, spacing_mm)
        if (more & analysed).sum() > MAX_HIDDEN_SHARE * analysed.sum() and hidden.any():
            break
        hidden = more
    return hidden


def _dilated(inside: np.ndarray, box: tuple[slice, ...], shape: tuple[int, ...], spacing_mm: float) -> np.ndarray:
    """A cluster, given within its box, dilated by :data:`CANDIDATE_DILATION_MM` on the whole grid."""
    whole = np.zeros(shape, bool)
    whole[box] = inside
    near = bounding_box(whole, int(np.ceil(CANDIDATE_DILATION_MM / spacing_mm)))
    whole[near] = ndimage.distance_transform_edt(~whole[near], sampling=spacing_mm) <= CANDIDATE_DILATION_MM
    return whole
