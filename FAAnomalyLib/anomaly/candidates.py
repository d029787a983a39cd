"""The first look at a brain: where it is judged, its evidence, its suspects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import box_about
from ..preprocessing.template import Prior
from .calibration import UNIT, Calibration
from .regions import NEIGHBOURS
from .residual_maps import FIRST, Key, Residual, centre_and_spread, first_evidence

EDGE_MM = 6.0
"""Nearer to the brain's edge FA is ruled by noise and partial volume and is not judged."""
SUSPECT_SHARE = 0.6
"""Of :data:`~FAAnomalyLib.anomaly.calibration.UNIT`: the slopes of a change are hidden with it."""
SUSPECT_DILATION_MM = 6.0
LEAST_SUSPECT_ML = 0.3
MOST_HIDDEN = 0.25
"""Share of the judged white matter that one look may hide: the rest must remain as context."""


@dataclass(frozen=True)
class FirstLook:
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

    judged: np.ndarray
    yardstick: dict[Key, tuple[float, float]]
    maps: dict[str, np.ndarray]


def judged_mask(brain: np.ndarray, white_matter: np.ndarray, covered: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Voxels of the model grid that are judged: filled, white matter by the prior, away from the edge."""
    judged = covered & (white_matter > 0.5)
    near = box_about(judged, int(np.ceil(EDGE_MM / spacing_mm)))
    if not brain[near].all():
        judged[near] &= ndimage.distance_transform_edt(brain[near], sampling=spacing_mm) >= EDGE_MM
    return judged


def first_look(fa: np.ndarray, prior: Prior, judged: np.ndarray, small: Residual, large: Residual, spacing_mm: float,
               calibration: Calibration) -> FirstLook:
    """Evidence, standardised and combined; parameters as :func:`~FAAnomalyLib.anomaly.residual_maps.first_evidence`."""
    maps = first_evidence(fa, prior, judged, small, large, spacing_mm)
    yardstick = {key: centre_and_spread(maps[key][judged]) for key in FIRST}
    return FirstLook(judged, yardstick, calibration.combined(maps, judged, yardstick))


def suspects(statistic: np.ndarray, spacing_mm: float, judged: np.ndarray) -> np.ndarray:
    """What deserves to be hidden whole: clusters beyond :data:`SUSPECT_SHARE`, dilated, the strongest first.

    *statistic* is in units of :data:`~FAAnomalyLib.anomaly.calibration.UNIT`.
    """
    clusters = []
    for sign in (1, -1):
        labels, _ = ndimage.label(sign * statistic > SUSPECT_SHARE * UNIT, NEIGHBOURS)
        for number, box in enumerate(ndimage.find_objects(labels), 1):
            inside = labels[box] == number
            if inside.sum() * spacing_mm**3 / 1000.0 >= LEAST_SUSPECT_ML:
                clusters.append((float((sign * statistic[box])[inside].max()), box, inside))
    hidden = np.zeros(statistic.shape, bool)
    for _, box, inside in sorted(clusters, key=lambda c: -c[0]):
        more = hidden | _dilated(inside, box, statistic.shape, spacing_mm)
        if (more & judged).sum() > MOST_HIDDEN * judged.sum() and hidden.any():
            break
        hidden = more
    return hidden


def _dilated(inside: np.ndarray, box: tuple[slice, ...], shape: tuple[int, ...], spacing_mm: float) -> np.ndarray:
    """A cluster, given within its box, dilated by :data:`SUSPECT_DILATION_MM` on the whole grid."""
    whole = np.zeros(shape, bool)
    whole[box] = inside
    near = box_about(whole, int(np.ceil(SUSPECT_DILATION_MM / spacing_mm)))
    whole[near] = ndimage.distance_transform_edt(~whole[near], sampling=spacing_mm) <= SUSPECT_DILATION_MM
    return whole
