"""Comparator: variational autoencoder of slices (VAE; Chen & Konukoglu 2018, after Kingma & Welling 2014)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...networks.comparators.autoencoder2d import SliceDecoder, SliceEncoder
from ..slicewise.losses import kl_to_standard_normal, reparametrised
from ..slicewise.slice_method import Judged, SliceMethod, SliceRecipe, Training, register_slice_method


@dataclass(frozen=True)
class VaeRecipe(SliceRecipe):
    """Settings: channels of the levels, and length of the code."""

    widths: tuple[int, ...]
    code: int


class Vae(nn.Module):
    """Encoder to mean and log variance of the code, and decoder."""

    def __init__(self, recipe: VaeRecipe, shape: tuple[int, int]) -> None:
        super().__init__()
        self.encoder = SliceEncoder(shape, recipe.widths, 2 * recipe.code)
        self.decoder = SliceDecoder(shape, recipe.widths, recipe.code)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each (B, code)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance


def vae_loss(x: Tensor, again: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """|x - x'|^2 + KL, sums over a slice, mean over the batch (Chen & Konukoglu 2018, section 2)."""
    return (((x - again) ** 2).flatten(1).sum(1) + kl_to_standard_normal(mean, log_variance)).mean()


def train(networks: Vae, training: Training[VaeRecipe]) -> None:
    """Minimise :func:`vae_loss`."""
    optimiser = torch.optim.Adam(networks.parameters(), training.recipe.learning_rate)
    for x, _ in training.batches("autoencoder", training.recipe.steps):
        mean, log_variance = networks.encode(x)
        again = networks.decoder(reparametrised(mean, log_variance, training.normal_like(mean)))
        optimiser.zero_grad()
        vae_loss(x, again, mean, log_variance).backward()
        optimiser.step()


def judge(networks: Vae, recipe: VaeRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator) -> Judged:
    """The decoded mean of the code; nothing is drawn."""
    return Judged(networks.decoder(networks.encode(pictures)[0]))


VAE = SliceMethod(
    "VAE",
    130,
    "variational autoencoder, Chen & Konukoglu 2018, after Kingma & Welling 2014",
    {
        "paper": VaeRecipe(60_000, 64, 1e-4, widths=(32, 64, 128, 256), code=128),
        "tiny": VaeRecipe(400, 16, 1e-3, widths=(8, 16, 32), code=32),
    },
    Vae,
    train,
    judge,
    evaluations=lambda recipe: 1,
)
register_slice_method(VAE)
