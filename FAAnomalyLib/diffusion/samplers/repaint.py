"""RePaint: inpainting with a network that is not told of holes, by pasting what is known into every step's sample.

*hole* is true where a voxel is generated and false where it is known; *known* holds the picture, in [-1, 1], and
its values inside the hole are never read. RePaint is written from the paper (Lugmayr et al. 2022), not from its code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import stepping
from ..registry import Sampler, register
from ..stepping import Denoise, Noise, OnStep

if TYPE_CHECKING:
    from torch import Tensor

    from ..noise_schedule import NoiseSchedule


def paste(schedule: NoiseSchedule, x: Tensor, known: Tensor, hole: Tensor, t: int, noise: Tensor) -> Tensor:
    """*x* inside the hole, the known picture noised to t outside it; at t = -1 the known picture itself.

    ``hole x + (1 - hole) (alpha_t known + sigma_t noise)``: Lugmayr et al. 2022, eq. 8a and 8c. The noise has weight
    sigma = sqrt(1 - alpha bar) as in eq. 8a; line 5 of the paper's algorithm 1 prints the variance in its place.
    """
    return x.where(hole.bool(), schedule.q_sample(known, t, noise))


def renoise(schedule: NoiseSchedule, x: Tensor, s: int, t: int, noise: Tensor) -> Tensor:
    """Draw x_t from q(x_t | x_s = x): one forward jump, as likely as its single steps one after another."""
    weight, deviation = schedule.forward_coefficients(s, t)
    return weight * x + deviation * noise


def repaint_walk(steps: int, jump_length: int = 10, resamples: int = 10) -> list[tuple[int, int]]:
    """The moves (from, to) between noise levels *steps* (all noise) and 0 (clean); a move upwards adds noise.

    The levels from 1 upwards are cut into blocks of *jump_length*; every block is walked down *resamples* times,
    with one jump back to its top between. What is left above the last whole block, and the move from 1 to 0, are
    done once: a finished picture is never noised again (Lugmayr et al. 2022, algorithm 1 "if t > 1", and the jumps
    of their section 4.2 and appendix). Blocks shorten to fit few steps. 250 steps, 10, 10 make 2410 moves down.
    ``ValueError`` for a number below 1.
    """
    if min(steps, jump_length, resamples) < 1:
        raise ValueError("steps, jump_length and resamples must be at least 1")
    jump_length = min(jump_length, max(steps - 1, 1))
    blocks = (steps - 1) // jump_length
    level = 1 + blocks * jump_length
    walk = _moves_down(steps, level)
    for _ in range(blocks):
        bottom = level - jump_length
        walk += ([*_moves_down(level, bottom), (bottom, level)] * resamples)[:-1]
        level = bottom
    return [*walk, (1, 0)]


def _moves_down(top: int, bottom: int) -> list[tuple[int, int]]:
    return [(level, level - 1) for level in range(top, bottom, -1)]


def repaint(
    denoise: Denoise,
    schedule: NoiseSchedule,
    noise: Tensor,
    generator: Noise = None,
    *,
    known: Tensor,
    hole: Tensor,
    steps: int,
    jump_length: int = 10,
    resamples: int = 10,
    clip: bool = True,
    on_step: OnStep | None = None,
) -> Tensor:
    """RePaint (Lugmayr et al. 2022, algorithm 1): paste, denoise, step, and go back to mix hole and context.

    At every level the known part, noised to that level, is pasted BEFORE the network sees the sample; the step is
    :func:`~FAAnomalyLib.diffusion.stepping.ddpm_step`. Jumps back in time (:func:`repaint_walk`) let the hole's noise,
    drawn without regard to the context, come into agreement with it. At the end the known part is exact.

    Parameters
    ----------
    denoise, schedule, noise, generator, clip, on_step
        As in :func:`~FAAnomalyLib.diffusion.samplers.ddpm.ddpm`; the network is an unconditional one. *on_step*'s
        total counts the repeats.
    known
        The picture, in [-1, 1], of noise's shape or one that broadcasts to it.
    hole
        Bool, or 0 and 1; shape as *known*. True is generated.
    steps, jump_length, resamples
        Noise levels (1..T), levels in a jump back, and times that each block is walked. The paper's are 250, 10, 10.

    Returns
    -------
    Tensor
        Samples of noise's shape, equal to *known* outside the hole.

    Raises
    ------
    ValueError
        For numbers out of range, or a network that answers with another shape.
    """
    # Level k > 0 stands at timestep stops[k], level 0 at the clean picture.
    stops = [-1, *reversed(stepping.spaced_timesteps(schedule.timesteps, steps))]
    walk = repaint_walk(len(stops) - 1, jump_length, resamples)
    evaluate = stepping.counted(denoise, sum(to < start for start, to in walk), on_step)
    x = noise
    for start, to in walk:
        t, s = stops[start], stops[to]
        if to > start:
            x = renoise(schedule, x, t, s, stepping.draw_like(x, generator))
            continue
        x = paste(schedule, x, known, hole, t, stepping.draw_like(x, generator))
        x0 = stepping.clipped(evaluate(x, t), clip)
        x = stepping.ddpm_step(schedule, x, x0, t, s, stepping.draw_like(x, generator)) if s >= 0 else x0
    return x.where(hole.bool(), known.to(x.dtype))


def replacement(
    denoise: Denoise,
    schedule: NoiseSchedule,
    noise: Tensor,
    generator: Noise = None,
    *,
    known: Tensor,
    hole: Tensor,
    steps: int | None = None,
    clip: bool = True,
    on_step: OnStep | None = None,
) -> Tensor:
    """The replacement method: paste q(x0, t), then the network, then ``p_sample``; no jumps back.

    The thesis' method in the right order, and :func:`repaint` with ``resamples=1``; parameters, result and errors are
    the same, and *steps* ``None`` means every timestep. It is no sampler of the conditional distribution: the hole
    agrees with the context only as far as one evaluation a step allows, and more steps do not help. The known part is
    exact at the end.
    """
    return repaint(
        denoise,
        schedule,
        noise,
        generator,
        known=known,
        hole=hole,
        steps=schedule.timesteps if steps is None else steps,
        resamples=1,
        clip=clip,
        on_step=on_step,
    )


register(Sampler("repaint", repaint, default_steps=250, needs_known=True))
