"""Comparator: z-map of the mean FA of the brain's own white matter, the prediction without any anatomy."""

from __future__ import annotations

import numpy as np

from ...preprocessing.model_grid import PreparedSubject
from .residual_zmap import register_residual_zmap


def mean_prediction(prepared: PreparedSubject, analysed: np.ndarray) -> np.ndarray:
    """Expected FA (X, Y, Z) in [0, 1]: the mean over the *analysed* voxels, bool (X, Y, Z), everywhere in the brain."""
    mean = prepared.fa[analysed].mean(dtype=np.float64)
    return np.where(prepared.brain, mean, 0.0).astype(np.float32)


MEAN_WHITE_MATTER = register_residual_zmap("mean white matter", mean_prediction, position=24)
