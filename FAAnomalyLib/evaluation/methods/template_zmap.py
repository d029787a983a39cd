"""Comparator: z-map of the registered template with gain and offset fitted to the brain."""

from __future__ import annotations

import numpy as np

from ...preprocessing.model_grid import PreparedSubject
from ...preprocessing.robust_statistics import fit_gain_and_offset
from .residual_zmap import register_residual_zmap


def template_prediction(prepared: PreparedSubject, analysed: np.ndarray) -> np.ndarray:
    """Expected FA (X, Y, Z) in [0, 1]: the template's, fitted to the brain's *analysed* voxels, bool (X, Y, Z)."""
    priors = prepared.grid.priors
    gain, offset = fit_gain_and_offset(priors.fa[analysed], prepared.fa[analysed])
    return np.clip(gain * priors.fa + offset, 0.0, 1.0)


TEMPLATE_ZMAP = register_residual_zmap("template z-map", template_prediction, position=10)
