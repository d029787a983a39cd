"""Comparator: AnoVAEGAN, a variational autoencoder with a spatial code whose decoder is a generator (Baur et al. 2018).

The code keeps its place: mean and log variance are maps, not vectors, so that the reconstruction keeps fine detail. A
discriminator tells slices from reconstructions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...networks.comparators.autoencoder2d import DownLevels, SliceCritic, UpLevels
from ..slicewise.losses import deceiving_loss, discriminator_loss, kl_to_standard_normal, reparametrised
from ..slicewise.slice_method import Judged, SliceMethod, SliceRecipe, Training, register_slice_method


@dataclass(frozen=True)
class AnoVaeGanRecipe(SliceRecipe):
    """Settings: channels of the levels and of the spatial code, weights of divergence and deception."""

    widths: tuple[int, ...]
    code: int
    divergence: float = 1.0
    adversarial: float = 1.0


class AnoVaeGan(nn.Module):
    """Convolutional encoder and decoder without a dense layer, and discriminator of slices."""

    def __init__(self, recipe: AnoVaeGanRecipe, shape: tuple[int, int]) -> None:
        super().__init__()
        last = recipe.widths[-1]
        self.encoder = nn.Sequential(DownLevels(1, recipe.widths), nn.Conv2d(last, 2 * recipe.code, 1))
        self.decoder = nn.Sequential(nn.Conv2d(recipe.code, last, 1), UpLevels(1, recipe.widths))
        self.discriminator = SliceCritic(shape, recipe.widths)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each (B, code, X / 2^n, Y / 2^n)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance


def generator_loss(networks: AnoVaeGan, x: Tensor, noise: Tensor, recipe: AnoVaeGanRecipe) -> tuple[Tensor, Tensor]:
    """|x - x'|_1 + KL + deception of the discriminator, and x' (Baur et al. 2018, eq. 3 and section 2.2).

    Sums over a slice, mean over the batch.
    """
    mean, log_variance = networks.encode(x)
    again = networks.decoder(reparametrised(mean, log_variance, noise))
    loss = (x - again).abs().flatten(1).sum(1).mean()
    loss = loss + recipe.divergence * kl_to_standard_normal(mean, log_variance).mean()
    return loss + recipe.adversarial * deceiving_loss(networks.discriminator(again)), again


def train(networks: AnoVaeGan, training: Training[AnoVaeGanRecipe]) -> None:
    """Alternate generator (the autoencoder) and discriminator, one step each."""
    recipe = training.recipe
    coding = [*networks.encoder.parameters(), *networks.decoder.parameters()]
    coder = torch.optim.Adam(coding, recipe.learning_rate)
    discriminator = torch.optim.Adam(networks.discriminator.parameters(), recipe.learning_rate, betas=(0.5, 0.999))
    levels = len(recipe.widths)
    for x, _ in training.batches("autoencoder", recipe.steps):
        noise = training.normal(len(x), recipe.code, x.shape[2] >> levels, x.shape[3] >> levels)
        coder.zero_grad()
        loss, again = generator_loss(networks, x, noise, recipe)
        loss.backward()
        coder.step()
        discriminator.zero_grad()
        discriminator_loss(networks.discriminator(x), networks.discriminator(again.detach())).backward()
        discriminator.step()


def judge(
    networks: AnoVaeGan, recipe: AnoVaeGanRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator
) -> Judged:
    """The decoded mean of the code; nothing is drawn."""
    return Judged(networks.decoder(networks.encode(pictures)[0]))


ANOVAEGAN = SliceMethod(
    "AnoVAEGAN",
    133,
    "variational autoencoder with a spatial code and a discriminator, Baur et al. 2018",
    {
        "paper": AnoVaeGanRecipe(60_000, 32, 1e-4, widths=(32, 64, 128, 256), code=64),
        "tiny": AnoVaeGanRecipe(400, 16, 1e-3, widths=(8, 16, 32), code=16),
    },
    AnoVaeGan,
    train,
    judge,
    evaluations=lambda recipe: 1,
)
register_slice_method(ANOVAEGAN)
