"""The linear estimate that the bundled network corrects: what remains of it without its weights."""

from __future__ import annotations

import numpy as np
import torch

from ...networks.conditioning import condition, linear_estimate
from .protocol import FillPriors, check_shapes, context_white_matter, filled


class LinearEstimate:
    """Smooth fill, plus the template's and the mirrored brain's detail, with four fixed coefficients.

    See :func:`~FAAnomalyLib.networks.conditional_unet.condition` and :class:`~.protocol.Baseline`.  The
    arrays must be left-right symmetric about their centre along x.
    """

    name = "linear_estimate"

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: FillPriors) -> np.ndarray:
        """FA with the linear estimate, clipped to [0, 1], in the hole."""
        check_shapes(fa, hole, priors.fa, priors.white_matter, priors.brain)
        context_white_matter(hole, priors)  # raises where nothing is in sight
        x, template, white = (
            torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32))[None, None]
            for a in (2 * fa - 1, 2 * priors.fa - 1, priors.white_matter)
        )
        hidden = torch.from_numpy(hole)[None, None].float()
        estimate = linear_estimate(condition(x, hidden, template, white)).numpy()[0, 0]
        return filled(fa, hole, (estimate[hole] + 1) / 2)
