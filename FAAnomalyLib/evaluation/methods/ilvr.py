"""Comparator: a healthy DDPM that keeps a slice's low frequencies (ILVR; Choi et al. 2021).

Sampling starts from noise; after every step the sample's low frequencies are replaced by those of the slice, noised to
the same level (their algorithm 1, eq. 8). The detail is then what a healthy brain of this coarse shape would have. The
paper is about synthesis; as a detector it is blind to a change that is wide against the filter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ...diffusion.noise_schedule import NoiseSchedule
from ...networks.comparators.unet2d import UNet2D
from ..slicewise.slice_diffusion import (
    DiffusionRecipe,
    Draw,
    ancestral,
    ancestral_path,
    noise_source,
    picture_predictor,
    schedule_of,
    train_noise_predictor,
    unet_of,
)
from ..slicewise.slice_method import Judged, SliceMethod, register_slice_method


@dataclass(frozen=True)
class IlvrRecipe(DiffusionRecipe):
    """Settings.

    Attributes
    ----------
    factor
        N of the filter: slices are made N times smaller and larger again.
    evaluations
        Steps, spread over the 1000 timesteps.
    """

    factor: int = 8
    evaluations: int = 250


def low_pass(pictures: Tensor, factor: int) -> Tensor:
    """phi_N: *pictures*, (B, 1, X, Y), bicubically made *factor* times smaller, with antialiasing, and larger again."""
    edges = pictures.shape[2:]
    small = [max(edge // factor, 1) for edge in edges]
    coarse = functional.interpolate(pictures, size=small, mode="bicubic", antialias=True)
    return functional.interpolate(coarse, size=edges, mode="bicubic")


def with_low_frequencies(
    sample: Tensor, reference: Tensor, s: int, schedule: NoiseSchedule, factor: int, draw: Draw
) -> Tensor:
    """``phi(y_s) + x_s - phi(x_s)`` (eq. 8): *sample* x_s with the low frequencies of *reference* noised to s."""
    noised = schedule.q_sample(reference, s, draw(reference))
    return sample + low_pass(noised - sample, factor)


def judge(network: UNet2D, recipe: IlvrRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator) -> Judged:
    """One sample for each slice."""
    schedule, draw = schedule_of(recipe), noise_source(recipe.noise, generator)

    def after(x: Tensor, s: int) -> Tensor:
        return with_low_frequencies(x, pictures, s, schedule, recipe.factor, draw)

    path = ancestral_path(schedule.timesteps, recipe.evaluations)
    return Judged(ancestral(picture_predictor(network, schedule), schedule, draw(pictures), path, draw, after))


ILVR = SliceMethod(
    "ILVR",
    68,
    "a DDPM conditioned on low frequencies (ILVR; Choi et al. 2021)",
    {
        "paper": IlvrRecipe(60_000, 16, 1e-4, (128, 256, 256, 384), 2),
        "tiny": IlvrRecipe(150, 8, 1e-3, (16, 32, 32), 1, average=0.95, evaluations=5),
    },
    unet_of,
    train_noise_predictor,
    judge,
    lambda recipe: recipe.evaluations,
    is_stochastic=True,
    remarks=("Filter of 8 pixels (16 mm): a wider change is kept as it is",),
)
register_slice_method(ILVR)
