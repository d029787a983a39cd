"""From noise to a picture: the samplers that need only a network which predicts x0.

A network that fills holes gets its context inside the ``denoise`` callable; no sampler here knows of it. Every
sampler starts at t = T - 1 from *noise* and ends at the clean picture. Each has a pure ``..._step`` beside it,
which takes the noise it needs, so that one step can be held against a reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .noise_schedule import NoiseSchedule

Denoise = Callable[[Tensor, int], Tensor]
"""``(x_t, t) -> x0``: the predicted clean picture, in [-1, 1], of the same shape as x_t."""

Spacing = Literal["time", "snr"]
"""Few steps are spread evenly over timesteps, or over the logarithm of the signal-to-noise ratio."""

OnStep = Callable[[int, int], None]
"""``(done, total)`` network evaluations, called before each one; what it raises ends the run."""


def spaced_timesteps(timesteps: int, steps: int | None = None) -> list[int]:
    """*steps* timesteps spread evenly over 0..timesteps-1, falling, always starting at the noisiest.

    The "trailing" spacing of Lin et al. 2023 (table 2): a start anywhere else would hand the network pure noise
    and tell it that there is a picture in it. ``None`` means every timestep; ``ValueError`` outside 1..timesteps.
    """
    steps = timesteps if steps is None else steps
    if not 1 <= steps <= timesteps:
        raise ValueError(f"the number of steps must lie between 1 and {timesteps}, not {steps}")
    return [(2 * timesteps * k + steps) // (2 * steps) - 1 for k in range(steps, 0, -1)]


def snr_timesteps(schedule: NoiseSchedule, steps: int) -> list[int]:
    """*steps* timesteps, falling: T - 1, then evenly in lambda = log(alpha / sigma) from -4 down to timestep 0.

    Lu et al. 2022, section 6.1, space by lambda. It matters for FA, whose standard deviation is only about 0.2 on
    the network's scale: evenly spaced timesteps leave much of their noise to the last step, which replaces it by
    its mean (12 steps of DPM-Solver++ on the linear schedule then keep 57 % of that standard deviation; these keep
    102 %). Below lambda -4 the signal is under 2 % and no step is worth its cost. ``ValueError`` as above.
    """
    if not 1 <= steps <= schedule.timesteps:
        raise ValueError(f"the number of steps must lie between 1 and {schedule.timesteps}, not {steps}")
    lambdas = np.array([schedule.half_log_snr(t) for t in range(schedule.timesteps)])
    wanted = np.linspace(lambdas[0], min(-4.0, lambdas[0]), steps)
    rank = np.arange(steps)
    stops = np.abs(lambdas[None, :] - wanted[:, None]).argmin(axis=1)
    stops[-1] = schedule.timesteps - 1
    # Where steps outnumber the timesteps of an interval, neighbours take over: all stay different.
    stops = np.maximum.accumulate(stops - rank) + rank
    return np.minimum(stops, schedule.timesteps - steps + rank)[::-1].tolist()


def transitions(schedule: NoiseSchedule, steps: int | None, spacing: Spacing = "time") -> list[tuple[int, int]]:
    """The pairs (t, s) of a plain way down: from T - 1 over the spaced timesteps to -1, the clean picture.

    *spacing* ``time`` is :func:`spaced_timesteps`, ``snr`` :func:`snr_timesteps`; anything else is a ``ValueError``.
    """
    if spacing not in ("time", "snr"):
        raise ValueError(f"spacing must be 'time' or 'snr', not {spacing!r}")
    if spacing == "snr" and steps is not None:
        stops = snr_timesteps(schedule, steps)
    else:
        stops = spaced_timesteps(schedule.timesteps, steps)
    return list(zip(stops, [*stops[1:], -1], strict=True))


def counted(denoise: Denoise, total: int, on_step: OnStep | None) -> Denoise:
    """*denoise* with ``on_step(done, total)`` before every call, and its answer checked and cast to x_t's dtype.

    ``ValueError`` when the answer has another shape, which would otherwise broadcast unseen.
    """
    done = 0

    def evaluate(x: Tensor, t: int) -> Tensor:
        nonlocal done
        if on_step is not None:
            on_step(done, total)
        prediction = denoise(x, t)
        if prediction.shape != x.shape:
            raise ValueError(f"the network answered {tuple(prediction.shape)} to {tuple(x.shape)}")
        done += 1
        return prediction.to(x.dtype)

    return evaluate


def draw_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise of x's shape and dtype, drawn where *generator* lives and moved to x's device.

    A CPU generator thus gives the same picture on every device.
    """
    place = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, device=place, dtype=x.dtype).to(x.device)


def clipped(x0: Tensor, clip: bool) -> Tensor:
    """*x0* cut to [-1, 1] where *clip* says so."""
    return x0.clamp(-1.0, 1.0) if clip else x0


@torch.no_grad()
def mean(
    denoise: Denoise,
    schedule: NoiseSchedule,
    noise: Tensor,
    generator: torch.Generator | None = None,
    *,
    steps: int = 1,
    on_step: OnStep | None = None,
) -> Tensor:
    """ONE evaluation at t = T - 1: ``denoise(noise, T - 1)``, an estimate of E[x0 | context], not a sample.

    The least-squares x0 is E[x0 | x_t, context]. With zero terminal signal-to-noise x_t tells nothing, and this is
    the posterior mean itself, whatever the noise; with another schedule a trace of the noise stays in it.
    *generator* is not used. ``ValueError`` when *steps* is not 1.
    """
    if steps != 1:
        raise ValueError(f"the mean sampler takes 1 step, not {steps}")
    return counted(denoise, 1, on_step)(noise, schedule.timesteps - 1)


def ddpm_step(schedule: NoiseSchedule, x: Tensor, x0: Tensor, t: int, s: int, noise: Tensor) -> Tensor:
    """Draw x_s from q(x_s | x_t = x, x0) with standard normal *noise*; no noise is left at s = -1.

    Ho et al. 2020, eq. 6 and 7; thesis listing A.7, ``p_sample``.
    """
    weight_x0, weight_xt, variance = schedule.posterior_coefficients(t, s)
    return weight_x0 * x0 + weight_xt * x + math.sqrt(variance) * noise


@torch.no_grad()
def ddpm(
    denoise: Denoise,
    schedule: NoiseSchedule,
    noise: Tensor,
    generator: torch.Generator | None = None,
    *,
    steps: int | None = None,
    clip: bool = True,
    on_step: OnStep | None = None,
) -> Tensor:
    """Ancestral sampling (Ho et al. 2020, algorithm 2; thesis listing A.7), over all timesteps or *steps* of them.

    Parameters
    ----------
    denoise, schedule
        The network (prediction of x0) and the process that it was trained on.
    noise
        Standard normal start, (B, C, X, Y, Z) or any shape; its dtype and device are the result's.
    generator
        Source of the noise of every step.
    steps
        1..T network evaluations; ``None`` means T.
    clip
        Cut every predicted x0 to [-1, 1], as the listing does.
    on_step
        ``(done, total)`` before every evaluation.

    Returns
    -------
    Tensor
        One sample for each member of the batch, about [-1, 1].

    Raises
    ------
    ValueError
        When *steps* is out of range or the network answers with another shape.
    """
    plan = transitions(schedule, steps)
    evaluate = counted(denoise, len(plan), on_step)
    x = noise
    for t, s in plan:
        x0 = clipped(evaluate(x, t), clip)
        x = ddpm_step(schedule, x, x0, t, s, draw_like(x, generator)) if s >= 0 else x0
    return x


def ddim_step(
    schedule: NoiseSchedule, x: Tensor, x0: Tensor, t: int, s: int, eta: float = 0.0, noise: Tensor | float = 0.0
) -> Tensor:
    """``alpha_s x0 + sqrt(sigma_s^2 - d^2) eps + d noise``, d = eta * SD of q(x_s | x_t, x0).

    Song et al. 2021, eq. 12. eps is what x0 leaves of x_t, so that a clipped x0 and its eps belong together; at zero
    signal-to-noise it is x_t.
    eta = 1 has the mean and the variance of :func:`ddpm_step`.
    """
    deviation = eta * math.sqrt(schedule.posterior_coefficients(t, s)[2])
    eps = schedule.eps_from_x0(x, t, x0)
    left = math.sqrt(max(schedule.sigma(s) ** 2 - deviation**2, 0.0))
    return schedule.alpha(s) * x0 + left * eps + deviation * noise


@torch.no_grad()
def ddim(
    denoise: Denoise,
    schedule: NoiseSchedule,
    noise: Tensor,
    generator: torch.Generator | None = None,
    *,
    steps: int,
    eta: float = 0.0,
    clip: bool = False,
    spacing: Spacing = "snr",
    on_step: OnStep | None = None,
) -> Tensor:
    """DDIM (Song et al. 2021) in *steps* evaluations; *eta* 0 is deterministic, 1 as noisy as :func:`ddpm`.

    *spacing* is explained at :func:`transitions`. The other parameters, the result and the errors are those of
    :func:`ddpm`; also ``ValueError`` for *eta* outside [0, 1].
    """
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"eta must lie between 0 and 1, not {eta}")
    plan = transitions(schedule, steps, spacing)
    evaluate = counted(denoise, len(plan), on_step)
    x = noise
    for t, s in plan:
        x0 = clipped(evaluate(x, t), clip)
        fresh = draw_like(x, generator) if eta > 0.0 and s >= 0 else 0.0
        x = ddim_step(schedule, x, x0, t, s, eta, fresh)
    return x


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


@torch.no_grad()
def dpmpp_2m(
    denoise: Denoise,
    schedule: NoiseSchedule,
    noise: Tensor,
    generator: torch.Generator | None = None,
    *,
    steps: int,
    spacing: Spacing = "snr",
    on_step: OnStep | None = None,
) -> Tensor:
    """DPM-Solver++(2M) (Lu et al. 2022) in *steps* evaluations: deterministic, good from 10 to 20 steps.

    With a zero-terminal-SNR schedule the first step is the exact first-order (DDIM) step from alpha = 0, which
    needs no logarithm; the second is of first order too, as there is no finite lambda to take a slope from; the
    second order starts with the third. (Others put a tiny alpha there instead.) *spacing* is explained at
    :func:`transitions`; *generator* is not used. The other parameters, the result and the errors are those of
    :func:`ddpm`; nothing is clipped.
    """
    plan = transitions(schedule, steps, spacing)
    evaluate = counted(denoise, len(plan), on_step)
    x, before = noise, None
    for t, s in plan:
        x0 = evaluate(x, t)
        x = dpmpp_2m_step(schedule, x, x0, t, s, before)
        before = (x0, t)
    return x
