"""Comparator: f-AnoGAN, a generator of healthy slices and an encoder into its codes (Schlegl et al. 2019).

First generator and critic are trained as a Wasserstein GAN with gradient penalty (Gulrajani et al. 2017), then, with
both fixed, the encoder by the loss izi_f: slice and critic features of the reconstruction are those of the input.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...networks.comparators.autoencoder2d import SliceCritic, SliceDecoder, SliceEncoder
from ..slicewise.losses import gradient_penalty, izi_f_loss
from ..slicewise.slice_method import Judged, SliceMethod, SliceRecipe, Training, register_slice_method


@dataclass(frozen=True)
class FAnoGanRecipe(SliceRecipe):
    """Settings: *steps* are the generator's.

    Attributes
    ----------
    encoder_steps
        Steps of the encoder.
    widths, code
        Channels of the levels, length of the code.
    critic_steps
        Of the critic, for one of the generator.
    penalty
        Weight of the gradient penalty.
    kappa
        Weight of the critic's features in izi_f.
    """

    encoder_steps: int
    widths: tuple[int, ...]
    code: int
    critic_steps: int = 5
    penalty: float = 10.0
    kappa: float = 1.0


class FAnoGan(nn.Module):
    """Generator, critic and encoder."""

    def __init__(self, recipe: FAnoGanRecipe, shape: tuple[int, int]) -> None:
        super().__init__()
        self.generator = SliceDecoder(shape, recipe.widths, recipe.code)
        self.critic = SliceCritic(shape, recipe.widths)
        self.encoder = SliceEncoder(shape, recipe.widths, recipe.code)


def critic_loss(networks: FAnoGan, x: Tensor, made: Tensor, share: Tensor, penalty: float) -> Tensor:
    """E D(made) - E D(x) + penalty * gradient penalty (Gulrajani et al. 2017, eq. 3); *made* is detached."""
    of_made, of_real = networks.critic(made.detach()), networks.critic(x)
    return of_made.mean() - of_real.mean() + penalty * gradient_penalty(networks.critic, x, made, share)


def train(networks: FAnoGan, training: Training[FAnoGanRecipe]) -> None:
    """The two stages, one after the other."""
    train_gan(networks, training)
    networks.generator.requires_grad_(False)
    networks.critic.requires_grad_(False)
    train_encoder(networks, training)


def train_gan(networks: FAnoGan, training: Training[FAnoGanRecipe]) -> None:
    """Wasserstein GAN with gradient penalty: several steps of the critic, one of the generator."""
    recipe = training.recipe
    critic = torch.optim.Adam(networks.critic.parameters(), recipe.learning_rate, betas=(0.0, 0.9))
    generator = torch.optim.Adam(networks.generator.parameters(), recipe.learning_rate, betas=(0.0, 0.9))
    for step, (x, _) in enumerate(training.batches("GAN", recipe.steps * recipe.critic_steps), 1):
        with torch.no_grad():
            made = networks.generator(training.normal(len(x), recipe.code))
        share = torch.rand((len(x), 1, 1, 1), generator=training.generator).to(x.device)
        critic.zero_grad()
        critic_loss(networks, x, made, share, recipe.penalty).backward()
        critic.step()
        if step % recipe.critic_steps == 0:
            generator.zero_grad()
            (-networks.critic(networks.generator(training.normal(len(x), recipe.code))).mean()).backward()
            generator.step()


def train_encoder(networks: FAnoGan, training: Training[FAnoGanRecipe]) -> None:
    """Minimise izi_f over the encoder alone."""
    recipe = training.recipe
    optimiser = torch.optim.Adam(networks.encoder.parameters(), recipe.learning_rate)
    for x, _ in training.batches("encoder", recipe.encoder_steps):
        again = networks.generator(networks.encoder(x))
        features, features_again = networks.critic.features(x), networks.critic.features(again)
        optimiser.zero_grad()
        izi_f_loss(x, again, features, features_again, recipe.kappa).mean().backward()
        optimiser.step()


def judge(
    networks: FAnoGan, recipe: FAnoGanRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator
) -> Judged:
    """G(E(x)), whose residual is the paper's map (eq. 8)."""
    return Judged(networks.generator(networks.encoder(pictures)))


F_ANOGAN = SliceMethod(
    "f-AnoGAN",
    132,
    "Wasserstein GAN with gradient penalty and encoder by izi_f, Schlegl et al. 2019",
    {
        "paper": FAnoGanRecipe(40_000, 64, 1e-4, encoder_steps=50_000, widths=(64, 128, 256, 512), code=128),
        "tiny": FAnoGanRecipe(150, 16, 1e-3, encoder_steps=300, widths=(8, 16, 32), code=32),
    },
    FAnoGan,
    train,
    judge,
    evaluations=lambda recipe: 2,
)
register_slice_method(F_ANOGAN)
