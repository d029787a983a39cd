"""Ancestral sampling, the DDPM's own (Ho et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import stepping
from ..registry import Sampler, register
from ..stepping import Denoise, Noise, OnStep
from .repaint import replacement

if TYPE_CHECKING:
    from torch import Tensor

    from ..noise_schedule import NoiseSchedule


def ddpm(
    denoise: Denoise,
    schedule: NoiseSchedule,
    noise: Tensor,
    generator: Noise = None,
    *,
    steps: int | None = None,
    clip: bool = True,
    on_step: OnStep | None = None,
) -> Tensor:
    """Ancestral sampling (Ho et al. 2020, algorithm 2; thesis listing A.7), over all timesteps or *steps* of them.

    Parameters
    ----------
    denoise
        The network's prediction of x0, ``(x_t, t) -> x0``.
    schedule
        The process that the network was trained on, of T timesteps.
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
    path = stepping.transitions(schedule, steps)
    evaluate = stepping.counted(denoise, len(path), on_step)
    x = noise
    for t, s in path:
        x0 = stepping.clipped(evaluate(x, t), clip)
        x = stepping.ddpm_step(schedule, x, x0, t, s, stepping.draw_like(x, generator)) if s >= 0 else x0
    return x


register(Sampler("ddpm", ddpm, default_steps=1000, pasting=replacement))
