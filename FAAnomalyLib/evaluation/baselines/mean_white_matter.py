"""The least one can say about a hole: the mean FA of the white matter in sight."""

from __future__ import annotations

import numpy as np

from .protocol import FillPriors, check_shapes, context_white_matter, filled


class MeanWhiteMatter:
    """One constant for all holes; see :class:`~.protocol.Baseline`."""

    name = "mean_white_matter"

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: FillPriors) -> np.ndarray:
        """FA with the mean over the context's white matter (prior above 0.5) in the hole."""
        check_shapes(fa, hole, priors.white_matter, priors.brain)
        mean = fa[context_white_matter(hole, priors)].mean(dtype=np.float64)
        return filled(fa, hole, mean)
