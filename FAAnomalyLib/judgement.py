"""From filled holes to a z-map: both looks, for a whole brain or for one drawn region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .calibration import Calibration, drawn_name
from .evidence import Residual, again_evidence
from .inpainting import Filled, Filler, Sampling, combine
from .scoring import first_look, judged_mask
from .second_look import look_again, statistic
from .space import Prepared


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
    looks
        How often suspects were hidden.
    """

    filled: Filled
    z: np.ndarray
    judged: np.ndarray
    hidden_share: float = 0.0
    looks: int = 0


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
    second = look_again(filler, prepared, first, large, calibration, sampling, on_progress)
    z = np.where(judged, calibration.to_normal(statistic(first, second, calibration)), 0.0)
    if second.filled is not None:
        filled = Filled(np.where(second.hole, second.filled.mean, filled.mean),
                        np.where(second.hole, second.filled.variance, filled.variance),
                        filled.covered | second.hole, filled.evaluations + second.filled.evaluations)
    share = float((second.hole & judged).sum() / max(judged.sum(), 1))
    return Judgement(filled, z.astype(np.float32), judged, share, second.looks)


def judge_region(prepared: Prepared, filled: Filled, calibration: Calibration) -> Judgement:
    """Judge one hole by the population's yardstick: a lesion that fills a drawn box would be its own."""
    spacing = prepared.space.spacing_mm
    judged = judged_mask(prepared.brain, prepared.space.prior.white_matter, filled.covered, spacing)
    maps = again_evidence(residual_of(prepared.fa, filled), judged, spacing)
    z = calibration.to_normal(calibration.strongest(calibration.again(
        maps, judged, calibration.yardstick_of_region(maps, judged), drawn_name)))
    return Judgement(filled, np.where(judged, z, 0.0).astype(np.float32), judged)
