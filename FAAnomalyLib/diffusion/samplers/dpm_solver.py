"""DPM-Solver++(2M): a sample in 10 to 20 steps, deterministic once its start is drawn (Lu et al. 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import stepping
from ..pasting import pasting_form
from ..registry import Sampler, register
from ..stepping import Denoise, Noise, OnStep, Spacing

if TYPE_CHECKING:
    from torch import Tensor

    from ..noise_schedule import NoiseSchedule


def dpmpp_2m_step(
    schedule: NoiseSchedule, x: Tensor, x0: Tensor, t: int, s: int, before: tuple[Tensor, int] | None = None
) -> Tensor:
    """One step of DPM-Solver++(2M), data prediction, midpoint form (Lu et al. 2022, algorithm 2).

    ``x_s = sigma_s / sigma_t x_t + (alpha_s - alpha_t sigma_s / sigma_t) D`` with
    ``D = x0 + (x0 - x0_before) (lambda_s - lambda_t) / (2 (lambda_t - lambda_before))``; D is x0 in the first step
    (nothing before it) and in the last (s = -1: lambda is infinite, and x_s = x0). The paper's
    ``alpha_s (1 - exp(-h))`` is written out, so that no infinite lambda enters the first-order part.

    *before* holds the prediction of the step before and its timestep. If that timestep has zero signal-to-noise its
    lambda is -inf, the slope weighs nothing, and this step is of first order as well.
    """
    if before is not None and s >= 0:
        earlier, u = before
        ahead = schedule.half_log_snr(s) - schedule.half_log_snr(t)
        behind = schedule.half_log_snr(t) - schedule.half_log_snr(u)
        x0 = x0 + ahead / (2.0 * behind) * (x0 - earlier)
    shrink = schedule.sigma(s) / schedule.sigma(t)
    return shrink * x + (schedule.alpha(s) - schedule.alpha(t) * shrink) * x0


def dpmpp_2m(
    denoise: Denoise,
    schedule: NoiseSchedule,
    noise: Tensor,
    generator: Noise = None,
    *,
    steps: int,
    spacing: Spacing = "snr",
    on_step: OnStep | None = None,
) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022) in *steps* evaluations: deterministic, good from 10 to 20 steps.

    With a zero-terminal-SNR schedule the first step is the exact first-order (DDIM) step from alpha = 0, which
    needs no logarithm; the second is of first order too, as there is no finite lambda to take a slope from; the
    second order starts with the third. (Others put a tiny alpha there instead.)

    Parameters
    ----------
    denoise, schedule, noise, on_step
        As in :func:`~FAAnomalyLib.diffusion.samplers.ddpm.ddpm`; nothing is clipped.
    generator
        Not used.
    steps
        1..T network evaluations.
    spacing
        See :func:`~FAAnomalyLib.diffusion.stepping.transitions`.

    Returns
    -------
    Tensor
        One sample for each member of the batch, about [-1, 1].

    Raises
    ------
    ValueError
        When *steps* is out of range or the network answers with another shape.
    """
    path = stepping.transitions(schedule, steps, spacing)
    evaluate = stepping.counted(denoise, len(path), on_step)
    x = noise
    before: tuple[Tensor, int] | None = None
    for t, s in path:
        x0 = evaluate(x, t)
        x = dpmpp_2m_step(schedule, x, x0, t, s, before)
        before = (x0, t)
    return x


register(Sampler("dpm++", dpmpp_2m, default_steps=12, pasting=pasting_form(dpmpp_2m)))
