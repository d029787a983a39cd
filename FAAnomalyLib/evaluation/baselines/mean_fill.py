"""Baseline fill with one constant, the mean FA of the visible white matter."""

from __future__ import annotations

import numpy as np

from ...preprocessing.template import TemplatePriors
from .baseline_fill import check_shapes, context_white_matter, with_hole_filled


class MeanFill:
    """One constant for all holes; a :class:`~.baseline_fill.BaselineFill`."""

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: TemplatePriors) -> np.ndarray:
        """FA with the mean over the visible white matter (prior above 0.5) in the hole."""
        check_shapes(fa, hole, priors.white_matter, priors.brain)
        mean = fa[context_white_matter(hole, priors)].mean(dtype=np.float64)
        return with_hole_filled(fa, hole, mean)
