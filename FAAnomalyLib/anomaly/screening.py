"""Screening of a whole brain, the same for a detection and for the healthy people of a calibration.

Passes of each hole size -> one healthy prediction -> analysis mask -> residuals of the smallest and the largest
holes -> screening maps -> the subject's own location and scale of each map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import bounding_box
from ..inpainting.fusion import Inpainted, fuse_passes
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.model_grid import PreparedSubject
from ..preprocessing.robust_statistics import LocationScale, robust_location_and_scale
from ..preprocessing.template import EDGE_MM, WHITE_MATTER_PROBABILITY
from .residual_maps import SCREENING_KEYS, MapKey, Residual, screening_maps


@dataclass(frozen=True)
class Screening:
    """Screening maps of one brain and their scale, before any calibration.

    Attributes
    ----------
    inpainted
        Healthy content from the passes of all hole sizes.
    analysed
        Voxels that are scored, bool (X, Y, Z).
    maps
        :func:`~FAAnomalyLib.anomaly.residual_maps.screening_maps`, FA.
    subject_scale
        Location and scale of each map over this subject, FA.
    """

    inpainted: Inpainted
    analysed: np.ndarray
    maps: dict[MapKey, np.ndarray]
    subject_scale: dict[MapKey, LocationScale]


def screen(prepared: PreparedSubject, by_size: dict[int, Inpainted], check: Check | None = None) -> Screening:
    """Screen a brain whose every voxel was hidden and inpainted in turn.

    Parameters
    ----------
    prepared
        The subject on the model grid.
    by_size
        Mask size (voxels of 1.25 mm) -> what holes of that size gave, at least one.
    check
        Called between the parts, of which the longest takes some tenths of a second; may raise to cancel.
    """
    check = check or _go_on
    spacing, priors = prepared.grid.spacing_mm, prepared.grid.priors
    inpainted = fuse_passes(by_size.values(), prepared.fa.shape)
    check()
    analysed = analysis_mask(prepared.brain, priors.white_matter, inpainted.covered, spacing)
    check()
    small, large = small_and_large_residuals(prepared.fa, by_size)
    maps = screening_maps(prepared.fa, priors, analysed, small, large, spacing, check)
    return Screening(inpainted, analysed, maps, subject_scale_of(maps, analysed))


def _go_on() -> None:
    """Stands for a check where nobody can cancel."""


def analysis_mask(brain: np.ndarray, white_matter: np.ndarray, covered: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Voxels that are scored: inpainted, white matter by the prior, and at least 6 mm inside the brain.

    Parameters
    ----------
    brain, covered
        bool (X, Y, Z): the brain, and voxels that lay in some hole.
    white_matter
        Prior probability of white matter in [0, 1], (X, Y, Z); it counts above 0.5.
    spacing_mm
        Edge of a voxel.

    Returns
    -------
    numpy.ndarray
        bool (X, Y, Z).
    """
    analysed = covered & (white_matter > WHITE_MATTER_PROBABILITY)
    near = bounding_box(analysed, int(np.ceil(EDGE_MM / spacing_mm)))
    if not brain[near].all():
        analysed[near] &= ndimage.distance_transform_edt(brain[near], sampling=spacing_mm) >= EDGE_MM
    return analysed


def residual_and_variance(fa: np.ndarray, inpainted: Inpainted) -> Residual:
    """FA (X, Y, Z) minus its prediction, 0 where nothing was inpainted, and the prediction's variance."""
    return Residual(np.where(inpainted.covered, fa - inpainted.mean, 0.0).astype(np.float32), inpainted.variance)


def small_and_large_residuals(fa: np.ndarray, by_size: dict[int, Inpainted]) -> tuple[Residual, Residual]:
    """Residuals of the smallest and the largest holes; the same twice where there is one size."""
    return residual_and_variance(fa, by_size[min(by_size)]), residual_and_variance(fa, by_size[max(by_size)])


def subject_scale_of(maps: dict[MapKey, np.ndarray], analysed: np.ndarray) -> dict[MapKey, LocationScale]:
    """Median and robust standard deviation of each screening map over the analysed voxels, FA."""
    return {key: robust_location_and_scale(maps[key][analysed]) for key in SCREENING_KEYS}
