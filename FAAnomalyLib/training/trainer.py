"""The training loop: resumable to the bit, in one process or in several.

Every random draw of a step comes from a generator seeded with (seed, step, rank, example). A run that was killed and
resumed therefore sees exactly what an uninterrupted one sees.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from ..errors import FAError
from ..inpainting.interruptible_network import interruptible_network
from ..models.checkpoints import load_model
from ..preprocessing.interruptible_itk import Check
from ..runtime.progress import told_what_is_kept
from .distributed import Distributed
from .objective import objective_of
from .recipes import learning_rate
from .run_checkpoint import CHECKPOINT, resume, save_checkpoint
from .run_log import LogEntry, append_to_log, progress_text, shorten_log
from .training_run import TrainingRun, TrainingState
from .validation import held_out_errors

LOG_EVERY = 50
"""Steps between lines of the log that have no held-out error."""


def _silent(text: str) -> None:
    pass


def _go_on() -> None:
    """Stands for a check where nobody can cancel."""


class Trainer:
    """Trains a network on the subjects of a run, and keeps checkpoints and a log in the run's folder.

    Parameters
    ----------
    run
        What is trained on, with what, and where the results go.
    network
        Built from ``run.recipe.network``, on *device*.
    device, dtype
        Where the network computes, and the number format of its convolutions.
    distributed
        This process among several; a single one by default.
    report
        Called with every line of progress.

    Attributes
    ----------
    state : TrainingState
        Weights, average, optimiser and step.
    objective
        Makes examples and computes the loss; see :mod:`~FAAnomalyLib.training.objective`.
    """

    def __init__(
        self,
        run: TrainingRun,
        network: nn.Module,
        device: torch.device,
        dtype: torch.dtype,
        distributed: Distributed = Distributed(),  # noqa: B008 - frozen
        report: Callable[[str], None] = _silent,
    ) -> None:
        self.run, self.device, self.dtype, self.distributed = run, device, dtype, distributed
        self._report = report
        self.objective = objective_of(run.recipe)
        optimizer = self.objective.optimizer(network.parameters(), run.recipe.learning_rate)
        self.state = TrainingState.begin(network, optimizer)
        self._parallel = distributed.parallel(network, device)
        self._weights = run.sampling_weights()

    def start_from(self, model: str) -> None:
        """Begin with another model's weights; a checkpoint of this run, read later, replaces them.

        Raises
        ------
        FAError
            ``bad-request`` when that model's network is another one.
        """
        loaded = load_model(model)
        if loaded.manifest["network"] != self.run.recipe.network:
            raise FAError(
                "bad-request",
                f"The model {loaded.name} has another network than this recipe",
                "",
                "Choose a model of the same recipe",
            )
        self.state.set_weights(loaded.network.state_dict())
        self.state.ancestor = {"sha256": loaded.manifest["sha256"], "training": loaded.manifest.get("training")}

    def resume(self) -> None:
        """Go on from the run folder's checkpoint, where there is one.

        Raises
        ------
        FAError
            As :func:`~FAAnomalyLib.training.run_checkpoint.resume`.
        """
        dtype = resume(self.run, self.state, self.device, self.dtype)
        if dtype is None:
            return
        self.dtype = dtype
        if self.distributed.writes:
            shorten_log(self.run.folder, self.state.step)
        self._report(f"resumed at step {self.state.step}")

    def save(self) -> None:
        """Write the checkpoint; only the process 0 does."""
        if self.distributed.writes:
            save_checkpoint(self.run, self.state, self.device, self.dtype)

    def train(self, save_every: int, validate_every: int = 500, check: Check | None = None) -> None:
        """Train to the last step of the recipe.

        Parameters
        ----------
        save_every
            Steps between checkpoints; the last step is always saved.
        validate_every
            Steps between errors on the held-out subjects; the last step is always validated.
        check
            Called before every layer and every step; may raise to cancel. Finished steps are kept in a checkpoint.

        Raises
        ------
        FAError
            ``cancelled``, telling the step from which the run goes on.
        """
        check = check or _go_on
        with told_what_is_kept(self._kept), interruptible_network(self.state.network, check):
            self._train(save_every, validate_every, check)

    def _kept(self) -> str:
        """What a cancelled run has left, after its finished steps are saved."""
        if self.state.step == 0:
            return "no step is finished yet, but the registered maps are kept"
        self.save()
        return f"{self.state.step} of {self.run.recipe.steps} steps are kept in {self.run.folder / CHECKPOINT}"

    def _train(self, save_every: int, validate_every: int, check: Check) -> None:
        state, steps = self.state, self.run.recipe.steps
        begin, first = time.monotonic(), state.step
        while state.step < steps:
            state.smooth_error(self._one_step(check))
            state.step += 1
            last = state.step == steps
            validate = last or state.step % validate_every == 0
            if validate or state.step % LOG_EVERY == 0:
                self._log((time.monotonic() - begin) / (state.step - first), validate)
            if last or state.step % save_every == 0:
                self.save()

    def averaged_network(self) -> nn.Module:
        """A copy of the network with the averaged weights, in evaluation mode."""
        network = copy.deepcopy(self.state.network).eval()
        network.load_state_dict(self.state.average)
        return network

    def _one_step(self, check: Check = _go_on) -> float:
        """Descend once; returns the squared error."""
        recipe, state = self.run.recipe, self.state
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, state.step)
        batch = self._batch()
        check()
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            loss, error = self.objective.loss(self._parallel, batch)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if recipe.clip:
            nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip)
        check()  # the last time before the state changes
        state.optimizer.step()
        state.update_average(recipe.average)
        return float(error)

    def _batch(self) -> dict[str, Tensor]:
        """The examples of the next step, stacked along a new first axis."""
        examples = []
        for number in range(self.run.recipe.batch):
            # Large seeds wrap round instead of overflowing.
            generator = Generator().manual_seed(
                (((self.run.seed * 1_000_003 + self.state.step) * 1009 + self.distributed.rank) * 101 + number) % 2**63
            )
            chosen = int(torch.multinomial(self._weights, 1, generator=generator))
            examples.append(self.objective.example(self.run.training[chosen], generator))
        return {key: torch.stack([e[key] for e in examples]).to(self.device) for key in examples[0]}

    def _log(self, seconds_per_step: float, validate: bool) -> None:
        if not self.distributed.writes:
            return
        held_out: list[float] = []
        if validate and self.run.held_out and self.objective.fills_holes:
            spacing = [float(mm) for mm in self.run.template.fa.spacing]
            held_out = held_out_errors(self.averaged_network(), self.run.held_out, spacing, self.device, self.dtype)
        entry = LogEntry(self.state.step, self.state.running or 0.0, seconds_per_step, tuple(held_out))
        append_to_log(self.run.folder, entry)
        self._report(progress_text(entry, self.run.recipe.steps))
