"""The training loop: resumable to the bit, in one process or in several.

Every random draw of a step comes from a generator seeded with (seed, step, rank, example). A run that was killed and
resumed therefore sees exactly what an uninterrupted one sees.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Generator, Tensor, nn

from ..errors import FAError
from ..inpainting.interruptible_network import interruptible_network
from ..models.checkpoints import load_model
from ..preprocessing.interruptible_itk import Check
from ..runtime.progress import told_what_is_kept
from .cohort_cache import TrainingSubject
from .distributed import Distributed
from .epochs import EPOCHS, EpochEntry, EpochOrder, History, append_epoch
from .objective import objective_of
from .recipes import learning_rate
from .run_checkpoint import CHECKPOINT, resume, save_checkpoint, start_from_checkpoint
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
        self.epochs = EpochOrder(len(run.training), run.recipe.batch * distributed.world, run.seed)

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
            shorten_log(self.run.folder, self.state.step, EPOCHS)
        self._report(f"resumed at step {self.state.step}")

    def start_from_checkpoint(self, path: Path) -> None:
        """Begin with another run's weights, optimiser and step; a checkpoint of this run, read later, replaces them.

        Raises
        ------
        FAError
            As :func:`~FAAnomalyLib.training.run_checkpoint.start_from_checkpoint`.
        """
        start_from_checkpoint(path, self.run, self.state)
        self._report(f"begun with {path}, at step {self.state.step}")

    def save(self) -> None:
        """Write the checkpoint; only the process 0 does."""
        if self.distributed.writes:
            save_checkpoint(self.run, self.state, self.device, self.dtype)

    def train(
        self,
        save_every: int,
        validate_every: int = 500,
        check: Check | None = None,
        history: History = History(),  # noqa: B008 - frozen
    ) -> None:
        """Train to the last step of the recipe.

        Parameters
        ----------
        save_every
            Steps between checkpoints; the last step is always saved.
        validate_every
            Steps between errors on the held-out subjects; the last step is always validated.
        check
            Called before every layer and every step; may raise to cancel. Finished steps are kept in a checkpoint.
        history
            Which checkpoints are kept, in runs that go by epochs.

        Raises
        ------
        FAError
            ``cancelled``, telling the step from which the run goes on.
        """
        check = check or _go_on
        with told_what_is_kept(self._kept), interruptible_network(self.state.network, check):
            self._train(save_every, validate_every, check, history)

    def _kept(self) -> str:
        """What a cancelled run has left, after its finished steps are saved."""
        if self.state.step == 0:
            return "no step is finished yet, but the registered maps are kept"
        self.save()
        return f"{self.state.step} of {self.run.recipe.steps} steps are kept in {self.run.folder / CHECKPOINT}"

    def _train(self, save_every: int, validate_every: int, check: Check, history: History) -> None:
        state, steps = self.state, self.run.recipe.steps
        begin, first = time.monotonic(), state.step
        while state.step < steps:
            state.smooth_error(self._one_step(check))
            state.step += 1
            last = state.step == steps
            validate = last or state.step % validate_every == 0
            seconds_per_step = (time.monotonic() - begin) / (state.step - first)
            if validate or state.step % LOG_EVERY == 0:
                self._log(seconds_per_step, validate)
            epoch = self._end_epoch(seconds_per_step)
            if last or state.step % save_every == 0 or history.is_due(epoch):
                self.save()
            if history.is_due(epoch) and self.distributed.writes:
                history.add(self.run.folder, epoch)

    def averaged_network(self) -> nn.Module:
        """A copy of the network with the averaged weights, in evaluation mode."""
        network = copy.deepcopy(self.state.network).eval()
        network.load_state_dict(self.state.average)
        return network

    def _end_epoch(self, seconds_per_step: float) -> int:
        """The number of the epoch that ends with this step, after its line is written; 0 where none does."""
        state, epoch = self.state, self.epochs.finished(self.state.step)
        if self.run.recipe.sampling != "epochs" or epoch == self.epochs.finished(state.step - 1):
            return 0
        training_loss = state.end_epoch()
        if self.distributed.writes:
            rate = learning_rate(self.run.recipe, state.step - 1)
            entry = EpochEntry(state.step, epoch, training_loss, None, rate, seconds_per_step)
            try:
                held_out = self._held_out_loss()
            except FAError:  # cancelled: the epoch is over all the same, and is not done again
                append_epoch(self.run.folder, entry)
                raise
            append_epoch(self.run.folder, replace(entry, held_out_loss=held_out))
            told = "" if held_out is None else f"  held-out loss {held_out:.4f}"
            self._report(f"epoch {epoch} ends: loss {training_loss:.4f}{told}")
        return epoch

    @torch.no_grad()
    def _held_out_loss(self) -> float | None:
        """The objective's error on the held-out subjects, one draw each (listing A.19, ``test_step``).

        The draws are the same at every epoch, so that the curve shows the network alone.
        """
        if not self.run.held_out:
            return None
        errors = []
        for number, subject in enumerate(self.run.held_out):
            example = self.objective.example(subject, Generator().manual_seed(number))
            batch = {key: value[None].to(self.device) for key, value in example.items()}
            with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
                errors.append(float(self.objective.loss(self.state.network, batch)[1]))
        return sum(errors) / len(errors)

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
            chosen = self._chosen(number, generator)
            examples.append(self.objective.example(self.run.training[chosen], generator))
        return {key: torch.stack([e[key] for e in examples]).to(self.device) for key in examples[0]}

    def _chosen(self, number: int, generator: Generator) -> int:
        """The subject of example *number* of this step of this process."""
        if self.run.recipe.sampling == "epochs":
            first = (self.state.step * self.distributed.world + self.distributed.rank) * self.run.recipe.batch
            return self.epochs.subject(first + number)
        return int(torch.multinomial(self._weights, 1, generator=generator))

    def _log(self, seconds_per_step: float, validate: bool) -> None:
        if not self.distributed.writes:
            return
        held_out: list[float] = []
        if validate and self.run.held_out and self.objective.fills_holes:
            spacing = [float(mm) for mm in self.run.template.fa.spacing]
            # An objective that fills holes has subjects on the template's grid.
            subjects = cast("Sequence[TrainingSubject]", self.run.held_out)
            held_out = held_out_errors(self.averaged_network(), subjects, spacing, self.device, self.dtype)
        entry = LogEntry(self.state.step, self.state.running or 0.0, seconds_per_step, tuple(held_out))
        append_to_log(self.run.folder, entry)
        self._report(progress_text(entry, self.run.recipe.steps))
