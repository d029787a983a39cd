"""Every candidate hidden whole and inpainted again, so that a lesion is not its own context.

Screening detects a change, because some of its predictions know nothing of it; but a third of the change and more
leaks into the inpainted content. A hole that covers the change leaves nothing of it in the healthy content, and so in
the reported difference; nor does a template that lets the hole go. The z-map stays that of the
search: candidates of healthy people, too, stand out more once they are hidden whole, and limits that allow for that
made a second z the weaker evidence.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..inpainting.fusion import Inpainted
from ..inpainting.masks import pass_from_mask
from ..inpainting.pass_runner import inpaint_passes
from ..inpainting.sampling import Sampling
from ..inpainting.volume_inpainter import VolumeInpainter
from ..preprocessing.model_grid import PreparedSubject


def refill_candidates(
    inpainter: VolumeInpainter,
    prepared: PreparedSubject,
    candidates: np.ndarray,
    sampling: Sampling,
    on_progress: Callable[[float], None] | None = None,
) -> Inpainted | None:
    """Hide the candidates whole and inpaint them, with a template that does not follow them.

    A template that was warped to the lesion would bring a part of it into the fill.

    Parameters
    ----------
    inpainter
        Model that is ready to fill holes of this grid.
    prepared
        The subject on the model grid.
    candidates
        bool (X, Y, Z); voxels outside the brain are ignored.
    sampling
        How holes are filled.
    on_progress
        Called with the share done, in [0, 1), before every network call; may raise to cancel.

    Returns
    -------
    Inpainted or None
        ``covered`` is what was hidden; None where no candidate lies in the brain.
    """
    hole = candidates & prepared.brain
    if not hole.any():
        return None
    priors = prepared.not_following(hole).grid.priors
    return inpaint_passes(inpainter, prepared.fa, [pass_from_mask(hole)], sampling, on_progress, priors=priors)
