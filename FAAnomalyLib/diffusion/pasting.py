"""Samplers that are not told of holes, made to fill one: the known voxels are pasted before every evaluation."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from .samplers.repaint import paste

if TYPE_CHECKING:
    from torch import Tensor

    from .noise_schedule import NoiseSchedule
    from .stepping import Denoise, Noise


def pasting_form(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The form of a deterministic sampler that fills a hole, for a network that is not told of holes.

    Before every evaluation the known voxels, noised to that timestep, replace the sample outside the hole (Lugmayr et
    al. 2022, eq. 8a). Their noise is the start's at every step: ``alpha_t known + sigma_t noise`` is the path on which
    DDIM itself comes to the known picture from that noise (Song et al. 2021, eq. 12 with sigma = 0), so that hole and
    context belong to one deterministic path. The known part is exact at the end.

    Parameters
    ----------
    function
        A sampler ``(denoise, schedule, noise, generator, **options)``.

    Returns
    -------
    callable
        It takes ``known=`` and ``hole=`` as well, as in :func:`~FAAnomalyLib.diffusion.samplers.repaint.repaint`.
    """

    @wraps(function)
    def filled(
        denoise: Denoise,
        schedule: NoiseSchedule,
        noise: Tensor,
        generator: Noise = None,
        *,
        known: Tensor,
        hole: Tensor,
        **options: Any,
    ) -> Tensor:
        def denoise_pasted(x: Tensor, t: int) -> Tensor:
            return denoise(paste(schedule, x, known, hole, t, noise), t)

        drawn = function(denoise_pasted, schedule, noise, generator, **options)
        return drawn.where(hole.bool(), known.to(drawn.dtype))

    return filled
