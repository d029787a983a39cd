"""Comparator: partial diffusion with simplex noise (AnoDDPM; Wyatt et al. 2022).

A slice is noised to lambda = 250 of 1000 timesteps and denoised again by a DDPM of healthy slices (their algorithm 1);
simplex noise takes the place of Gaussian noise on both ways, because it destroys large structures, which Gaussian noise
of so low a level leaves. Small and large anomalies are replaced by what is healthy; the residual shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...networks.comparators.unet2d import UNet2D
from ...result import Result
from ..slicewise.slice_diffusion import (
    DiffusionRecipe,
    ancestral,
    ancestral_path,
    noise_source,
    picture_predictor,
    schedule_of,
    train_noise_predictor,
    unet_of,
)
from ..slicewise.slice_method import Judged, SliceMethod, register_slice_method

SQUARED_ERROR = 0.5
"""The paper's threshold on the squared error of pictures in [-1, 1]."""


@dataclass(frozen=True)
class AnoDdpmRecipe(DiffusionRecipe):
    """Settings.

    Attributes
    ----------
    start
        lambda: timesteps of noise, of 1000.
    evaluations
        Steps of the way back; all of *start* in the paper.
    """

    start: int = 250
    evaluations: int = 250


def partial_diffusion(
    network: UNet2D, recipe: AnoDdpmRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator
) -> Judged:
    """Noise *pictures*, (B, 1, X, Y) in [-1, 1], to ``recipe.start`` timesteps and denoise them."""
    schedule, draw = schedule_of(recipe), noise_source(recipe.noise, generator)
    noisy = schedule.q_sample(pictures, recipe.start - 1, draw(pictures))
    path = ancestral_path(recipe.start, recipe.evaluations)
    return Judged(ancestral(picture_predictor(network, schedule), schedule, noisy, path, draw))


def squared_error_rule(result: Result, model: Path | None) -> np.ndarray:
    """Wyatt et al.'s decision, bool (X, Y, Z): squared error above 0.5 on the [-1, 1] scale, |difference| > 0.354."""
    return (2.0 * result.difference.data) ** 2 > SQUARED_ERROR


RECIPES = {
    "paper": AnoDdpmRecipe(60_000, 8, 1e-4, (128, 128, 256, 384, 512), 2, noise="simplex"),
    "tiny": AnoDdpmRecipe(150, 8, 1e-3, (16, 32, 32), 1, noise="simplex", average=0.95, evaluations=5),
}
ANODDPM = SliceMethod(
    "AnoDDPM",
    62,
    "AnoDDPM, partial diffusion with simplex noise (Wyatt et al. 2022)",
    RECIPES,
    unet_of,
    train_noise_predictor,
    partial_diffusion,
    lambda recipe: recipe.evaluations,
    is_stochastic=True,
    remarks=("Simplex noise is scaled to variance 1, which the published code does not do",),
    paper_rule=squared_error_rule,
)
register_slice_method(ANODDPM)
