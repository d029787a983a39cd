"""The second look: every suspect hidden whole and filled again, so that a lesion is not its own context.

The first look finds a change, for some of its predictions know nothing of it, but a third of the change
and more leaks into what its holes are filled with.  With a hole that covers the change nothing of it is
left in the healthy content, and so in the difference that the report states.  Whether there is a change
is not asked again: healthy people's suspects, too, stand out more when they are hidden whole, and
limits that allow for it made the second look's z the weaker evidence.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..inpainting.fusion import Filled
from ..inpainting.masks import from_mask
from ..inpainting.pass_runner import roam
from ..inpainting.volume_inpainter import Filler, Sampling
from ..preprocessing.model_grid import Prepared
from ..preprocessing.template_warping import bend
from .calibration import Calibration
from .candidates import FirstLook, suspects


def look_again(filler: Filler, prepared: Prepared, first: FirstLook, calibration: Calibration, sampling: Sampling,
               on_progress: Callable[[float], None] | None = None) -> Filled | None:
    """Hide the suspects and fill them twice: the second time the template is bent without them, too.

    Returns the content, ``covered`` being what was hidden; None without suspects.
    """
    hole = suspects(calibration.strongest(first.maps), prepared.space.spacing_mm, first.judged) & prepared.brain
    if not hole.any():
        return None
    passes, template = [from_mask(hole)], prepared.space.template
    guess = roam(filler, prepared.fa, passes, sampling, _half(on_progress, 0), prior=prepared.space.prior)
    healthy = np.where(hole, guess.mean, prepared.fa)
    prior = bend(template.prior, healthy, prepared.space.spacing_mm)
    filled = roam(filler, prepared.fa, passes, sampling, _half(on_progress, 1), prior=prior)
    filled.evaluations += guess.evaluations
    return filled


def _half(on_progress: Callable[[float], None] | None, number: int) -> Callable[[float], None] | None:
    return None if on_progress is None else lambda share: on_progress((number + share) / 2)
