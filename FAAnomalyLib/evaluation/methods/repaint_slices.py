"""Comparator: holes in slices filled by an unconditional DDPM (RePaint; Lugmayr et al. 2022).

Squares of 10 pixels (20 mm) in four colours of a lattice cover a slice; those of one colour are filled in one run of
:func:`~FAAnomalyLib.diffusion.samplers.repaint.repaint` (their algorithm 1), with the rest of the slice as context.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...diffusion.samplers.repaint import repaint, repaint_walk
from ...networks.comparators.unet2d import UNet2D
from ..slicewise.slice_diffusion import (
    DiffusionRecipe,
    picture_predictor,
    schedule_of,
    train_noise_predictor,
    unet_of,
)
from ..slicewise.slice_method import Judged, SliceMethod, register_slice_method

HOLE = 10
"""Edge of a hole in pixels of 2 mm."""
COLOURS = 4


@dataclass(frozen=True)
class RepaintRecipe(DiffusionRecipe):
    """Settings of the sampler: the paper's levels, jump length and resamples are 250, 10, 10."""

    levels: int = 250
    jump_length: int = 10
    resamples: int = 10


def lattice_holes(shape: tuple[int, int], edge: int = HOLE) -> Tensor:
    """The four colours of a lattice of squares, bool (4, X, Y): every pixel is in one of them.

    Squares of one colour are *edge* pixels apart.

    Examples
    --------
    >>> lattice_holes((2, 4), 1).int().argmax(0).tolist()
    [[0, 1, 0, 1], [2, 3, 2, 3]]
    """
    x, y = (torch.arange(size) // edge % 2 for size in shape)
    colour = 2 * x[:, None] + y[None, :]
    return torch.stack([colour == number for number in range(COLOURS)])


def judge(
    network: UNet2D, recipe: RepaintRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator
) -> Judged:
    """Every pixel as it was filled in the run that hid it."""
    schedule = schedule_of(recipe)
    denoise, expected = picture_predictor(network, schedule), torch.zeros_like(pictures)
    for hole in lattice_holes((pictures.shape[2], pictures.shape[3])).to(pictures.device):
        filled = repaint(
            denoise,
            schedule,
            torch.randn(pictures.shape, generator=generator).to(pictures.device),
            generator,
            known=pictures,
            hole=hole.expand_as(pictures),
            steps=recipe.levels,
            jump_length=recipe.jump_length,
            resamples=recipe.resamples,
        )
        expected = torch.where(hole, filled, expected)
    return Judged(expected)


def evaluations(recipe: RepaintRecipe) -> int:
    """Of one slice: the moves down, once for each colour."""
    walk = repaint_walk(recipe.levels, recipe.jump_length, recipe.resamples)
    return COLOURS * sum(to < start for start, to in walk)


REPAINT = SliceMethod(
    "RePaint",
    66,
    "inpainting with an unconditional DDPM and jumps back (RePaint; Lugmayr et al. 2022)",
    {
        "paper": RepaintRecipe(60_000, 16, 1e-4, (128, 256, 256, 384), 2),
        "tiny": RepaintRecipe(150, 8, 1e-3, (16, 32, 32), 1, average=0.95, levels=4, jump_length=2, resamples=2),
    },
    unet_of,
    train_noise_predictor,
    judge,
    evaluations,
    is_stochastic=True,
    remarks=("Holes of 20 mm in four interleaved runs",),
)
register_slice_method(REPAINT)
