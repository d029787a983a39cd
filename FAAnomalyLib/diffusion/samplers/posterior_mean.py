"""The posterior mean in one network evaluation: what ``--sampler mean`` is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..registry import Sampler, register
from ..stepping import Denoise, Noise, OnStep, counted

if TYPE_CHECKING:
    from torch import Tensor

    from ..noise_schedule import NoiseSchedule


def posterior_mean(
    denoise: Denoise,
    schedule: NoiseSchedule,
    noise: Tensor,
    generator: Noise = None,
    *,
    steps: int = 1,
    on_step: OnStep | None = None,
) -> Tensor:
    """ONE evaluation at t = T - 1: ``denoise(noise, T - 1)``, an estimate of E[x0 | context], not a sample.

    The least-squares x0 is E[x0 | x_t, context]. With zero terminal signal-to-noise x_t tells nothing, and this is
    the posterior mean itself, whatever the noise; with another schedule a trace of the noise stays in it.

    Parameters
    ----------
    denoise, schedule, noise, on_step
        As in :func:`~FAAnomalyLib.diffusion.samplers.ddpm.ddpm`.
    generator
        Not used.
    steps
        1.

    Returns
    -------
    Tensor
        The mean, of noise's shape, about [-1, 1].

    Raises
    ------
    ValueError
        When *steps* is not 1, or the network answers with another shape.
    """
    if steps != 1:
        raise ValueError(f"the mean sampler takes 1 step, not {steps}")
    return counted(denoise, 1, on_step)(noise, schedule.timesteps - 1)


register(Sampler("mean", posterior_mean, default_steps=1, max_steps=1, stochastic=False))
