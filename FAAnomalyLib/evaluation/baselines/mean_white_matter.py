"""The least one can say about a hole: the mean FA of the white matter in sight."""

from __future__ import annotations

import numpy as np

from .protocol import Prior, check_shapes, context_white_matter, filled


class MeanWhiteMatter:
    """One constant for all holes; see :class:`~.protocol.Baseline`."""

    name = "mean_white_matter"

    def fill(self, fa: np.ndarray, hole: np.ndarray, prior: Prior) -> np.ndarray:
        """FA with the mean over the context's white matter (prior above 0.5) in the hole."""
        check_shapes(fa, hole, prior.white_matter, prior.brain)
        mean = fa[context_white_matter(hole, prior)].mean(dtype=np.float64)
        return filled(fa, hole, mean)
