"""Screening of a whole brain, the same for a detection and for the healthy people of a calibration.

Analysis mask -> screening maps -> the subject's own location and scale of each map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import bounding_box
from ..inpainting.fusion import Inpainted
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.model_grid import PreparedSubject
from ..preprocessing.robust_statistics import LocationScale, robust_location_and_scale
from .residual_maps import SCREENING_KEYS, MapKey, Residual, screening_maps

ANALYSED_PROBABILITY = 0.35
"""Prior probability of white matter above which a voxel is scored: gyral white matter, which no two brains have at the
same place, is below 0.5 in most. Where healthy people differ more, a change counts less."""
DEPTH_MM = 4.0
"""Nearer to the edge of the brain nothing is scored: noise and partial volume rule FA there."""
ANALYSED = (ANALYSED_PROBABILITY, DEPTH_MM)
"""What decides which voxels are scored, for the identities of results that are kept."""


@dataclass(frozen=True)
class Screening:
    """Screening maps of one brain and their scale, before any calibration.

    Attributes
    ----------
    analysed
        Voxels that are scored, bool (X, Y, Z).
    maps
        :func:`~FAAnomalyLib.anomaly.residual_maps.screening_maps`, FA.
    subject_scale
        Location and scale of each map over this subject, FA.
    """

    analysed: np.ndarray
    maps: dict[MapKey, np.ndarray]
    subject_scale: dict[MapKey, LocationScale]


def screen(prepared: PreparedSubject, check: Check | None = None) -> Screening:
    """Screen a brain by the template that was warped to it.

    Parameters
    ----------
    prepared
        The subject on the model grid.
    check
        Called between the parts, of which the longest takes some tenths of a second; may raise to cancel.
    """
    analysed = analysed_voxels(prepared)
    if check is not None:
        check()
    maps = screening_maps(prepared.fa, prepared.grid.priors, analysed, prepared.grid.spacing_mm, check)
    return Screening(analysed, maps, subject_scale_of(maps, analysed))


def analysed_voxels(prepared: PreparedSubject) -> np.ndarray:
    """:func:`analysis_mask` of a brain by the template that was warped to it."""
    grid = prepared.grid
    return analysis_mask(prepared.brain, grid.priors.white_matter, grid.spacing_mm)


def analysis_mask(brain: np.ndarray, white_matter: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Voxels that are scored: white matter by the prior, and at least 4 mm inside the brain.

    Parameters
    ----------
    brain
        bool (X, Y, Z).
    white_matter
        Prior probability of white matter in [0, 1], (X, Y, Z); it counts above :data:`ANALYSED_PROBABILITY`.
    spacing_mm
        Edge of a voxel.

    Returns
    -------
    numpy.ndarray
        bool (X, Y, Z).
    """
    analysed = brain & (white_matter > ANALYSED_PROBABILITY)
    near = bounding_box(analysed, int(np.ceil(DEPTH_MM / spacing_mm)))
    if not brain[near].all():
        analysed[near] &= ndimage.distance_transform_edt(brain[near], sampling=spacing_mm) >= DEPTH_MM
    return analysed


def residual_and_variance(fa: np.ndarray, inpainted: Inpainted) -> Residual:
    """FA (X, Y, Z) minus its prediction, 0 where nothing was inpainted, and the prediction's variance."""
    return Residual(np.where(inpainted.covered, fa - inpainted.mean, 0.0).astype(np.float32), inpainted.variance)


def subject_scale_of(maps: dict[MapKey, np.ndarray], analysed: np.ndarray) -> dict[MapKey, LocationScale]:
    """Median and robust standard deviation of each screening map over the analysed voxels, FA."""
    return {key: robust_location_and_scale(maps[key][analysed]) for key in SCREENING_KEYS}
