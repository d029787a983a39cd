"""Finished passes of a run, so that one which takes hours can go on after an interruption."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np

from ..errors import FAError

FOLDER = ".passes"


class PassCache:
    """Finished passes of one run, kept in the output folder until the run is complete.

    Parameters
    ----------
    folder
        The output folder.
    identity
        Everything that decides the passes' content; another identity finds nothing here.
    resume
        Whether what an interrupted run left may be used; otherwise it is removed.
    """

    def __init__(self, folder: Path, identity: str, resume: bool) -> None:
        root = folder / FOLDER
        self.folder = root / hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._root = root
        if not resume:
            self.remove()

    def read(self, number: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and variance of a finished pass; None when it is not there or not whole."""
        try:
            mean, variance = np.load(self.folder / f"{number}.npy", allow_pickle=False)
        except (OSError, EOFError, ValueError):
            return None
        return mean, variance

    def write(self, number: int, mean: np.ndarray, variance: np.ndarray) -> None:
        """Keep a finished pass; raises ``FAError('bad-input')`` when there is no room."""
        temporary = self.folder / f"{number}.partial.npy"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            np.save(temporary, np.stack([mean, variance]))
            os.replace(temporary, self.folder / f"{number}.npy")
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise FAError(
                "bad-input",
                f"Cannot write to {self.folder}",
                error.strerror or str(error),
                "Make room and run again with --resume",
            ) from error

    def __len__(self) -> int:
        """Number of passes that are there."""
        return sum(p.stem.isdigit() for p in self.folder.glob("*.npy"))

    def remove(self) -> None:
        """Delete what was kept."""
        shutil.rmtree(self._root, ignore_errors=True)
