"""Passes over one volume: what surrounds each hole -> mean and variance of its healthy content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..diffusion.noise_schedule import NoiseSchedule
from ..diffusion.registry import SAMPLERS
from ..diffusion.samplers import mean as one_step_mean
from ..errors import FAError
from ..models.checkpoints import Model
from ..networks.conditioning import condition
from ..preprocessing.template import BRAIN_PROBABILITY, WHITE_MATTER_PROBABILITY, Template, TemplatePriors
from .window import _with_background, network_window

OnStep = Callable[[int, int], None]
"""``(network calls done in this pass, in all)``, before every call."""

FITTING_SAMPLERS = {"inpainter": ("mean", "dpm++", "ddim", "ddpm", "repaint"), "thesis": ("ddpm", "repaint", "thesis")}
"""Samplers that are defined for each kind of network."""


@dataclass(frozen=True)
class Sampling:
    """How a hole is filled: the request's ``sampler``, ``steps``, ``samples`` and ``seed``."""

    sampler: str = "mean"
    steps: int = 1
    samples: int = 1
    seed: int = 0


class VolumeInpainter:
    """A model on a device, ready to fill holes of volumes on its grid.

    Raises ``FAError('bad-request')`` when the sampler does not fit the network.
    """

    def __init__(self, model: Model, template: Template, device: torch.device, dtype: torch.dtype) -> None:
        self.model, self.device, self.dtype = model, device, dtype
        self.schedule = NoiseSchedule.from_dict(model.manifest["schedule"])
        self.network = model.network.to(device)
        self.template_prior = template.priors

    def check(self, sampling: Sampling) -> None:
        """Raise ``FAError('bad-request')`` when the model cannot be sampled so."""
        fitting = FITTING_SAMPLERS[self.model.kind]
        if sampling.sampler not in fitting:
            raise FAError(
                "bad-request",
                f"The sampler {sampling.sampler} does not fit the model {self.model.name}",
                f"it is a network of the kind {self.model.kind}",
                f"Choose {', '.join(fitting)}",
            )

    @torch.inference_mode()
    def fill(
        self,
        fa: np.ndarray,
        hole: np.ndarray,
        sampling: Sampling,
        on_step: OnStep | None = None,
        priors: TemplatePriors | None = None,
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Fill one pass.

        Parameters
        ----------
        fa
            (X, Y, Z) in [0, 1] on the model grid; its values inside the hole are never used.
        hole
            bool (X, Y, Z).
        prior
            Registered to this brain; None for the template as it is.

        Returns
        -------
        (mean, variance, evaluations)
            Float32 arrays of the hole's voxels in C order, FA and FA squared (NaN where unknown).
        """
        x = torch.from_numpy(np.where(hole, 0.0, 2.0 * fa - 1.0).astype(np.float32))[None, None].to(self.device)
        hidden = torch.from_numpy(hole)[None, None].to(self.device)
        job = (_HoleTrained if self.model.kind == "inpainter" else _Thesis)(
            self, x, hidden, priors or self.template_prior
        )
        generator = torch.Generator().manual_seed(sampling.seed)
        draws, variance, calls = [], None, 0
        variance_call = int(sampling.sampler != "mean" and job.knows_variance)

        def counted(done: int, total: int) -> None:
            nonlocal calls
            if on_step is not None:
                on_step(calls, total * sampling.samples + variance_call)
            calls += 1

        for _ in range(sampling.samples):
            # Drawn for the whole grid, so that a voxel's noise does not depend on the window.
            noise = torch.randn(x.shape, generator=generator)[(..., *job.window)].to(self.device)
            if sampling.sampler == "mean":
                draws.append(job.mean(noise, counted))
                variance = job.variance
            else:
                draws.append(job.sample(sampling, noise, self._generator(generator), counted))
        if variance_call:
            # The last total divides evenly: every sample made the same number of calls.
            counted(0, calls // sampling.samples)
            job.mean(torch.zeros_like(noise), None)
            variance = job.variance
        drawn = torch.stack([d[job.hidden] for d in draws]) / 2.0
        mean = drawn.mean(0) + 0.5
        if variance is not None:
            # A mean of K samples misses the truth by (1 + 1/K) of the posterior's variance.
            spread = 1.0 if sampling.sampler == "mean" else 1.0 + 1.0 / sampling.samples
            variance = variance[job.hidden] / 4.0 * spread
        elif sampling.samples > 1:
            variance = drawn.var(0) * (1.0 + 1.0 / sampling.samples)
        else:
            variance = torch.full_like(mean, torch.nan)
        return (*_with_background(hole, job.window, mean.clamp(0.0, 1.0), variance), calls)

    def _generator(self, generator: torch.Generator) -> torch.Generator:
        # Drawn from the run's generator, but on the device where the sampler draws.
        seed = int(torch.randint(2**62, (), generator=generator))
        return torch.Generator(self.device).manual_seed(seed)

    def autocast(self):
        """Context in which the network runs fastest on this device."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)


class _HoleTrained:
    """A network that is told the hole and its surroundings."""

    knows_variance = True

    def __init__(self, inpainter: VolumeInpainter, x: Tensor, hidden: Tensor, priors: TemplatePriors) -> None:
        given = condition(x, hidden.to(x.dtype), 2.0 * _on(priors.fa, x) - 1.0, _on(priors.white_matter, x))
        # The condition knows the whole brain (the other side); the network needs no more than what holds the holes.
        brain = ((x > -1.0) & ~hidden)[0, 0].cpu().numpy() | (priors.brain > BRAIN_PROBABILITY)
        self.window = network_window(brain, hidden[0, 0].cpu().numpy())
        self.inpainter, self.known, self.hidden, self.condition = (
            inpainter,
            *(a[(..., *self.window)].contiguous() for a in (x, hidden, given)),
        )
        self.variance: Tensor | None = None

    def _x0(self, x_t: Tensor, t: int) -> Tensor:
        schedule = self.inpainter.schedule
        signal = torch.full((x_t.shape[0],), float(schedule.alpha(t)), device=x_t.device)
        with self.inpainter.autocast():
            v, log_variance = self.inpainter.network(x_t, signal, self.condition)
        self.variance = torch.exp(log_variance.float())
        return schedule.x0_from_v(x_t, t, v.float())

    def mean(self, noise: Tensor, on_step: OnStep | None) -> Tensor:
        return one_step_mean(self._x0, self.inpainter.schedule, noise, on_step=on_step)

    def sample(self, sampling: Sampling, noise: Tensor, generator: torch.Generator, on_step: OnStep) -> Tensor:
        extra = {"known": self.known, "hole": self.hidden} if sampling.sampler == "repaint" else {}
        found = SAMPLERS[sampling.sampler](
            self._x0, self.inpainter.schedule, noise, generator, steps=sampling.steps, on_step=on_step, **extra
        )
        self.variance = None
        return found


class _Thesis:
    """A thesis network: it knows no holes; the surroundings are pasted in while sampling."""

    knows_variance = False
    variance = None

    def __init__(self, inpainter: VolumeInpainter, x: Tensor, hidden: Tensor, priors: TemplatePriors) -> None:
        self.inpainter, self.known, self.hidden = inpainter, x, hidden
        self.window = (slice(None),) * 3
        # Listing A.22 takes the mask from the judged scan; inside the hole that would leak, so the
        # registered prior stands there (method: "no-leak condition").
        observed = (x > 2 * 0.2 - 1) & ~hidden
        self.mask = (observed | (hidden & (_on(priors.white_matter, x) > WHITE_MATTER_PROBABILITY))).to(x.dtype)

    def _eps(self, x_t: Tensor, t: int) -> Tensor:
        network = self.inpainter.network
        times = torch.full((x_t.shape[0],), t, dtype=torch.int64, device=x_t.device)
        with self.inpainter.autocast():
            return network(x_t, times, self.mask if network.conditional else None).float()

    def _x0(self, x_t: Tensor, t: int) -> Tensor:
        return self.inpainter.schedule.x0_from_eps(x_t, t, self._eps(x_t, t))

    def sample(self, sampling: Sampling, noise: Tensor, generator: torch.Generator, on_step: OnStep) -> Tensor:
        from ..diffusion.repaint import replace

        given = {"known": self.known, "hole": self.hidden, "steps": sampling.steps, "on_step": on_step}
        if sampling.sampler == "thesis":
            return SAMPLERS["thesis"](self._eps, self.inpainter.schedule, noise, generator, **given)
        sampler = replace if sampling.sampler == "ddpm" else SAMPLERS["repaint"]
        return sampler(self._x0, self.inpainter.schedule, noise, generator, **given)


def _on(array: np.ndarray, x: Tensor) -> Tensor:
    """An array (X, Y, Z) with batch and channel axes on the device of *x*."""
    return torch.from_numpy(array)[None, None].to(x.device)
