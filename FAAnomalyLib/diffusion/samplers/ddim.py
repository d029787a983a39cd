"""DDIM: a sample in few steps, deterministic once its start is drawn (Song et al. 2021)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .. import stepping
from ..pasting import pasting_form
from ..registry import Sampler, register
from ..stepping import Denoise, Noise, OnStep, Spacing

if TYPE_CHECKING:
    from torch import Tensor

    from ..noise_schedule import NoiseSchedule


def ddim_step(
    schedule: NoiseSchedule, x: Tensor, x0: Tensor, t: int, s: int, eta: float = 0.0, noise: Tensor | float = 0.0
) -> Tensor:
    """``alpha_s x0 + sqrt(sigma_s^2 - d^2) eps + d noise``, d = eta * SD of q(x_s | x_t, x0).

    Song et al. 2021, eq. 12. eps is what x0 leaves of x_t, so that a clipped x0 and its eps belong together; at zero
    signal-to-noise it is x_t. eta = 1 has the mean and the variance of
    :func:`~FAAnomalyLib.diffusion.stepping.ddpm_step`.
    """
    deviation = eta * math.sqrt(schedule.posterior_coefficients(t, s)[2])
    eps = schedule.eps_from_x0(x, t, x0)
    left = math.sqrt(max(schedule.sigma(s) ** 2 - deviation**2, 0.0))
    return schedule.alpha(s) * x0 + left * eps + deviation * noise


def ddim(
    denoise: Denoise,
    schedule: NoiseSchedule,
    noise: Tensor,
    generator: Noise = None,
    *,
    steps: int,
    eta: float = 0.0,
    clip: bool = False,
    spacing: Spacing = "snr",
    on_step: OnStep | None = None,
) -> Tensor:
    """DDIM (Song et al. 2021) in *steps* evaluations.

    Parameters
    ----------
    denoise, schedule, noise, clip, on_step
        As in :func:`~FAAnomalyLib.diffusion.samplers.ddpm.ddpm`.
    generator
        Source of the noise of every step; not used where *eta* is 0.
    steps
        1..T network evaluations.
    eta
        0 is deterministic, 1 as noisy as :func:`~FAAnomalyLib.diffusion.samplers.ddpm.ddpm`.
    spacing
        See :func:`~FAAnomalyLib.diffusion.stepping.transitions`.

    Returns
    -------
    Tensor
        One sample for each member of the batch, about [-1, 1].

    Raises
    ------
    ValueError
        When *steps* or *eta* is out of range, or the network answers with another shape.
    """
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"eta must lie between 0 and 1, not {eta}")
    path = stepping.transitions(schedule, steps, spacing)
    evaluate = stepping.counted(denoise, len(path), on_step)
    x = noise
    for t, s in path:
        x0 = stepping.clipped(evaluate(x, t), clip)
        fresh = stepping.draw_like(x, generator) if eta > 0.0 and s >= 0 else 0.0
        x = ddim_step(schedule, x, x0, t, s, eta, fresh)
    return x


register(Sampler("ddim", ddim, default_steps=25, pasting=pasting_form(ddim)))
