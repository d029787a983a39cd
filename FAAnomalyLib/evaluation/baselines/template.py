"""The average brain, brought to this brain's level and contrast."""

from __future__ import annotations

import numpy as np

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
        gain, offset = fit(priors.fa[context], fa[context])
        return filled(fa, hole, gain * priors.fa[hole].astype(np.float64) + offset)


def fit(template: np.ndarray, fa: np.ndarray) -> tuple[float, float]:
    """Gain and offset that minimise the sum of (gain * template + offset - fa) squared.

    Both arrays have shape (N,), N at least 1. A template without contrast cannot tell a gain: it
    is 1 then, and only the level is fitted.
    """
    template, fa = template.astype(np.float64), fa.astype(np.float64)
    spread = template - template.mean()
    power = spread @ spread
    gain = (spread @ fa) / power if power > 1e-6 * template.size else 1.0
    return float(gain), float(fa.mean() - gain * template.mean())
