"""Comparator: denoising auto-encoder with coarse noise (Kascenas et al. 2022).

A U-Net learns to remove Gaussian noise of SD 0.2 that is drawn on 16 x 16 pixels, enlarged bilinearly and shifted at
random, within the brain (their section 2.1). At test a slice goes through once, without noise: what it takes for noise
is the anomaly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ...networks.comparators.unet2d import UNet2D
from ..slicewise.slice_diffusion import descend
from ..slicewise.slice_method import Judged, SliceMethod, SliceRecipe, Training, register_slice_method


@dataclass(frozen=True)
class DaeRecipe(SliceRecipe):
    """Settings.

    Attributes
    ----------
    widths, blocks
        Of the U-Net.
    average
        Decay of the moving average of the weights; 0 in the paper.
    resolution
        Edge in pixels of the grid that the noise is drawn on.
    deviation
        SD of the noise there, FA. Between the pixels of that grid bilinear interpolation leaves 4/9 of the variance.
    """

    widths: tuple[int, ...]
    blocks: int
    average: float = 0.0
    resolution: int = 16
    deviation: float = 0.2


def coarse_noise(brain: Tensor, recipe: DaeRecipe, generator: torch.Generator) -> Tensor:
    """Noise in FA, float32 of the shape of *brain*, bool (B, 1, X, Y); 0 outside it.

    Drawn on ``resolution`` squared pixels, enlarged bilinearly (corner to corner) and shifted cyclically.
    """
    coarse = torch.randn((len(brain), 1, recipe.resolution, recipe.resolution), generator=generator)
    fine = functional.interpolate(
        coarse * recipe.deviation, size=brain.shape[2:], mode="bilinear", align_corners=True
    ).to(brain.device)
    shifts = [int(torch.randint(size, (), generator=generator)) for size in brain.shape[2:]]
    return torch.where(brain, fine.roll(shifts, (2, 3)), 0.0)


def train(network: UNet2D, training: Training[DaeRecipe]) -> None:
    """Mean squared error of the clean slice from the noisy one."""

    def loss(pictures: Tensor, brain: Tensor) -> Tensor:
        # Pictures are 2 FA - 1.
        noisy = pictures + 2.0 * coarse_noise(brain, training.recipe, training.generator)
        return ((restored(network, noisy) - pictures) ** 2).mean()

    descend(network, training, training.recipe.average, loss, "denoising auto-encoder")


def restored(network: UNet2D, pictures: Tensor) -> Tensor:
    """The slice without what the network takes for noise; its timestep is 0 throughout."""
    return pictures - network(pictures, torch.zeros(len(pictures), dtype=torch.int64, device=pictures.device))


def judge(network: UNet2D, recipe: DaeRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator) -> Judged:
    """One evaluation without noise."""
    return Judged(restored(network, pictures))


DAE = SliceMethod(
    "DAE",
    64,
    "denoising auto-encoder with coarse noise (Kascenas et al. 2022)",
    {
        "paper": DaeRecipe(67_200, 16, 1e-4, (64, 128, 256, 512), 1),
        "tiny": DaeRecipe(200, 8, 1e-3, (16, 32, 32), 1),
    },
    lambda recipe, shape: UNet2D(1, 1, recipe.widths, recipe.blocks),
    train,
    judge,
    lambda recipe: 1,
    remarks=("SD 0.2 is in FA; the paper's is of MR intensities scaled to the 99th percentile",),
)
register_slice_method(DAE)
