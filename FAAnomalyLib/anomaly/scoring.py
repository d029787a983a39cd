"""From a brain on the model grid to its z-map and healthy content, for a whole brain or for one drawn region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..inpainting.fusion import Inpainted
from ..inpainting.sampling import Sampling
from ..inpainting.volume_inpainter import VolumeInpainter
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.model_grid import PreparedSubject
from .calibration import Calibration
from .candidates import candidate_mask
from .drawn_region import region_evidence
from .refinement import refill_candidates
from .residual_maps import MapKey
from .screening import screen


@dataclass(frozen=True)
class Scores:
    """Healthy content and deviation of one brain on the model grid.

    Attributes
    ----------
    inpainted
        The healthy content; of the refinement where there were candidates.
    z
        float32 (X, Y, Z), standard normal in healthy white matter; 0 where nothing was analysed.
    analysed
        Voxels that are scored, bool (X, Y, Z).
    scale
        This brain's own scale of each map that was searched, FA.
    hidden_share
        Share of the analysed voxels that the refinement hid, in [0, 1].
    """

    inpainted: Inpainted
    z: np.ndarray
    analysed: np.ndarray
    scale: dict[MapKey, float]
    hidden_share: float = 0.0


def score_brain(
    inpainter: VolumeInpainter,
    prepared: PreparedSubject,
    inpainted: Inpainted,
    calibration: Calibration,
    sampling: Sampling,
    on_progress: Callable[[float], None] | None = None,
    check: Check | None = None,
) -> Scores:
    """Score a whole brain.

    Screening (:func:`~.screening.screen`) gives the maps, the calibration one statistic t of them and z from t.
    Clusters of t are candidates; they are inpainted again (:func:`~.refinement.refill_candidates`), which replaces the
    healthy content there and leaves z as it is.

    Parameters
    ----------
    inpainter
        Model that filled the passes; it fills the candidates again.
    prepared
        The subject on the model grid.
    inpainted
        What all passes gave.
    calibration
        Statistics of healthy people.
    sampling
        How the candidates are filled.
    on_progress, check
        As in :func:`~.refinement.refill_candidates`.
    """
    check = check or _go_on
    screening = screen(prepared, check)
    check()
    analysed = screening.analysed
    known = calibration.brought_to(prepared.grid.priors.displacement)
    scale = {key: known.plausible_scale(key, own).scale for key, own in screening.subject_scale.items()}
    combined = known.combined(screening.maps, analysed, screening.subject_scale)
    check()
    statistic = known.strongest(combined)
    z = known.z_of(statistic, analysed)
    check()
    candidates = candidate_mask(statistic, prepared.grid.spacing_mm, analysed)
    refilled = refill_candidates(inpainter, prepared, candidates, sampling, on_progress, check)
    if refilled is None:
        return Scores(inpainted, z, analysed, scale)
    share = float((refilled.covered & analysed).sum() / analysed.sum())
    return Scores(_replaced(inpainted, refilled), z, analysed, scale, share)


def _go_on() -> None:
    """Stands for a check where nobody can cancel."""


def _replaced(inpainted: Inpainted, refilled: Inpainted) -> Inpainted:
    """Healthy content with that of the refinement where it lay in a hole."""
    hidden = refilled.covered
    return Inpainted(
        np.where(hidden, refilled.mean, inpainted.mean),
        np.where(hidden, refilled.variance, inpainted.variance),
        inpainted.covered | hidden,
        inpainted.evaluations + refilled.evaluations,
    )


def score_region(prepared: PreparedSubject, inpainted: Inpainted, calibration: Calibration, edge_mm: float) -> Scores:
    """Score one drawn region: the evidence of :mod:`.drawn_region` over its spread in healthy regions of this size.

    Parameters
    ----------
    prepared
        The subject on the model grid.
    inpainted
        The region filled as one hole.
    calibration
        Statistics of healthy people.
    edge_mm
        Size of the region, see :func:`~.drawn_region.drawn_edge_mm`.

    Raises
    ------
    FAError
        ``bad-request`` for a region that is larger than any calibrated one, or leaves too little of the brain.
    """
    limits = calibration.regions.at(edge_mm)
    evidence = region_evidence(prepared, inpainted, calibration)
    z = evidence.combined(limits.inpainter_spread) / np.float32(limits.spread)
    return Scores(inpainted, z, evidence.analysed, evidence.scale)
