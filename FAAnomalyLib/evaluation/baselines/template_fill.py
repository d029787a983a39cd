"""Baseline fill from the registered template, adapted to the subject's level and contrast of FA."""

from __future__ import annotations

import numpy as np

from ...preprocessing.robust_statistics import fit_gain_and_offset
from ...preprocessing.template import TemplatePriors
from .baseline_fill import check_shapes, context_white_matter, with_hole_filled


class TemplateFill:
    """Template FA with one gain and one offset for the brain; a :class:`~.baseline_fill.BaselineFill`.

    Gain and offset are least-squares fits to the visible white matter: scanners and protocols shift the level of
    FA in the whole brain at once.
    """

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: TemplatePriors) -> np.ndarray:
        """FA with gain * template + offset, clipped to [0, 1], in the hole."""
        check_shapes(fa, hole, priors.fa, priors.white_matter, priors.brain)
        context = context_white_matter(hole, priors)
        gain, offset = fit_gain_and_offset(priors.fa[context], fa[context])
        return with_hole_filled(fa, hole, gain * priors.fa[hole].astype(np.float64) + offset)
