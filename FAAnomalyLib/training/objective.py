"""What a network is trained to do: how an example is made of a subject, and the loss of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Generator, Tensor, nn

from ..diffusion.noise_schedule import NoiseSchedule
from ..networks.conditioning import condition
from ..networks.registry import network_kind
from ..runtime.arrays import as_tensor
from .augmentation import augment
from .cohort_cache import TrainingSubject
from .mask_sampling import random_hole
from .recipes import Recipe
from .volume_pairs import VolumePair

TEMPLATE_PERSON = "template"
"""A person of this name in the people's table is a population average, which is smoother than a person's map."""


class Objective(Protocol):
    """What training asks of a network; the network's kind names one of :data:`OBJECTIVES`.

    Attributes
    ----------
    fills_holes
        Whether the network fills holes in one evaluation, so that the error on held-out subjects can be measured with
        :func:`~FAAnomalyLib.training.validation.held_out_errors`.
    """

    fills_holes: ClassVar[bool]

    def optimizer(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        """The optimiser to train with."""

    def example(self, subject: Any, generator: Generator) -> dict[str, Tensor]:
        """One random example without batch axis; *generator* is the only source of randomness."""

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss of stacked examples to descend, and their mean squared error (detached) for the log; both scalars."""


@dataclass
class HoleObjective:
    """Fill random holes: squared error of v inside them, and a calibrated log-variance.

    Half of the examples are at pure noise, where with zero terminal SNR the best answer is the posterior mean. The
    rest are spread evenly over the noise levels, so that the network is a sampler as well.

    Attributes
    ----------
    schedule
        With zero terminal SNR.
    crop
        Voxels of a training crop, multiples of the network's divisor; None for whole volumes.
    pure_noise
        Share of examples at pure noise, 0 to 1.
    variance_weight
        Weight of the Gaussian likelihood of the log-variance. The residual is detached in it, so that it does not pull
        on the mean.

    References
    ----------
    v-prediction: Salimans and Ho, "Progressive distillation for fast sampling of diffusion models", ICLR 2022.
    Zero terminal SNR: Lin et al., "Common diffusion noise schedules and sample steps are flawed", WACV 2024.
    """

    schedule: NoiseSchedule
    crop: tuple[int, int, int] | None = (56, 64, 56)
    pure_noise: float = 0.5
    variance_weight: float = 0.05
    fills_holes: ClassVar[bool] = True

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> HoleObjective:
        """The objective that *recipe* asks for."""
        return cls(NoiseSchedule.from_dict(recipe.schedule), recipe.crop)

    def optimizer(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        """AdamW."""
        return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01, betas=(0.9, 0.99))

    def example(self, subject: TrainingSubject, generator: Generator) -> dict[str, Tensor]:
        """One random example, without batch axis.

        Returns
        -------
        dict
            ``x`` (1, X, Y, Z): FA scaled to [-1, 1]; ``weight`` (1, X, Y, Z): what an error costs, 0 outside the hole;
            ``condition`` (C, X, Y, Z): see :func:`~FAAnomalyLib.networks.conditioning.condition`; ``t`` (): step of
            the schedule; ``noise`` (1, X, Y, Z): standard normal. X, Y, Z are the crop's.
        """
        drawn = augment(
            subject.fa,
            subject.weight,
            as_tensor(subject.priors.fa),
            as_tensor(subject.priors.white_matter),
            generator,
            subject.person == TEMPLATE_PERSON,
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
        window = crop_window(brain, self.crop, generator)
        last = self.schedule.timesteps - 1
        pure = float(torch.rand((), generator=generator)) < self.pure_noise
        t = last if pure else int(torch.randint(last, (), generator=generator))
        x = x[window][None]
        return {
            "x": x,
            "weight": (weight * hole)[window][None],
            "condition": given[:, window[0], window[1], window[2]],
            "t": torch.tensor(t),
            "noise": torch.randn(x.shape, generator=generator),
        }

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Weighted squared error of v inside the holes plus the likelihood of its variance; and that error alone."""
        x, noise, t, weight = batch["x"], batch["noise"], batch["t"], batch["weight"]
        noisy = self.schedule.q_sample(x, t, noise)
        signal = torch.as_tensor(self.schedule.alpha(t), dtype=torch.float32, device=x.device)
        v, log_variance = network(noisy, signal, batch["condition"])
        squared = (v - self.schedule.v_target(x, noise, t)) ** 2
        # sigma^2 makes it the error of x0: at low noise, v is mostly noise that nothing can predict.
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
    adam_epsilon
        Of the optimiser.
    crop
        Training crop in voxels, for trials; None for whole maps, as in the thesis.
    """

    schedule: NoiseSchedule
    conditional: bool
    adam_epsilon: float = 1e-7
    crop: tuple[int, int, int] | None = None
    fills_holes: ClassVar[bool] = False

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> ThesisObjective:
        """The objective that *recipe* asks for."""
        schedule = NoiseSchedule.from_dict(recipe.schedule)
        return cls(schedule, recipe.network["conditional"], recipe.adam_epsilon, recipe.crop)

    def optimizer(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        """Adam, with the epsilon of Keras by default."""
        return torch.optim.Adam(parameters, lr=learning_rate, eps=self.adam_epsilon)

    def example(self, subject: TrainingSubject | VolumePair, generator: Generator) -> dict[str, Tensor]:
        """One example without augmentation, as in section 2.4.

        Returns
        -------
        dict
            ``x`` (1, X, Y, Z): FA scaled to [-1, 1]; ``white_matter`` (1, X, Y, Z): 0 or 1; ``t`` (): step of the
            schedule; ``noise`` (1, X, Y, Z): standard normal.
        """
        fa = subject.fa
        window = crop_window(fa > 0, self.crop, generator)
        x = 2.0 * fa[window][None] - 1.0
        return {
            "x": x,
            "white_matter": subject.white_matter[window][None].float(),
            "t": torch.randint(self.schedule.timesteps, (), generator=generator),
            "noise": torch.randn(x.shape, generator=generator),
        }

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean squared error of the predicted noise, twice."""
        noisy = self.schedule.q_sample(batch["x"], batch["t"], batch["noise"])
        mask = batch["white_matter"] if self.conditional else None
        error = ((network(noisy, batch["t"], mask) - batch["noise"]) ** 2).mean()
        return error, error.detach()


def crop_window(brain: Tensor, crop: tuple[int, int, int] | None, generator: Generator) -> tuple[slice, ...]:
    """A crop about a random voxel of *brain*, moved to lie within the volume; all of it for None, or a larger crop."""
    shape = tuple(brain.shape)
    if crop is None or all(n >= s for n, s in zip(crop, shape, strict=True)):
        return (slice(None),) * 3
    voxels = brain.nonzero()
    centre = voxels[int(torch.randint(len(voxels), (), generator=generator))]
    starts = [max(min(max(int(c) - n // 2, 0), s - n), 0) for c, n, s in zip(centre, crop, shape, strict=True)]
    return tuple(slice(a, a + n) for a, n in zip(starts, crop, strict=True))


OBJECTIVES: dict[str, Callable[[Recipe], Objective]] = {
    "holes": HoleObjective.of_recipe,
    "noise": ThesisObjective.of_recipe,
}
"""By the name that :attr:`FAAnomalyLib.networks.registry.NetworkKind.objective` gives."""


def objective_of(recipe: Recipe) -> Objective:
    """The objective that the recipe's kind of network is trained with."""
    return OBJECTIVES[network_kind(recipe.network["kind"]).objective](recipe)
