"""Baseline fill with the linear estimate that the bundled network corrects."""

from __future__ import annotations

import numpy as np

from ...networks.conditioning import condition, linear_estimate
from ...preprocessing.template import TemplatePriors
from ...runtime.arrays import as_array, as_tensor
from .baseline_fill import check_shapes, context_white_matter, with_hole_filled


class LinearFill:
    """Smooth fill plus the detail of the template and of the mirrored brain, with four fixed coefficients.

    What is left of the bundled network without its weights; see
    :func:`~FAAnomalyLib.networks.conditioning.linear_estimate` and :class:`~.baseline_fill.BaselineFill`. The
    arrays must be left-right symmetric about their centre along x.
    """

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: TemplatePriors) -> np.ndarray:
        """FA with the linear estimate, clipped to [0, 1], in the hole."""
        check_shapes(fa, hole, priors.fa, priors.white_matter, priors.brain)
        context_white_matter(hole, priors)  # raises where no context is visible
        x, template, white_matter = (
            as_tensor(np.ascontiguousarray(a, dtype=np.float32))[None, None]
            for a in (2 * fa - 1, 2 * priors.fa - 1, priors.white_matter)
        )
        hidden = as_tensor(hole)[None, None].float()
        estimate = as_array(linear_estimate(condition(x, hidden, template, white_matter)))[0, 0]
        return with_hole_filled(fa, hole, (estimate[hole] + 1) / 2)
