"""From filled holes to a z-map: both looks, for a whole brain or for one drawn region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..inpainting.fusion import Filled, combine
from ..inpainting.volume_inpainter import Filler, Sampling
from ..preprocessing.model_grid import Prepared
from .calibration import Calibration
from .candidates import first_look, judged_mask
from .refinement import look_again
from .residual_maps import Residual, drawn_evidence


@dataclass(frozen=True)
class Judgement:
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

    filled: Filled
    z: np.ndarray
    judged: np.ndarray
    hidden_share: float = 0.0


def residual_of(fa: np.ndarray, filled: Filled) -> Residual:
    """FA minus its prediction, and the prediction's variance."""
    return np.where(filled.covered, fa - filled.mean, 0.0).astype(np.float32), filled.variance


def small_and_large(fa: np.ndarray, by_size: dict[int, Filled]) -> tuple[Residual, Residual]:
    """Residuals of the smallest and the largest holes; the same where there is one size."""
    return residual_of(fa, by_size[min(by_size)]), residual_of(fa, by_size[max(by_size)])


def judge_brain(filler: Filler, prepared: Prepared, by_size: dict[int, Filled], calibration: Calibration,
                sampling: Sampling, on_progress: Callable[[float], None] | None = None) -> Judgement:
    """Judge a whole brain from its roaming passes."""
    fa, spacing = prepared.fa, prepared.space.spacing_mm
    filled = combine(by_size.values(), fa.shape)
    judged = judged_mask(prepared.brain, prepared.space.prior.white_matter, filled.covered, spacing)
    small, large = small_and_large(fa, by_size)
    first = first_look(fa, prepared.space.prior, judged, small, large, spacing, calibration)
    z = calibration.z_of(first.maps, judged)
    again = look_again(filler, prepared, first, calibration, sampling, on_progress)
    if again is None:
        return Judgement(filled, z, judged)
    hidden = again.covered
    filled = Filled(np.where(hidden, again.mean, filled.mean), np.where(hidden, again.variance, filled.variance),
                    filled.covered | hidden, filled.evaluations + again.evaluations)
    return Judgement(filled, z, judged, float((hidden & judged).sum() / judged.sum()))


def judge_region(prepared: Prepared, filled: Filled, calibration: Calibration) -> Judgement:
    """Judge one hole by the population's yardstick: a lesion that fills a drawn box would be its own."""
    spacing = prepared.space.spacing_mm
    judged = judged_mask(prepared.brain, prepared.space.prior.white_matter, filled.covered, spacing)
    maps = drawn_evidence(residual_of(prepared.fa, filled), judged, spacing)
    return Judgement(filled, calibration.z_of(calibration.drawn(maps, judged), judged), judged)
