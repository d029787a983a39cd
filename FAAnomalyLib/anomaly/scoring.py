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


@dataclass(frozen=True)
class Search:
    """What the search of a whole brain shows, on the model grid.

    Attributes
    ----------
    statistic, z
        float32 (X, Y, Z), 0 where nothing was analysed: :meth:`~.calibration.Calibration.strongest`, and its z.
    analysed
        Voxels that are scored, bool (X, Y, Z).
    scale
        This brain's own scale of each map, FA.
    """

    statistic: np.ndarray
    z: np.ndarray
    analysed: np.ndarray
    scale: dict[MapKey, float]


def search_brain(prepared: PreparedSubject, calibration: Calibration, check: Check | None = None) -> Search:
    """Screen a whole brain and judge its maps by healthy people at the same places.

    Parameters
    ----------
    prepared
        The subject on the model grid.
    calibration
        Statistics of healthy people at the places of the template.
    check
        Called between the parts; may raise to cancel.
    """
    check = check or _go_on
    screening = screen(prepared, check)
    check()
    known = calibration.brought_to(prepared.grid.priors.displacement)
    scale = {key: known.plausible_scale(key, own).scale for key, own in screening.subject_scale.items()}
    combined = known.combined(screening.maps, screening.analysed, screening.subject_scale)
    check()
    statistic = known.strongest(combined)
    return Search(statistic, known.z_of(statistic, screening.analysed), screening.analysed, scale)


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

    The search (:func:`search_brain`) gives one statistic t and z from t. Clusters of t are candidates; they are
    inpainted again (:func:`~.refinement.refill_candidates`), which replaces the healthy content there and leaves z as
    it is.

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
    on_progress
        As in :func:`~.refinement.refill_candidates`.
    check
        Called between the parts; may raise to cancel.
    """
    check = check or _go_on
    found = search_brain(prepared, calibration, check)
    check()
    candidates = candidate_mask(found.statistic, prepared.grid.spacing_mm, found.analysed)
    refilled = refill_candidates(inpainter, prepared, candidates, sampling, on_progress)
    if refilled is None:
        return Scores(inpainted, found.z, found.analysed, found.scale)
    share = float((refilled.covered & found.analysed).sum() / found.analysed.sum())
    return Scores(_replaced(inpainted, refilled), found.z, found.analysed, found.scale, share)


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
