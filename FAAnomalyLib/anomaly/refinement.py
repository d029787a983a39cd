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

from ..inpainting.fusion import Inpainted
from ..inpainting.masks import pass_from_mask
from ..inpainting.pass_runner import inpaint_passes
from ..inpainting.volume_inpainter import Sampling, VolumeInpainter
from ..preprocessing.model_grid import PreparedSubject
from ..preprocessing.template_warping import warp_template
from .calibration import Calibration
from .candidates import Screening, candidate_mask


def refill_candidates(
    inpainter: VolumeInpainter,
    prepared: PreparedSubject,
    first: Screening,
    calibration: Calibration,
    sampling: Sampling,
    on_progress: Callable[[float], None] | None = None,
) -> Inpainted | None:
    """Hide the suspects and fill them twice: the second time the template is bent without them, too.

    Returns the content, ``covered`` being what was hidden; None without suspects.
    """
    hole = candidate_mask(calibration.strongest(first.maps), prepared.grid.spacing_mm, first.analysed) & prepared.brain
    if not hole.any():
        return None
    passes, template = [pass_from_mask(hole)], prepared.grid.template
    guess = inpaint_passes(inpainter, prepared.fa, passes, sampling, _half(on_progress, 0), priors=prepared.grid.priors)
    healthy = np.where(hole, guess.mean, prepared.fa)
    priors = warp_template(template.priors, healthy, prepared.grid.spacing_mm)
    filled = inpaint_passes(inpainter, prepared.fa, passes, sampling, _half(on_progress, 1), priors=priors)
    filled.evaluations += guess.evaluations
    return filled


def _half(on_progress: Callable[[float], None] | None, number: int) -> Callable[[float], None] | None:
    return None if on_progress is None else lambda share: on_progress((number + share) / 2)
