"""Comparator: z-map of the harmonic fill of interleaved holes that cover the brain."""

from __future__ import annotations

import numpy as np

from ...inpainting.masks import plan
from ...preprocessing.model_grid import PreparedSubject
from ..baselines.harmonic_fill import HarmonicFill
from .residual_zmap import MASK_SIZE, register_residual_zmap


def harmonic_prediction(prepared: PreparedSubject, analysed: np.ndarray) -> np.ndarray:
    """Expected FA (X, Y, Z) in [0, 1], 0 where no hole reaches; *analysed* is not used."""
    spacing, predicted = prepared.grid.spacing_mm, np.zeros_like(prepared.fa)
    for one in plan(prepared.brain, MASK_SIZE, (spacing,) * 3, shift_count=1):
        predicted[one.hole] = HarmonicFill().fill(prepared.fa, one.hole)[one.hole]
    return predicted


HARMONIC_ZMAP = register_residual_zmap("harmonic fill", harmonic_prediction, position=20)
