"""Baseline fill from the registered template, adapted to the subject's level and contrast of FA."""

from __future__ import annotations

import numpy as np

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


def fit_gain_and_offset(template: np.ndarray, fa: np.ndarray) -> tuple[float, float]:
    """Gain and offset that minimise the sum of squares of gain * template + offset - fa.

    Parameters
    ----------
    template, fa
        FA of the template and of the subject at the same voxels, shape (N,) with N at least 1. A template
        without contrast does not determine a gain: the gain is 1 then, and only the level is fitted.

    Examples
    --------
    >>> gain, offset = fit_gain_and_offset(np.array([0.2, 0.4, 0.6]), np.array([0.3, 0.4, 0.5]))
    >>> round(gain, 6), round(offset, 6)
    (0.5, 0.2)
    """
    template, fa = template.astype(np.float64), fa.astype(np.float64)
    centred = template - template.mean()
    power = centred @ centred
    gain = (centred @ fa) / power if power > 1e-6 * template.size else 1.0
    return float(gain), float(fa.mean() - gain * template.mean())
