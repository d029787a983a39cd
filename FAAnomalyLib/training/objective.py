"""What is asked of a network in one training step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from ..diffusion.noise_schedule import NoiseSchedule
from ..networks.conditioning import condition
from .augmentation import augment
from .cohort_cache import TrainingSubject
from .mask_sampling import random_hole

WHITE_MATTER_FA = 0.2
"""Thesis, equation 2.1."""


@dataclass
class HoleObjective:
    """Fill random holes: squared error of v inside them, and a calibrated log-variance.

    Half of the examples are at pure noise, where (zero terminal SNR) the answer is the posterior
    mean; the rest are spread evenly over the noise levels, so that the network is also a sampler.

    Attributes
    ----------
    schedule
        With zero terminal SNR.
    crop
        Voxels of a training crop; multiples of the network's divisor.
    pure_noise
        Share of examples at pure noise.
    variance_weight
        Weight of the Gaussian likelihood of the log-variance (residual detached, so that it does
        not pull on the mean).
    """

    schedule: NoiseSchedule
    crop: tuple[int, int, int] | None = (56, 64, 56)
    pure_noise: float = 0.5
    variance_weight: float = 0.05

    def example(self, subject: TrainingSubject, generator: Generator) -> dict[str, Tensor]:
        """One random example, without batch axis."""
        drawn = augment(
            subject.fa,
            subject.weight,
            torch.from_numpy(subject.priors.fa),
            torch.from_numpy(subject.priors.white_matter),
            generator,
            subject.person == "template",
        )
        weight, brain = drawn.weight, drawn.weight > 0.05
        hole = random_hole(brain, generator)
        x = 2.0 * drawn.fa - 1.0
        given = condition(
            x[None, None],
            hole[None, None].float(),
            2.0 * drawn.prior_fa[None, None] - 1.0,
            drawn.white_matter[None, None],
        )[0]
        window = self._window(brain, tuple(x.shape), generator)
        last = self.schedule.timesteps - 1
        pure = float(torch.rand((), generator=generator)) < self.pure_noise
        t = last if pure else int(torch.randint(last, (), generator=generator))
        x, weight, given = x[window][None], (weight * hole)[window][None], given[(slice(None), *window)]
        return {
            "x": x,
            "weight": weight,
            "condition": given,
            "t": torch.tensor(t),
            "noise": torch.randn(x.shape, generator=generator),
        }

    def _window(self, brain: Tensor, shape: tuple[int, ...], generator: Generator) -> tuple[slice, ...]:
        if self.crop is None:
            return (slice(None),) * 3
        voxels = brain.nonzero()
        centre = voxels[int(torch.randint(len(voxels), (), generator=generator))]
        starts = [min(max(int(c) - n // 2, 0), s - n) for c, n, s in zip(centre, self.crop, shape, strict=True)]
        return tuple(slice(a, a + n) for a, n in zip(starts, self.crop, strict=True))

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss to descend, and the mean squared error of v for the log."""
        x, noise, t, weight = batch["x"], batch["noise"], batch["t"], batch["weight"]
        noisy = self.schedule.q_sample(x, t, noise)
        signal = torch.as_tensor(self.schedule.alpha(t), dtype=torch.float32, device=x.device)
        v, log_variance = network(noisy, signal, batch["condition"])
        squared = (v - self.schedule.v_target(x, noise, t)) ** 2
        # sigma^2 makes it the error of x0: at low noise v is mostly noise that nothing can predict.
        weight = weight * (1.0 - signal**2)[:, None, None, None, None]
        total = weight.sum().clamp_min(1.0)
        error = (weight * squared).sum() / total
        likelihood = 0.5 * (squared.detach() * torch.exp(-log_variance) + log_variance)
        return error + self.variance_weight * (weight * likelihood).sum() / total, error.detach()


@dataclass
class ThesisObjective:
    """The thesis' own training: predict the noise of the whole volume (listing A.17).

    Attributes
    ----------
    schedule
        Linear, 1000 steps.
    conditional
        Whether the network is given the white-matter mask FA > 0.2 (equation 2.1).
    """

    schedule: NoiseSchedule
    conditional: bool

    def example(self, subject: TrainingSubject, generator: Generator) -> dict[str, Tensor]:
        """One example without augmentation, as in section 2.4."""
        x = 2.0 * subject.fa[None] - 1.0
        return {
            "x": x,
            "white_matter": (subject.fa[None] > WHITE_MATTER_FA).float(),
            "t": torch.randint(self.schedule.timesteps, (), generator=generator),
            "noise": torch.randn(x.shape, generator=generator),
        }

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean squared error of the predicted noise, twice."""
        noisy = self.schedule.q_sample(batch["x"], batch["t"], batch["noise"])
        mask = batch["white_matter"] if self.conditional else None
        error = ((network(noisy, batch["t"], mask) - batch["noise"]) ** 2).mean()
        return error, error.detach()
