"""Comparator: a diffusion model of whole slices that inpaints at inference alone, with simplex or Gaussian noise.

The thesis compares it with pDDPM on T2 images (tables 3.10 and 3.11): the same network and training as pDDPM, but noise
is added to the whole slice. At test each patch of pDDPM's grid is a hole: it starts as noise and is sampled over all
timesteps, with the rest of the slice pasted at the noise level of every step. The thesis prints neither its sampler nor
its steps; those of its listing A.20 are taken, in the order in which pasting comes before the network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...networks.comparators.unet2d import UNet2D
from ..slicewise.slice_diffusion import (
    DiffusionRecipe,
    ancestral,
    ancestral_path,
    descend,
    noise_source,
    schedule_of,
    unet_of,
)
from ..slicewise.slice_method import Judged, SliceMethod, Training, register_slice_method
from .pddpm import PER_AXIS, grid_patches


@dataclass(frozen=True)
class InferenceInpaintingRecipe(DiffusionRecipe):
    """Settings; *levels* of the 1000 timesteps are sampled."""

    levels: int = 1000


def train(network: UNet2D, training: Training[InferenceInpaintingRecipe]) -> None:
    """L1 error of x0 over whole slices, at a random timestep."""
    recipe, generator = training.recipe, training.generator
    schedule, draw = schedule_of(recipe), noise_source(recipe.noise, generator)

    def loss(pictures: Tensor, brain: Tensor) -> Tensor:
        t = torch.randint(schedule.timesteps, (len(pictures),), generator=generator)
        noisy = schedule.q_sample(pictures, t, draw(pictures))
        return (network(noisy, t.to(pictures.device)) - pictures).abs().mean()

    descend(network, training, recipe.average, loss, "denoiser of whole slices")


@torch.inference_mode()
def judge(
    network: UNet2D, recipe: InferenceInpaintingRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator
) -> Judged:
    """Every patch as it was sampled with the rest of the slice known."""
    schedule, draw = schedule_of(recipe), noise_source(recipe.noise, generator)
    path, expected = ancestral_path(schedule.timesteps, recipe.levels), torch.zeros_like(pictures)

    def denoise(x: Tensor, t: int) -> Tensor:
        return network(x, torch.full((len(x),), t, device=x.device))

    for mask in grid_patches((pictures.shape[2], pictures.shape[3])):
        patch = mask.to(pictures.device)

        def paste(x: Tensor, s: int, patch: Tensor = patch) -> Tensor:
            known = schedule.q_sample(pictures, s, draw(pictures)) if s >= 0 else pictures
            return torch.where(patch, x, known)

        start = paste(draw(pictures), path[0][0])
        expected = torch.where(patch, ancestral(denoise, schedule, start, path, draw, paste), expected)
    return Judged(expected)


PAPER = InferenceInpaintingRecipe(100_000, 32, 1e-4, (128, 256, 256), 2, "cosine", "simplex")
TINY = InferenceInpaintingRecipe(150, 8, 1e-3, (16, 32, 32), 1, "cosine", "simplex", 0.95, levels=3)


def _method(name: str, position: int, noise: str) -> SliceMethod[InferenceInpaintingRecipe]:
    method = SliceMethod(
        name,
        position,
        "a diffusion model that inpaints at inference alone (the thesis' tables 3.10 and 3.11)",
        {"paper": replace(PAPER, noise=noise), "tiny": replace(TINY, noise=noise)},
        unet_of,
        train,
        judge,
        lambda recipe: PER_AXIS**2 * recipe.levels,
        is_stochastic=True,
        remarks=(f"{noise.capitalize()} noise of variance 1; holes are the patches of pDDPM's grid",),
    )
    register_slice_method(method)
    return method


SIMPLEX = _method("inpainting simplex", 67, "simplex")
GAUSSIAN = _method("inpainting Gaussian", 67, "gaussian")
