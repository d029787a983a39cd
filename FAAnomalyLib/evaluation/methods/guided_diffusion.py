"""Comparator: DDIM guided by a classifier towards health (Wolleb et al. 2022).

A slice is encoded into noise by DDIM run backwards and decoded by DDIM whose every step leans to what the classifier
calls healthy. The paper's classifier learns from patients. Here there are none: its second class, and half of what the
DDPM learns, are healthy slices with synthetic anomalies (:mod:`..slicewise.synthetic_anomalies`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...diffusion.noise_schedule import NoiseSchedule, linear_schedule
from ...networks.comparators.unet2d import NoisyClassifier2D, UNet2D
from ..slicewise.slice_method import Judged, SliceMethod, SliceRecipe, Training, register_slice_method
from ..slicewise.synthetic_anomalies import AnomalyRange, with_anomaly

HEALTHY, ANOMALOUS = 0, 1
"""Classes."""

Noise = Callable[[Tensor, int], Tensor]
"""``(x_t, t) -> noise``, t from 0."""


@dataclass(frozen=True)
class GuidedRecipe(SliceRecipe):
    """Settings: *steps* are the DDPM's.

    Attributes
    ----------
    classifier_steps
        Steps of the classifier's training.
    unet, classifier
        Channels of the levels.
    timesteps
        Length T of the schedule.
    noise_level
        Timestep L that slices are encoded to; 500 of 1000 in the paper.
    moves
        DDIM steps on the way to L, and as many back; the paper's are L.
    scale
        Weight s of the classifier's gradient; 100 in the paper.
    share, change
        Of the synthetic anomalies, see :class:`~..slicewise.synthetic_anomalies.AnomalyRange`.
    """

    classifier_steps: int
    unet: tuple[int, ...]
    classifier: tuple[int, ...]
    timesteps: int = 1000
    noise_level: int = 500
    moves: int = 500
    scale: float = 100.0
    share: tuple[float, float] = (0.01, 0.15)
    change: tuple[float, float] = (0.1, 0.4)

    @property
    def anomalies(self) -> AnomalyRange:
        """What synthetic anomalies are drawn from."""
        return AnomalyRange(self.share, self.change)


class GuidedDiffusion(nn.Module):
    """U-Net that predicts noise, and classifier of noisy slices."""

    def __init__(self, recipe: GuidedRecipe, shape: tuple[int, int]) -> None:
        super().__init__()
        self.unet = UNet2D(1, 1, recipe.unet)
        self.classifier = NoisyClassifier2D(1, 2, recipe.classifier)
        self.schedule = linear_schedule(recipe.timesteps, 0.1 / recipe.timesteps, 20.0 / recipe.timesteps)

    def noise_in(self, x_t: Tensor, t: int) -> Tensor:
        """The U-Net's noise at one timestep."""
        return self.unet(x_t, torch.full((len(x_t),), t, device=x_t.device))

    def leaning(self, x_t: Tensor, t: int) -> Tensor:
        """Gradient of log p(healthy | x_t) by x_t."""
        with torch.enable_grad():
            x = x_t.detach().requires_grad_(True)
            logits = self.classifier(x, torch.full((len(x),), t, device=x.device))
            return torch.autograd.grad(functional.log_softmax(logits, 1)[:, HEALTHY].sum(), x)[0]


def ddim_move(schedule: NoiseSchedule, x: Tensor, noise: Tensor, t: int, s: int) -> Tensor:
    """``alpha_s (x_t - sigma_t noise) / alpha_t + sigma_s noise``: from t to s, in either direction.

    Song et al. 2021, eq. 12 with eta 0; for s > t it is the reversed step of Wolleb et al. 2022, algorithm 1. -1 is
    the clean picture.
    """
    return schedule.alpha(s) * (x - schedule.sigma(t) * noise) / schedule.alpha(t) + schedule.sigma(s) * noise


def encode(schedule: NoiseSchedule, x: Tensor, noise_in: Noise, levels: list[int]) -> Tensor:
    """The noisy picture at ``levels[-1]`` that DDIM leads back to the clean *x*.

    *levels* rise from -1, the clean picture, whose noise is taken as at timestep 0.
    """
    for t, s in zip(levels[:-1], levels[1:], strict=True):
        x = ddim_move(schedule, x, noise_in(x, max(t, 0)), t, s)
    return x


def decode(
    schedule: NoiseSchedule,
    x: Tensor,
    noise_in: Noise,
    levels: list[int],
    leaning: Noise | None = None,
    scale: float = 0.0,
) -> Tensor:
    """The clean picture of *x* at ``levels[-1]``, guided by *scale* times the gradient that *leaning* gives.

    noise - scale * sigma_t * gradient takes the place of the noise (Dhariwal & Nichol 2021, algorithm 2; Wolleb et al.
    2022, algorithm 1).
    """
    for t, s in zip(levels[:0:-1], levels[-2::-1], strict=True):
        noise = noise_in(x, t)
        if leaning is not None:
            noise = noise - scale * schedule.sigma(t) * leaning(x, t)
        x = ddim_move(schedule, x, noise, t, s)
    return x


def levels_to(noise_level: int, moves: int) -> list[int]:
    """*moves* + 1 timesteps from -1 to *noise_level*, evenly spread.

    Examples
    --------
    >>> levels_to(9, 5)
    [-1, 1, 3, 5, 7, 9]
    """
    return [round(-1 + (noise_level + 1) * k / moves) for k in range(moves + 1)]


def train(networks: GuidedDiffusion, training: Training[GuidedRecipe]) -> None:
    """The DDPM, then the classifier, both at the noise levels that slices are encoded to."""
    train_diffusion(networks, training)
    train_classifier(networks, training)


def train_diffusion(networks: GuidedDiffusion, training: Training[GuidedRecipe]) -> None:
    """The simple loss of the noise (Ho et al. 2020, eq. 14) on slices of both classes."""
    recipe = training.recipe
    optimiser = torch.optim.Adam(networks.unet.parameters(), recipe.learning_rate)
    for x, brain in training.batches("DDPM", recipe.steps):
        half = len(x) // 2
        x = torch.cat([x[half:], with_anomaly(x[:half], brain[:half], recipe.anomalies, training.generator)])
        t, noise = _times(training, len(x)), training.normal_like(x)
        optimiser.zero_grad()
        predicted = networks.unet(networks.schedule.q_sample(x, t, noise), t.to(x.device))
        functional.mse_loss(predicted, noise).backward()
        optimiser.step()


def train_classifier(networks: GuidedDiffusion, training: Training[GuidedRecipe]) -> None:
    """Cross-entropy on pairs: a healthy slice and the same one with an anomaly, noise and timestep.

    Pairs let the classifier learn what differs; with other slices in the second class it needs far longer.
    """
    recipe = training.recipe
    optimiser = torch.optim.Adam(networks.classifier.parameters(), recipe.learning_rate)
    for x, brain in training.batches("classifier", recipe.classifier_steps):
        pairs, labels = pairs_of(x, brain, recipe.anomalies, training.generator)
        t, noise = _times(training, len(x)).repeat(2), training.normal_like(x).repeat(2, 1, 1, 1)
        optimiser.zero_grad()
        logits = networks.classifier(networks.schedule.q_sample(pairs, t, noise), t.to(x.device))
        functional.cross_entropy(logits, labels).backward()
        optimiser.step()


def pairs_of(x: Tensor, brain: Tensor, drawn: AnomalyRange, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Healthy slices followed by the same ones with an anomaly, (2B, 1, X, Y), and their classes (2B,)."""
    classes = torch.tensor([HEALTHY, ANOMALOUS], device=x.device).repeat_interleave(len(x))
    return torch.cat([x, with_anomaly(x, brain, drawn, generator)]), classes


@torch.no_grad()
def judge(
    networks: GuidedDiffusion, recipe: GuidedRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator
) -> Judged:
    """Encode, and decode towards health; nothing is drawn."""
    levels = levels_to(recipe.noise_level, recipe.moves)
    x = encode(networks.schedule, pictures, networks.noise_in, levels)
    return Judged(decode(networks.schedule, x, networks.noise_in, levels, networks.leaning, recipe.scale))


def _times(training: Training[GuidedRecipe], count: int) -> Tensor:
    """Uniform timesteps up to the noise level, (*count*,) on the CPU."""
    return torch.randint(training.recipe.noise_level + 1, (count,), generator=training.generator)


GUIDED_DIFFUSION = SliceMethod(
    "guided diffusion",
    141,
    "DDIM encoding and decoding guided by a classifier, Wolleb et al. 2022",
    {
        "paper": GuidedRecipe(
            50_000, 10, 1e-4, classifier_steps=20_000, unet=(128, 128, 256, 256), classifier=(32, 64, 128, 128)
        ),
        "tiny": GuidedRecipe(
            200,
            16,
            1e-3,
            classifier_steps=300,
            unet=(8, 16, 16, 32),
            classifier=(8, 16, 16, 32),
            timesteps=100,
            noise_level=25,
            moves=6,
            scale=3.0,
            share=(0.05, 0.25),
            change=(0.25, 0.5),
        ),
    },
    GuidedDiffusion,
    train,
    judge,
    evaluations=lambda recipe: 3 * recipe.moves,
    remarks=(
        "The classifier and half of the diffusion model's slices are trained on SYNTHETIC anomalies, irregular "
        "patches of raised or lowered FA in healthy slices, because no patients are at hand; the paper's are "
        "trained on patients",
    ),
)
register_slice_method(GUIDED_DIFFUSION)
