"""One pass over one volume: the context of its holes -> mean and variance of their healthy content."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..diffusion.noise import GAUSSIAN
from ..diffusion.noise.octaves import SimplexSource
from ..diffusion.noise_schedule import NoiseSchedule
from ..diffusion.registry import Sampler, samplers
from ..diffusion.stepping import Noise, OnStep, draw_like
from ..errors import FAError
from ..models.checkpoints import Model
from ..networks.registry import network_kind
from ..preprocessing.template import Template, TemplatePriors
from ..runtime.arrays import as_array, as_tensor
from .bound_network import BoundNetwork, RunnableNetwork
from .sampling import Sampling, fitting_samplers
from .window import with_background


class VolumeInpainter:
    """A model on a device, ready to fill holes of volumes on its grid.

    Parameters
    ----------
    model
        As :func:`~FAAnomalyLib.models.checkpoints.load_model` gives it; its network is moved to *device*.
    template
        On the model's grid; its priors stand in where a call gives none.
    device, dtype
        Where and in which number format the network runs.
    """

    def __init__(self, model: Model, template: Template, device: torch.device, dtype: torch.dtype) -> None:
        self.model, self.device, self.dtype = model, device, dtype
        self.kind = network_kind(model.kind)
        self.schedule = NoiseSchedule.from_dict(model.manifest["schedule"])
        self.network = model.network.to(device)
        self.template_priors = template.priors

    def check(self, sampling: Sampling) -> None:
        """Raise ``FAError('bad-request')`` when the model's network cannot be sampled in this way."""
        fitting = fitting_samplers(self.kind)
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
            (X, Y, Z) on the model grid, FA in [0, 1]; its values inside the hole are never used.
        hole
            bool (X, Y, Z), true where hidden; V voxels.
        sampling
            One that :meth:`check` lets pass.
        on_step
            ``(network calls done in this pass, in all)``, before every call; an exception that it raises ends it.
        priors
            Registered to this brain; None for the template as it is.

        Returns
        -------
        (mean, variance, evaluations)
            Mean in FA and variance in FA squared of a healthy voxel, float32 (V,) in C order of the hole; the
            variance is NaN where it is unknown. Number of network calls.
        """
        bound = self._bind(fa, hole, priors or self.template_priors)
        sampler = samplers()[sampling.sampler]
        # A single evaluation at pure noise has the posterior's variance; one inside a sampler has less.
        extra_call = sampler.stochastic and self.kind.predicts_variance
        calls = _Calls(on_step, sampling.samples, int(extra_call))
        pictures = self._draw(bound, sampler, sampling, calls)
        variance = bound.variance if not sampler.stochastic else None
        if extra_call:
            calls.announce_extra()
            variance = bound.posterior_variance()
        drawn = torch.stack([picture[bound.hole] for picture in pictures])
        predicted = None if variance is None else variance[bound.hole]
        moments = _moments(drawn, predicted, sampler.stochastic)
        return (*with_background(hole, bound.window, *moments), calls.done)

    @torch.inference_mode()
    def estimate(self, fa: np.ndarray, hole: np.ndarray, priors: TemplatePriors | None = None) -> np.ndarray:
        """Fill one pass with the linear estimate that the network corrects, without running the network.

        For kinds that have one (:class:`~FAAnomalyLib.networks.registry.NetworkKind`). Parameters as in :meth:`fill`;
        the result is its mean.
        """
        bound = self._bind(fa, hole, priors or self.template_priors)
        mean = (bound.estimate()[bound.hole] / 2.0 + 0.5).clamp(0.0, 1.0)
        return with_background(hole, bound.window, mean, torch.full_like(mean, torch.nan))[0]

    @torch.inference_mode()
    def draws(
        self,
        fa: np.ndarray,
        hole: np.ndarray,
        sampling: Sampling,
        on_step: OnStep | None = None,
        priors: TemplatePriors | None = None,
    ) -> np.ndarray:
        """The draws of one pass kept apart, float32 (K, V) in FA, as the sampler leaves them: not cut to [0, 1].

        For kinds that are run on the whole grid. Parameters as in :meth:`fill`; K is ``sampling.samples``, the
        ``num_models`` of thesis listing A.19.
        """
        bound = self._bind(fa, hole, priors or self.template_priors)
        calls = _Calls(on_step, sampling.samples, 0)
        pictures = self._draw(bound, samplers()[sampling.sampler], sampling, calls)
        drawn = torch.stack([picture[bound.hole] for picture in pictures])
        return as_array(drawn.float() / 2.0 + 0.5)

    def _bind(self, fa: np.ndarray, hole: np.ndarray, priors: TemplatePriors) -> BoundNetwork:
        x = as_tensor(np.where(hole, 0.0, 2.0 * fa - 1.0).astype(np.float32))[None, None].to(self.device)
        hidden = as_tensor(hole)[None, None].to(self.device)
        runnable = RunnableNetwork(self.network, self.kind, self.schedule, self.device, self.dtype)
        return BoundNetwork(runnable, x, hidden, priors)

    def _draw(self, bound: BoundNetwork, sampler: Sampler, sampling: Sampling, calls: _Calls) -> list[Tensor]:
        """``sampling.samples`` filled pictures in the window."""
        generator = torch.Generator().manual_seed(sampling.seed)
        x, y, z = bound.window
        pictures = []
        for _ in range(sampling.samples):
            source = _source(sampling.noise, generator)
            # Drawn for the whole grid, so that a voxel's noise does not depend on the window.
            noise = draw_like(torch.empty(bound.grid_shape), source)[..., x, y, z].to(self.device)
            own: Noise = source
            if sampling.noise == GAUSSIAN:
                own = self._generator(generator) if sampler.stochastic else None
            pictures.append(bound.draw(sampler, sampling.steps, noise, own, calls))
        return pictures

    def _generator(self, generator: torch.Generator) -> torch.Generator:
        """Seeded from the run's generator, but on the device where the sampler draws."""
        seed = int(torch.randint(2**62, (), generator=generator))
        return torch.Generator(self.device).manual_seed(seed)


def _source(noise: str, generator: torch.Generator) -> Noise:
    """Where one draw's noise comes from: *generator* itself for Gaussian noise."""
    if noise == GAUSSIAN:
        return generator
    return TensorNoise(SimplexSource(int(torch.randint(2**62, (), generator=generator))))


class TensorNoise:
    """Noise of a source that draws arrays, as the samplers take it."""

    def __init__(self, source: SimplexSource) -> None:
        self._source = source

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """The next noise, float32 of *shape* on the CPU."""
        return as_tensor(self._source.draw(shape))


class _Calls:
    """Network calls of one pass: counted, and announced over all its samples and the *extra* call for the variance."""

    def __init__(self, on_step: OnStep | None, samples: int, extra: int) -> None:
        self.on_step, self.samples, self.extra = on_step, samples, extra
        self.done = 0

    def __call__(self, done: int, total: int) -> None:
        """Before a call of a sampler that makes *total* of them for each sample."""
        if self.on_step is not None:
            self.on_step(self.done, total * self.samples + self.extra)
        self.done += 1

    def announce_extra(self) -> None:
        """Before the extra call; every sample has made the same number of calls."""
        self(0, self.done // self.samples)


def _moments(drawn: Tensor, predicted: Tensor | None, stochastic: bool) -> tuple[Tensor, Tensor]:
    """Mean and variance in FA of hidden voxels, (V,) each.

    Parameters
    ----------
    drawn
        (K, V) on the [-1, 1] scale: K samples, or K estimates of the mean where not *stochastic*.
    predicted
        (V,) the posterior's variance on the [-1, 1] scale, None where unknown.
    """
    drawn, samples = drawn / 2.0, len(drawn)
    mean = (drawn.mean(0) + 0.5).clamp(0.0, 1.0)
    # A mean of K samples misses the truth by (1 + 1/K) of the posterior's variance.
    spread = 1.0 + 1.0 / samples if stochastic else 1.0
    if predicted is not None:
        return mean, predicted / 4.0 * spread
    if stochastic and samples > 1:
        return mean, drawn.var(0) * spread
    return mean, torch.full_like(mean, torch.nan)
