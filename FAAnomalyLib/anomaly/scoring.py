"""From filled holes to a z-map: both looks, for a whole brain or for one drawn region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..inpainting.fusion import Inpainted, fuse_passes
from ..inpainting.volume_inpainter import Sampling, VolumeInpainter
from ..preprocessing.model_grid import PreparedSubject
from .calibration import Calibration
from .candidates import analysis_mask, screen
from .refinement import refill_candidates
from .residual_maps import Residual, region_maps


@dataclass(frozen=True)
class Scores:
    """What a brain was found to be.

    Attributes
    ----------
    filled
        The healthy content, of the second look where there was one.
    z
        Standard normal in healthy white matter, float32 (X, Y, Z); 0 where nothing was judged.
    judged
        bool (X, Y, Z).
    hidden_share
        Share of the judged voxels that the second look hid.
    """

    filled: Inpainted
    z: np.ndarray
    analysed: np.ndarray
    hidden_share: float = 0.0


def residual_and_variance(fa: np.ndarray, filled: Inpainted) -> Residual:
    """FA minus its prediction, and the prediction's variance."""
    return np.where(filled.covered, fa - filled.mean, 0.0).astype(np.float32), filled.variance


def small_and_large_residuals(fa: np.ndarray, by_size: dict[int, Inpainted]) -> tuple[Residual, Residual]:
    """Residuals of the smallest and the largest holes; the same where there is one size."""
    return residual_and_variance(fa, by_size[min(by_size)]), residual_and_variance(fa, by_size[max(by_size)])


def score_brain(
    inpainter: VolumeInpainter,
    prepared: PreparedSubject,
    by_size: dict[int, Inpainted],
    calibration: Calibration,
    sampling: Sampling,
    on_progress: Callable[[float], None] | None = None,
) -> Scores:
    """Judge a whole brain from its roaming passes."""
    fa, spacing = prepared.fa, prepared.grid.spacing_mm
    filled = fuse_passes(by_size.values(), fa.shape)
    analysed = analysis_mask(prepared.brain, prepared.grid.priors.white_matter, filled.covered, spacing)
    small, large = small_and_large_residuals(fa, by_size)
    first = screen(fa, prepared.grid.priors, analysed, small, large, spacing, calibration)
    z = calibration.z_of(first.maps, analysed)
    again = refill_candidates(inpainter, prepared, first, calibration, sampling, on_progress)
    if again is None:
        return Scores(filled, z, analysed)
    hidden = again.covered
    filled = Inpainted(
        np.where(hidden, again.mean, filled.mean),
        np.where(hidden, again.variance, filled.variance),
        filled.covered | hidden,
        filled.evaluations + again.evaluations,
    )
    return Scores(filled, z, analysed, float((hidden & analysed).sum() / analysed.sum()))


def score_region(prepared: PreparedSubject, filled: Inpainted, calibration: Calibration) -> Scores:
    """Judge one hole by the population's yardstick: a lesion that fills a drawn box would be its own."""
    spacing = prepared.grid.spacing_mm
    analysed = analysis_mask(prepared.brain, prepared.grid.priors.white_matter, filled.covered, spacing)
    maps = region_maps(residual_and_variance(prepared.fa, filled), analysed, spacing)
    return Scores(filled, calibration.z_of(calibration.drawn(maps, analysed), analysed), analysed)
