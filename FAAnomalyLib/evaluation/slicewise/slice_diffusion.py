"""Diffusion models of axial slices: what pDDPM, AnoDDPM, RePaint and ILVR share.

All use the house's :class:`~FAAnomalyLib.networks.comparators.unet2d.UNet2D`, which is that of Ho et al. 2020 without
dropout: so the methods differ by what their papers propose and not by their network, and no package is needed for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ...diffusion.noise import GAUSSIAN
from ...diffusion.noise.octaves import SimplexSource
from ...diffusion.noise_schedule import NoiseSchedule
from ...diffusion.stepping import ddpm_step, spaced_timesteps
from ...networks.comparators.unet2d import UNet2D
from ...runtime.arrays import as_tensor
from .slice_method import SliceRecipe, Training

SCHEDULES: dict[str, dict[str, Any]] = {
    "linear": {"beta_start": 1e-4, "beta_end": 0.02, "zero_terminal_snr": False},
    "cosine": {"zero_terminal_snr": False},
}
"""The published schedules, by kind: Ho et al. 2020, Nichol & Dhariwal 2021."""
SEEDS = 2**31 - 1

Draw = Callable[[Tensor], Tensor]
"""``draw(x)``: noise of variance 1, of the shape and on the device of *x*."""


@dataclass(frozen=True)
class DiffusionRecipe(SliceRecipe):
    """Settings of a diffusion model.

    Attributes
    ----------
    widths, blocks
        Of the U-Net.
    schedule
        ``linear`` or ``cosine``, of 1000 timesteps.
    noise
        ``gaussian`` or ``simplex`` (6 octaves, persistence 0.8, frequency 64; Wyatt et al. 2022).
    average
        Decay of the exponential moving average of the weights that is used.
    """

    widths: tuple[int, ...]
    blocks: int
    schedule: str = "linear"
    noise: str = GAUSSIAN
    average: float = 0.9999


def schedule_of(recipe: DiffusionRecipe) -> NoiseSchedule:
    """The schedule that a recipe names."""
    return NoiseSchedule(recipe.schedule, 1000, **SCHEDULES[recipe.schedule])


def unet_of(recipe: DiffusionRecipe, shape: tuple[int, int]) -> UNet2D:
    """One channel in, one out; it takes slices of any *shape*."""
    return UNet2D(1, 1, recipe.widths, recipe.blocks)


def noise_source(noise: str, generator: torch.Generator) -> Draw:
    """Draws of noise, all from *generator*, which lives on the CPU.

    Simplex fields are 2D and every slice gets one of its own; the published codes draw one for a whole batch.
    """
    if noise == GAUSSIAN:
        return lambda x: torch.randn(x.shape, generator=generator).to(x.device)
    source = SimplexSource(int(torch.randint(SEEDS, (), generator=generator)))
    return lambda x: as_tensor(source.draw(tuple(x.shape))).to(x.device)


def descend(
    network: nn.Module,
    training: Training,
    average: float,
    loss: Callable[[Tensor, Tensor], Tensor],
    what: str,
) -> None:
    """Train with Adam; *network* has the averaged weights at the end.

    Parameters
    ----------
    network
        In training mode, on the device.
    training
        Slices and settings.
    average
        Decay of the exponential moving average.
    loss
        ``loss(pictures, brain)`` of a batch (B, 1, X, Y).
    what
        Is trained, for the lines of progress.
    """
    optimizer = torch.optim.Adam(network.parameters(), training.recipe.learning_rate)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(average))
    for pictures, brain in training.batches(what, training.recipe.steps):
        optimizer.zero_grad()
        loss(pictures, brain).backward()
        optimizer.step()
        averaged.update_parameters(network)
    network.load_state_dict(averaged.module.state_dict())


def train_noise_predictor(network: UNet2D, training: Training) -> None:
    """L_simple (Ho et al. 2020, eq. 14): the squared error of the noise that is predicted at a random timestep."""
    recipe = training.recipe
    schedule, draw = schedule_of(recipe), noise_source(recipe.noise, training.generator)

    def loss(pictures: Tensor, brain: Tensor) -> Tensor:
        t = torch.randint(schedule.timesteps, (len(pictures),), generator=training.generator)
        noise = draw(pictures)
        noisy = schedule.q_sample(pictures, t, noise)
        return ((network(noisy, t.to(pictures.device)) - noise) ** 2).mean()

    descend(network, training, recipe.average, loss, "denoiser")


def picture_predictor(network: UNet2D, schedule: NoiseSchedule) -> Callable[[Tensor, int], Tensor]:
    """``(x_t, t) -> x0`` of a network that predicts noise."""

    def denoise(x: Tensor, t: int) -> Tensor:
        return schedule.x0_from_eps(x, t, network(x, torch.full((len(x),), t, device=x.device)))

    return denoise


def ancestral_path(start: int, steps: int) -> list[tuple[int, int]]:
    """Steps (t, s) from *start* timesteps of noise to the clean picture, s = -1.

    Examples
    --------
    >>> ancestral_path(250, 2)
    [(249, 124), (124, -1)]
    """
    stops = spaced_timesteps(start, steps)
    return list(zip(stops, [*stops[1:], -1], strict=True))


def ancestral(
    denoise: Callable[[Tensor, int], Tensor],
    schedule: NoiseSchedule,
    x: Tensor,
    path: list[tuple[int, int]],
    draw: Draw,
    after: Callable[[Tensor, int], Tensor] | None = None,
) -> Tensor:
    """Walk down *path* from x by ancestral sampling (Ho et al. 2020, algorithm 2), with noise of any source.

    *after* ``(x_s, s)`` changes the sample after every step, s = -1 at the last.
    """
    for t, s in path:
        x0 = denoise(x, t).clamp(-1.0, 1.0)
        x = ddpm_step(schedule, x, x0, t, s, draw(x)) if s >= 0 else x0
        x = x if after is None else after(x, s)
    return x
