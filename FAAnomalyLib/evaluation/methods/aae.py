"""Comparator: constrained adversarial autoencoder (AAE; Chen & Konukoglu 2018, after Makhzani et al. 2016).

A discriminator of codes takes the place of the VAE's divergence: it learns to tell codes from draws of the prior, and
the encoder to deceive it. The constraint asks that a reconstruction has the code of its slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...networks.comparators.autoencoder2d import CodeDiscriminator, SliceDecoder, SliceEncoder
from ..slicewise.losses import deceiving_loss, discriminator_loss
from ..slicewise.slice_method import Judged, SliceMethod, SliceRecipe, Training, register_slice_method


@dataclass(frozen=True)
class AaeRecipe(SliceRecipe):
    """Settings: channels of the levels, length of the code, width of the discriminator, weights of the losses.

    *constraint* is lambda of Chen & Konukoglu 2018; 0 is the plain AAE.
    """

    widths: tuple[int, ...]
    code: int
    discriminator: int
    adversarial: float = 1.0
    constraint: float = 1.0


class Aae(nn.Module):
    """Encoder, decoder, and discriminator of codes."""

    def __init__(self, recipe: AaeRecipe, shape: tuple[int, int]) -> None:
        super().__init__()
        self.encoder = SliceEncoder(shape, recipe.widths, recipe.code)
        self.decoder = SliceDecoder(shape, recipe.widths, recipe.code)
        self.discriminator = CodeDiscriminator(recipe.code, recipe.discriminator)


def autoencoder_loss(networks: Aae, x: Tensor, recipe: AaeRecipe) -> Tensor:
    """|x - x'|^2 + lambda |z - z'|^2 + adversarial weight * deception; z' is the code of x'.

    Sums over a slice or a code, mean over the batch (Chen & Konukoglu 2018, section 2.2).
    """
    code = networks.encoder(x)
    again = networks.decoder(code)
    loss = ((x - again) ** 2).flatten(1).sum(1).mean()
    if recipe.constraint:
        loss = loss + recipe.constraint * ((code - networks.encoder(again)) ** 2).sum(1).mean()
    return loss + recipe.adversarial * deceiving_loss(networks.discriminator(code))


def code_discriminator_loss(networks: Aae, x: Tensor, prior: Tensor) -> Tensor:
    """Loss of the discriminator, to which draws of the prior are real and codes of *x* are not."""
    return discriminator_loss(networks.discriminator(prior), networks.discriminator(networks.encoder(x).detach()))


def train(networks: Aae, training: Training[AaeRecipe]) -> None:
    """Alternate autoencoder and discriminator, one step each."""
    recipe = training.recipe
    coding = [*networks.encoder.parameters(), *networks.decoder.parameters()]
    coder = torch.optim.Adam(coding, recipe.learning_rate)
    discriminator = torch.optim.Adam(networks.discriminator.parameters(), recipe.learning_rate, betas=(0.5, 0.999))
    for x, _ in training.batches("autoencoder", recipe.steps):
        coder.zero_grad()
        autoencoder_loss(networks, x, recipe).backward()
        coder.step()
        discriminator.zero_grad()
        code_discriminator_loss(networks, x, training.normal(len(x), recipe.code)).backward()
        discriminator.step()


def judge(networks: Aae, recipe: AaeRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator) -> Judged:
    """The reconstruction."""
    return Judged(networks.decoder(networks.encoder(pictures)))


AAE = SliceMethod(
    "AAE",
    131,
    "constrained adversarial autoencoder, Chen & Konukoglu 2018, after Makhzani et al. 2016",
    {
        "paper": AaeRecipe(60_000, 64, 1e-4, widths=(32, 64, 128, 256), code=128, discriminator=512),
        "tiny": AaeRecipe(400, 16, 1e-3, widths=(8, 16, 32), code=32, discriminator=64),
    },
    Aae,
    train,
    judge,
    evaluations=lambda recipe: 1,
)
register_slice_method(AAE)
