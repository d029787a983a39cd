"""A network that is told of one volume with a hole: what a sampler calls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion.noise_schedule import NoiseSchedule
from ..diffusion.registry import Sampler
from ..diffusion.stepping import Noise, OnStep
from ..networks.registry import MaskedVolume, NetworkKind, NoiseLevel
from ..preprocessing.template import BRAIN_PROBABILITY, TemplatePriors
from ..runtime.arrays import as_array, as_tensor
from .window import WHOLE_GRID, Window, network_window


@dataclass(frozen=True)
class RunnableNetwork:
    """A network on a device, with its kind, the process that it was trained on, and the number format it runs in."""

    network: nn.Module
    kind: NetworkKind
    schedule: NoiseSchedule
    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> torch.autocast:
        """Context in which the network runs fastest on its device."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)


class BoundNetwork:
    """A network that is told of one volume with a hole.

    Parameters
    ----------
    runnable
        The network.
    x
        FA scaled to [-1, 1], (1, 1, X, Y, Z) on the network's device; 0 inside the hole.
    hole
        bool, of x's shape.
    priors
        Registered to this brain.

    Attributes
    ----------
    grid_shape
        (1, 1, X, Y, Z).
    window
        The part of the grid that the network is run on: its slices along X, Y and Z.
    known, hole
        *x* and *hole* in the window, (1, 1, X', Y', Z').
    variance
        Of the last predicted x0, of known's shape, on the [-1, 1] scale; None where the network predicts none.
    """

    def __init__(self, runnable: RunnableNetwork, x: Tensor, hole: Tensor, priors: TemplatePriors) -> None:
        prior_fa, white_matter = (_on(array, x) for array in (priors.fa, priors.white_matter))
        volume = MaskedVolume(x, hole, 2.0 * prior_fa - 1.0, white_matter)
        condition = runnable.kind.condition(runnable.network, volume)
        self.runnable, self.grid_shape = runnable, x.shape
        self.window = _window(volume, priors.brain) if runnable.kind.windowed else WHOLE_GRID
        self.known, self.hole = self._inside(x), self._inside(hole)
        # Made from the whole brain, because the contralateral side may lie outside the window.
        self.condition = None if condition is None else self._inside(condition)
        self.variance: Tensor | None = None

    def draw(self, sampler: Sampler, steps: int, noise: Tensor, generator: Noise, on_step: OnStep) -> Tensor:
        """One filled picture, of known's shape; *noise* and *generator* as in the samplers."""
        function, pasting = sampler.function, sampler.needs_known
        if sampler.pasting is not None and not self.runnable.kind.told_hole:
            function, pasting = sampler.pasting, True
        given = {"known": self.known, "hole": self.hole} if pasting else {}
        return function(
            self._predict_eps if sampler.needs_eps else self._predict_x0,
            self.runnable.schedule,
            noise,
            generator,
            steps=min(steps, sampler.max_steps),
            on_step=on_step,
            **given,
        )

    def estimate(self) -> Tensor:
        """The estimate of x0 that the network corrects, of known's shape; ``ValueError`` where the kind has none."""
        if self.runnable.kind.estimate is None:
            raise ValueError(f"networks of the kind {self.runnable.kind.name} correct no estimate")
        return self.runnable.kind.estimate(self.runnable.network, self.condition)

    def posterior_variance(self) -> Tensor | None:
        """Of x0 given the context alone, from one evaluation at the noisiest timestep; None where it is not known."""
        self._predict_x0(torch.zeros_like(self.known), self.runnable.schedule.timesteps - 1)
        return self.variance

    def _predict_x0(self, x_t: Tensor, t: int) -> Tensor:
        predicted, schedule = self._evaluate(x_t, t), self.runnable.schedule
        if self.runnable.kind.prediction == "x0":
            return predicted
        convert = schedule.x0_from_v if self.runnable.kind.prediction == "v" else schedule.x0_from_eps
        return convert(x_t, t, predicted)

    def _predict_eps(self, x_t: Tensor, t: int) -> Tensor:
        return self._evaluate(x_t, t)

    def _evaluate(self, x_t: Tensor, t: int) -> Tensor:
        runnable = self.runnable
        level = NoiseLevel(t, float(runnable.schedule.alpha(t)))
        with runnable.autocast():
            predicted, log_variance = runnable.kind.evaluate(runnable.network, x_t, level, self.condition)
        self.variance = None if log_variance is None else torch.exp(log_variance.float())
        return predicted.float()

    def _inside(self, whole: Tensor) -> Tensor:
        x, y, z = self.window
        return whole[..., x, y, z].contiguous()


def _window(volume: MaskedVolume, template_brain: np.ndarray) -> Window:
    """The window of *volume*, chosen without looking at its hidden voxels."""
    seen = as_array(((volume.x > -1.0) & ~volume.hole)[0, 0])
    return network_window(seen | (template_brain > BRAIN_PROBABILITY), as_array(volume.hole[0, 0]))


def _on(array: np.ndarray, x: Tensor) -> Tensor:
    """An array (X, Y, Z) with batch and channel axes, on the device of *x*."""
    return as_tensor(array)[None, None].to(x.device)
