"""Epochs: which subject is whose turn, and what is recorded and kept when each has had its turn."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from ..io.atomic import cannot_write
from .run_checkpoint import CHECKPOINT

EPOCHS = "epochs.csv"
COLUMNS = "step,epoch,training_loss,held_out_loss,learning_rate,seconds_per_step"
HISTORY = "checkpoints"
"""Folder of the kept checkpoints."""


@dataclass(frozen=True)
class EpochOrder:
    """In which order the subjects have their turns: each once in every epoch, in a new order each time.

    A batch may hold the end of one epoch and the beginning of the next. (The ``n // batch_size`` of listing A.3 leaves
    the rest of an epoch out; with its batch of 1 that is the same.)

    Attributes
    ----------
    subjects
        Number of subjects.
    examples
        In one step of all processes together.
    seed
        Of the orders.

    Examples
    --------
    >>> order = EpochOrder(subjects=3, examples=1, seed=0)
    >>> [sorted(order.subject(step) for step in range(first, first + 3)) for first in (0, 3)]
    [[0, 1, 2], [0, 1, 2]]
    >>> [order.finished(step) for step in (2, 3, 7)]
    [0, 1, 2]
    """

    subjects: int
    examples: int
    seed: int

    def subject(self, number: int) -> int:
        """The subject of example *number*, counted over all steps from 0."""
        epoch, turn = divmod(number, self.subjects)
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
        return int(torch.randperm(self.subjects, generator=generator)[turn])

    def finished(self, step: int) -> int:
        """Epochs that are over after *step* steps."""
        return step * self.examples // self.subjects

    def steps(self, epochs: int) -> int:
        """Steps that *epochs* epochs take."""
        return -(-epochs * self.subjects // self.examples)


@dataclass(frozen=True)
class EpochEntry:
    """One line of ``epochs.csv``.

    Attributes
    ----------
    step, epoch
        Finished steps and epochs.
    training_loss
        Mean of the epoch's steps.
    held_out_loss
        Mean over the held-out subjects (listing A.19, ``test_step``); None where there are none.
    learning_rate
        Of the last step.
    seconds_per_step
        Mean since the process started.
    """

    step: int
    epoch: int
    training_loss: float
    held_out_loss: float | None
    learning_rate: float
    seconds_per_step: float

    @property
    def text(self) -> str:
        """The line."""
        held_out = "" if self.held_out_loss is None else f"{self.held_out_loss:.6f}"
        return (
            f"{self.step},{self.epoch},{self.training_loss:.6f},{held_out},{self.learning_rate:.3g},"
            f"{self.seconds_per_step:.3f}"
        )


def append_epoch(folder: Path, entry: EpochEntry) -> None:
    """Add a line to ``epochs.csv``, which is begun with its heading."""
    path = folder / EPOCHS
    new = not path.is_file()
    with open(path, "a") as file:
        if new:
            file.write(f"{COLUMNS}\n")
        file.write(f"{entry.text}\n")


@dataclass(frozen=True)
class History:
    """Which checkpoints are kept beside the last one.

    Attributes
    ----------
    every
        Epochs between two of them; 0 keeps none.
    keep
        So many of the newest stay; 0 for all. One of the thesis' conditional network takes 0.8 GB.
    """

    every: int = 0
    keep: int = 5

    def is_due(self, epoch: int) -> bool:
        """Whether the checkpoint at the end of *epoch* is kept; never for 0, which stands for none."""
        return self.every > 0 and epoch > 0 and epoch % self.every == 0

    def add(self, folder: Path, epoch: int) -> None:
        """Keep the run's checkpoint as ``checkpoints/epoch-NNNN.pt``, and remove those that are too old.

        Raises ``FAError('bad-input')`` when the folder cannot be written.
        """
        path = folder / HISTORY / f"epoch-{epoch:04d}.pt"
        try:
            path.parent.mkdir(exist_ok=True)
            path.unlink(missing_ok=True)
            # A checkpoint is never written into, only replaced: a second name for the same file costs nothing.
            try:
                os.link(folder / CHECKPOINT, path)
            except OSError:
                shutil.copyfile(folder / CHECKPOINT, path)
        except OSError as error:
            raise cannot_write(path, error) from error
        for old in sorted(path.parent.glob("epoch-*.pt"))[: -self.keep] if self.keep else []:
            with suppress(OSError):
                old.unlink()
