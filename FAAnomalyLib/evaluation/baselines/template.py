"""The average brain, brought to this brain's level and contrast."""

from __future__ import annotations

import numpy as np

from ...anomaly.robust_statistics import fit_gain_and_offset
from .protocol import FillPriors, check_shapes, context_white_matter, filled


class Template:
    """Template FA with one gain and one offset a brain; see :class:`~.protocol.Baseline`.

    Both are fitted by least squares to the white matter in sight, because scanners and protocols
    shift the level of FA in the whole brain at once.
    """

    name = "template"

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: FillPriors) -> np.ndarray:
        """FA with gain * template + offset, clipped to [0, 1], in the hole."""
        check_shapes(fa, hole, priors.fa, priors.white_matter, priors.brain)
        context = context_white_matter(hole, priors)
        gain, offset = fit_gain_and_offset(priors.fa[context], fa[context])
        return filled(fa, hole, gain * priors.fa[hole].astype(np.float64) + offset)
