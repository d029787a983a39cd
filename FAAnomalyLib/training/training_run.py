"""What a training run is of, and what its steps change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..preprocessing.template import Template
from .cohort_cache import TrainingSubject
from .recipes import Recipe
from .volume_pairs import VolumePair


@dataclass(frozen=True)
class TrainingRun:
    """Everything that decides the result of a run, and its folder.

    Attributes
    ----------
    recipe
        Network, schedule and optimisation.
    training, held_out
        Subjects that are trained on, and subjects that the error is reported on. No person is in both.
    template
        On the recipe's grid.
    folder
        Run folder, which exists: ``checkpoint.pt``, ``log.csv`` and ``model`` are written there.
    seed
        Of every random draw.
    """

    recipe: Recipe
    training: Sequence[TrainingSubject | VolumePair]
    held_out: Sequence[TrainingSubject | VolumePair]
    template: Template
    folder: Path
    seed: int = 0

    @property
    def settings(self) -> tuple[str, int]:
        """Recipe (JSON) and seed, as a checkpoint records them."""
        return json.dumps(asdict(self.recipe), sort_keys=True), self.seed

    @property
    def data(self) -> dict[str, Any]:
        """Subjects and template, as a checkpoint records them."""
        return {
            "training": [[s.person, s.name] for s in self.training],
            "held_out": [[s.person, s.name] for s in self.held_out],
            "template": self.template.sha256,
        }

    def sampling_weights(self) -> Tensor:
        """Relative probability of drawing each training subject, shape (subjects,); a person's add up to 1.

        Five scans of one head must not outweigh four other people.
        """
        counts: dict[str, int] = {}
        for subject in self.training:
            counts[subject.person] = counts.get(subject.person, 0) + 1
        return torch.tensor([1.0 / counts[subject.person] for subject in self.training])


@dataclass
class TrainingState:
    """What the steps of a run change; all of it is in a checkpoint.

    Attributes
    ----------
    network
        The weights that are trained.
    optimizer
        With its moments.
    average
        Exponential moving average of the network's state, by the names of ``network.state_dict()``.
    step
        Number of finished steps.
    running
        Exponentially smoothed error of the steps, None before the first one.
    epoch_errors
        Sum and number of the errors of the steps since the last epoch ended.
    ancestor
        SHA-256 and training record of the model whose weights the run began with, None for random weights.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]
    step: int = 0
    running: float | None = None
    epoch_errors: tuple[float, int] = (0.0, 0)
    ancestor: dict[str, Any] | None = None

    @classmethod
    def begin(cls, network: nn.Module, optimizer: torch.optim.Optimizer) -> TrainingState:
        """The state before the first step."""
        return cls(network, optimizer, {k: v.detach().clone() for k, v in network.state_dict().items()})

    def set_weights(self, weights: dict[str, Tensor]) -> None:
        """Set the network's weights and their average to *weights*."""
        self.network.load_state_dict(weights)
        for name, value in self.network.state_dict().items():
            self.average[name].copy_(value)

    def update_average(self, decay: float) -> None:
        """Move the average towards the weights: ``decay * average + (1 - decay) * weights``.

        The decay is lower in the first steps, ``(1 + step) / (10 + step)``, so that the random initial weights are
        soon forgotten.
        """
        decay = min(decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1.0 - decay)

    def smooth_error(self, error: float) -> None:
        """Add the error of one step to :attr:`running` and :attr:`epoch_errors`."""
        self.running = error if self.running is None else 0.98 * self.running + 0.02 * error
        total, count = self.epoch_errors
        self.epoch_errors = total + error, count + 1

    def end_epoch(self) -> float:
        """The mean error of the steps since the last epoch ended, which then begin anew."""
        total, count = self.epoch_errors
        self.epoch_errors = 0.0, 0
        return total / max(count, 1)
