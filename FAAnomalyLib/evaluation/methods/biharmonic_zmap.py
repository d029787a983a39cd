"""Comparator: z-map of the biharmonic fill of interleaved holes that cover the brain.

Damelin & Hoang 2018, "On surface completion and image inpainting by biharmonic functions: numerical aspects", as
scikit-image solves it. It continues the slope at the rim of a hole, which the harmonic fill does not, and therefore
leaves the range of the rim. A hole of 1000 voxels takes a tenth of a second, a brain half a minute: it takes part in an
evaluation where it is named.
"""

from __future__ import annotations

import numpy as np
from skimage.restoration import inpaint_biharmonic

from ...inpainting.masks import plan_passes
from ...preprocessing.model_grid import PreparedSubject
from .residual_zmap import MASK_SIZE, register_residual_zmap


def biharmonic_prediction(prepared: PreparedSubject, analysed: np.ndarray) -> np.ndarray:
    """Expected FA (X, Y, Z) in [0, 1], 0 where no hole reaches; *analysed* is not used."""
    spacing, predicted = prepared.grid.spacing_mm, np.zeros_like(prepared.fa)
    for one in plan_passes(prepared.brain, MASK_SIZE, (spacing,) * 3, shift_count=1):
        shown = np.where(one.hole, 0.0, prepared.fa).astype(np.float64)
        filled = inpaint_biharmonic(shown, one.hole, split_into_regions=True)
        predicted[one.hole] = np.clip(filled[one.hole], 0.0, 1.0)
    return predicted


BIHARMONIC_ZMAP = register_residual_zmap("biharmonic fill", biharmonic_prediction, position=22, by_default=False)
