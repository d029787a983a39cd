"""Draw whole volumes from noise, as a network that is not told of holes was trained to make them."""

from __future__ import annotations

import numpy as np

from ..diffusion.stepping import OnStep
from ..inpainting.sampling import Sampling
from ..inpainting.volume_inpainter import VolumeInpainter
from ..preprocessing.template import Template
from ..volume import Volume


def draw_volumes(
    inpainter: VolumeInpainter, template: Template, sampling: Sampling, on_step: OnStep | None = None
) -> list[Volume]:
    """FA volumes from pure noise: a hole that leaves nothing known.

    Parameters
    ----------
    inpainter
        Of a thesis model.
    template
        The model's, on its grid. A conditional network is given the template's white matter.
    sampling
        Sampler, steps, number of draws, seed and noise.
    on_step
        ``(network calls done, in all)``, before every call.

    Returns
    -------
    list of Volume
        One for each draw, kept apart: FA in [0, 1], float32, on the model grid. Nothing is cut to a brain.

    Raises
    ------
    FAError
        ``bad-request`` for a sampler that does not fit the model.
    """
    inpainter.check(sampling)
    shape = template.priors.fa.shape
    nothing = np.zeros(shape, np.float32)
    drawn = inpainter.draws(nothing, np.ones(shape, bool), sampling, on_step, template.priors)
    return [Volume(np.clip(one, 0.0, 1.0).reshape(shape), template.fa.affine) for one in drawn]
