"""Comparator: diffusion of VQ-VAE codes (Pinaya et al. 2022).

A VQ-VAE is trained, then an unconditional DDPM of its codes. A slice's codes are noised to several levels; where the
network's step back is far from the true one, averaged over the levels, the codes are improbable. Codes beyond a
threshold map from healthy slices that were kept out of training are inpainted by the DDPM; the residual counts where
they were.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...diffusion.noise_schedule import NoiseSchedule, linear_schedule
from ...diffusion.samplers.repaint import replacement
from ...networks.comparators.unet2d import UNet2D
from ...networks.comparators.vector_quantiser import VqVae
from ..slicewise.slice_method import Judged, SliceMethod, SliceRecipe, Training, register_slice_method

HELD_OUT_EVERY = 4
"""Of so many people one gives the threshold map instead of being learned from."""


@dataclass(frozen=True)
class LatentRecipe(SliceRecipe):
    """Settings: *steps* and *learning_rate* are the VQ-VAE's.

    Attributes
    ----------
    diffusion_steps
        Steps of the DDPM's training.
    widths
        Channels of the VQ-VAE's levels.
    codes, size
        Number of codes and their length.
    unet
        Channels of the U-Net's levels; the codes are padded for them.
    timesteps
        Length of the schedule.
    window
        Noise levels that the divergence is averaged over, as shares of *timesteps*: 400 to 600 of 1000.
    window_steps
        How many of them are evaluated.
    percentile
        Of the healthy divergences, for the threshold map.
    inpainting_steps
        Network evaluations of the inpainting.
    """

    diffusion_steps: int
    widths: tuple[int, ...]
    codes: int
    size: int
    unet: tuple[int, ...]
    timesteps: int = 1000
    window: tuple[float, float] = (0.4, 0.6)
    window_steps: int = 20
    percentile: float = 97.5
    inpainting_steps: int = 200


class LatentDiffusion(nn.Module):
    """VQ-VAE, U-Net of the codes, and what was measured: moments of the codes and the threshold map."""

    mean: Tensor
    deviation: Tensor
    limit: Tensor

    def __init__(self, recipe: LatentRecipe, shape: tuple[int, int]) -> None:
        super().__init__()
        self.autoencoder = VqVae(recipe.widths, recipe.codes, recipe.size)
        self.unet = UNet2D(recipe.size, recipe.size, recipe.unet)
        self.schedule = linear_schedule(recipe.timesteps, 0.1 / recipe.timesteps, 20.0 / recipe.timesteps)
        self.factor = 2 ** (len(recipe.unet) - 1)
        latent = [size >> len(recipe.widths) for size in shape]
        self.register_buffer("mean", torch.zeros(1, recipe.size, 1, 1))
        self.register_buffer("deviation", torch.ones(1, recipe.size, 1, 1))
        self.register_buffer("limit", torch.full((1, 1, *latent), float("inf")))

    def encode(self, x: Tensor) -> Tensor:
        """Standardised codes (B, D, x, y) of slices (B, 1, X, Y)."""
        return (self.autoencoder.quantiser(self.autoencoder.encoder(x)).values - self.mean) / self.deviation

    def decode(self, z: Tensor) -> Tensor:
        """Slices of standardised codes, which are quantised first."""
        return self.autoencoder.decoder(self.autoencoder.quantiser(z * self.deviation + self.mean).values)

    def noise_in(self, z_t: Tensor, t: int | Tensor) -> Tensor:
        """The U-Net's noise (B, D, x, y) at one timestep or at (B,)."""
        steps = torch.as_tensor(t, device=z_t.device).expand(len(z_t))
        missing = [-size % self.factor for size in z_t.shape[2:]]
        padded = functional.pad(z_t, (0, missing[1], 0, missing[0]))
        return self.unet(padded, steps)[:, :, : z_t.shape[2], : z_t.shape[3]]

    def denoise(self, z_t: Tensor, t: int) -> Tensor:
        """The U-Net's x0."""
        return self.schedule.x0_from_eps(z_t, t, self.noise_in(z_t, t))


def step_divergence(schedule: NoiseSchedule, z: Tensor, predicted: Tensor, t: int) -> Tensor:
    """KL(q(z_{t-1} | z_t, z) | p(z_{t-1} | z_t)) of two normals of one variance, per element.

    Ho et al. 2020, eq. 8: squared distance of the means over twice the variance; the means differ by the weight of x0
    in the posterior times the error of x0.

    Parameters
    ----------
    schedule
        The DDPM's.
    z, predicted
        True and predicted x0, (B, D, x, y).
    t
        Timestep, at least 1.
    """
    weight, variance = schedule.posterior_mean_coef1[t], schedule.posterior_variance[t]
    return float(weight**2 / (2.0 * variance)) * (z - predicted) ** 2


def window_timesteps(recipe: LatentRecipe) -> list[int]:
    """The timesteps of the window, evenly spread."""
    first, last = (round(share * recipe.timesteps) for share in recipe.window)
    return [round(t) for t in torch.linspace(max(first, 1), last, recipe.window_steps).tolist()]


@torch.no_grad()
def divergence_map(networks: LatentDiffusion, recipe: LatentRecipe, z: Tensor, generator: torch.Generator) -> Tensor:
    """Divergence of codes (B, D, x, y), averaged over noise levels and the code's length: (B, 1, x, y)."""
    steps = window_timesteps(recipe)
    total = torch.zeros_like(z[:, :1])
    for t in steps:
        noise = torch.randn(z.shape, generator=generator).to(z.device)
        predicted = networks.denoise(networks.schedule.q_sample(z, t, noise), t)
        total += step_divergence(networks.schedule, z, predicted, t).mean(1, keepdim=True)
    return total / len(steps)


def train(networks: LatentDiffusion, training: Training[LatentRecipe]) -> None:
    """VQ-VAE, moments of its codes, DDPM, and the threshold map of people kept out of these."""
    learned, kept = training.slices.hold_out(HELD_OUT_EVERY)
    of_learned = Training(learned, training.recipe, training.device, training.generator, training.report)
    train_autoencoder(networks.autoencoder, of_learned)
    networks.autoencoder.eval().requires_grad_(False)
    codes = torch.cat([networks.encode(x) for x in _parts(learned.pictures, training)])
    networks.mean.copy_(codes.mean((0, 2, 3), keepdim=True))
    networks.deviation.copy_(codes.std((0, 2, 3), keepdim=True).clamp_min(1e-6))
    train_diffusion(networks, of_learned)
    networks.unet.eval()
    maps = [
        divergence_map(networks, training.recipe, networks.encode(x), training.generator)
        for x in _parts(kept.pictures, training)
    ]
    networks.limit.copy_(threshold_map(torch.cat(maps), training.recipe.percentile))


def threshold_map(healthy: Tensor, percentile: float) -> Tensor:
    """Percentile of healthy maps (N, 1, x, y) at each place: (1, 1, x, y)."""
    # Row by row, because torch.quantile takes no more than 16 million numbers.
    rows = [torch.quantile(row, percentile / 100.0, dim=0, keepdim=True) for row in healthy.unbind(2)]
    return torch.stack(rows, 2)


def train_autoencoder(autoencoder: VqVae, training: Training[LatentRecipe]) -> None:
    """Squared error and the quantiser's loss (van den Oord et al. 2017, eq. 3)."""
    optimiser = torch.optim.Adam(
        [p for p in autoencoder.parameters() if p.requires_grad], training.recipe.learning_rate
    )
    for step, (x, _) in enumerate(training.batches("VQ-VAE", training.recipe.steps)):
        if step == 0:
            autoencoder.quantiser.start_from(autoencoder.encoder(x), training.generator)
        again, quantised = autoencoder(x)
        optimiser.zero_grad()
        (functional.mse_loss(again, x) + quantised.loss).backward()
        optimiser.step()


def train_diffusion(networks: LatentDiffusion, training: Training[LatentRecipe]) -> None:
    """The simple loss of the noise (Ho et al. 2020, eq. 14) on codes."""
    recipe = training.recipe
    optimiser = torch.optim.Adam(networks.unet.parameters(), recipe.learning_rate)
    for x, _ in training.batches("DDPM of the codes", recipe.diffusion_steps):
        z = networks.encode(x)
        t = torch.randint(recipe.timesteps, (len(x),), generator=training.generator)
        noise = training.normal_like(z)
        predicted = networks.noise_in(networks.schedule.q_sample(z, t, noise), t)
        optimiser.zero_grad()
        functional.mse_loss(predicted, noise).backward()
        optimiser.step()


@torch.no_grad()
def judge(
    networks: LatentDiffusion, recipe: LatentRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator
) -> Judged:
    """Improbable codes are inpainted from the others; the residual's weight is where they lie."""
    z = networks.encode(pictures)
    improbable = divergence_map(networks, recipe, z, generator) > networks.limit
    if improbable.any():
        noise = torch.randn(z.shape, generator=generator).to(z.device)
        hole = improbable.expand_as(z)
        steps = min(recipe.inpainting_steps, recipe.timesteps)
        source = generator if z.device.type == "cpu" else _on_device(generator, z.device)
        z = replacement(networks.denoise, networks.schedule, noise, source, known=z, hole=hole, steps=steps, clip=False)
    size = pictures.shape[2:]
    weight = functional.interpolate(improbable.float(), size, mode="bilinear", align_corners=False)
    return Judged(networks.decode(z), weight)


def _on_device(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """A generator on *device* that follows from one on the CPU."""
    return torch.Generator(device).manual_seed(int(torch.randint(2**31, (), generator=generator)))


def _parts(pictures: Tensor, training: Training[LatentRecipe]) -> list[Tensor]:
    """The pictures in batches on the device."""
    return [part.to(training.device) for part in pictures.split(training.recipe.batch)]


def _evaluations(recipe: LatentRecipe) -> int:
    return 2 + recipe.window_steps + recipe.inpainting_steps


LATENT_DIFFUSION = SliceMethod(
    "latent diffusion",
    140,
    "diffusion of VQ-VAE codes, improbable codes inpainted, Pinaya et al. 2022",
    {
        "paper": LatentRecipe(
            50_000, 64, 2e-4, diffusion_steps=100_000, widths=(64, 128), codes=256, size=3, unet=(64, 128, 256)
        ),
        "tiny": LatentRecipe(
            300,
            16,
            1e-3,
            diffusion_steps=600,
            widths=(8, 16),
            codes=32,
            size=3,
            unet=(16, 32),
            timesteps=100,
            window_steps=5,
            inpainting_steps=10,
        ),
    },
    LatentDiffusion,
    train,
    judge,
    evaluations=_evaluations,
    is_stochastic=True,
    standardises=False,
    remarks=(f"Every {HELD_OUT_EVERY}th person gives the threshold map of the codes and is not learned from",),
)
register_slice_method(LATENT_DIFFUSION)
