"""What samplers share: which timesteps they visit, how they call the network, draw noise and take an ancestral step.

PyTorch and NumPy are imported where they are used, because the names and default steps of the samplers are read in
processes without PyTorch (see :mod:`.registry`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, Union

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .noise_schedule import NoiseSchedule


class NoiseSource(Protocol):
    """Draws the noise of a sampler where that is not Gaussian; its variance over all draws is 1."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """The next noise, float32 of *shape*."""


Noise = Union["torch.Generator", NoiseSource, None]
"""Where a sampler's noise comes from: a generator of Gaussian noise (None for PyTorch's own), or another source."""

Denoise = Callable[["Tensor", int], "Tensor"]
"""``(x_t, t) -> x0``: the predicted clean picture, in [-1, 1], of the same shape as x_t."""

Spacing = Literal["time", "snr"]
"""Few steps are spread evenly over timesteps, or over the logarithm of the signal-to-noise ratio."""

OnStep = Callable[[int, int], None]
"""``(done, total)`` network evaluations, called before each one; an exception that it raises ends the run."""


def spaced_timesteps(timesteps: int, steps: int | None = None) -> list[int]:
    """Timesteps spread evenly over 0..timesteps-1, falling, always starting at the noisiest.

    The "trailing" spacing of Lin et al. 2023, table 2: any other start would hand the network pure noise and tell it
    that there is a picture in it.

    Parameters
    ----------
    timesteps
        Length T of the schedule.
    steps
        How many, 1..T; ``None`` for all.

    Raises
    ------
    ValueError
        When *steps* is out of range.

    Examples
    --------
    >>> spaced_timesteps(1000, 4)
    [999, 749, 499, 249]
    """
    steps = timesteps if steps is None else steps
    if not 1 <= steps <= timesteps:
        raise ValueError(f"the number of steps must lie between 1 and {timesteps}, not {steps}")
    return [(2 * timesteps * k + steps) // (2 * steps) - 1 for k in range(steps, 0, -1)]


def snr_timesteps(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Timesteps, falling: T - 1, then evenly in lambda = log(alpha / sigma) from -4 down to timestep 0.

    Lu et al. 2022, section 6.1, space by lambda. It matters for FA, whose standard deviation is only about 0.2 on
    the network's scale: evenly spaced timesteps leave much of their noise to the last step, which replaces it by
    its mean (12 steps of DPM-Solver++ on the linear schedule then keep 57 % of that standard deviation; these keep
    102 %). Below lambda -4 the signal is under 2 % and no step is worth its cost.

    Parameters
    ----------
    schedule
        The process, of T timesteps.
    steps
        How many, 1..T.

    Raises
    ------
    ValueError
        When *steps* is out of range.

    Examples
    --------
    >>> from FAAnomalyLib.diffusion.noise_schedule import cosine_schedule
    >>> snr_timesteps(cosine_schedule(), 4)
    [999, 769, 75, 0]
    """
    import numpy as np

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
    """The pairs (t, s) of one way down, from T - 1 over the spaced timesteps to -1, the clean picture.

    Parameters
    ----------
    schedule
        The process, of T timesteps.
    steps
        How many, 1..T; ``None`` for all T.
    spacing
        ``time`` for :func:`spaced_timesteps`, ``snr`` for :func:`snr_timesteps`.

    Raises
    ------
    ValueError
        When *steps* is out of range or *spacing* is unknown.

    Examples
    --------
    >>> from FAAnomalyLib.diffusion.noise_schedule import linear_schedule
    >>> transitions(linear_schedule(), 4)
    [(999, 749), (749, 499), (499, 249), (249, -1)]
    """
    if spacing not in ("time", "snr"):
        raise ValueError(f"spacing must be 'time' or 'snr', not {spacing!r}")
    if spacing == "snr" and steps is not None:
        stops = snr_timesteps(schedule, steps)
    else:
        stops = spaced_timesteps(schedule.timesteps, steps)
    return list(zip(stops, [*stops[1:], -1], strict=True))


def counted(denoise: Denoise, total: int, on_step: OnStep | None) -> Denoise:
    """*denoise* without gradients, with ``on_step(done, total)`` before every call, its answer cast to x_t's dtype.

    The callable raises ``ValueError`` when the answer has another shape, which would otherwise broadcast unseen.
    """
    import torch

    done = 0

    def evaluate(x: Tensor, t: int) -> Tensor:
        nonlocal done
        if on_step is not None:
            on_step(done, total)
        with torch.no_grad():
            prediction = denoise(x, t)
        if prediction.shape != x.shape:
            raise ValueError(f"the network answered {tuple(prediction.shape)} to {tuple(x.shape)}")
        done += 1
        return prediction.to(x.dtype)

    return evaluate


def draw_like(x: Tensor, generator: Noise) -> Tensor:
    """Noise of x's shape and dtype on x's device: standard normal from a generator, or another source's.

    Gaussian noise is drawn where *generator* lives: a CPU generator gives the same picture on every device.
    """
    import torch

    if generator is not None and not isinstance(generator, torch.Generator):
        return generator.draw(tuple(x.shape)).to(dtype=x.dtype, device=x.device)
    place = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, device=place, dtype=x.dtype).to(x.device)


def clipped(x0: Tensor, clip: bool) -> Tensor:
    """*x0* cut to [-1, 1] where *clip* is true, else *x0* itself."""
    return x0.clamp(-1.0, 1.0) if clip else x0


def ddpm_step(schedule: NoiseSchedule, x: Tensor, x0: Tensor, t: int, s: int, noise: Tensor) -> Tensor:
    """Draw x_s from q(x_s | x_t = x, x0) with standard normal *noise*; no noise is left at s = -1.

    Ho et al. 2020, eq. 6 and 7; thesis listing A.7, ``p_sample``.
    """
    weight_x0, weight_xt, variance = schedule.posterior_coefficients(t, s)
    return weight_x0 * x0 + weight_xt * x + math.sqrt(variance) * noise
