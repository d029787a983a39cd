"""Finished inpainting passes on disk, so that a run of hours can be resumed after an interruption."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from ..errors import FAError
from ..runtime.progress import told_what_is_kept
from .atomic import atomic_write

FOLDER = ".passes"
"""Hidden folder inside the output folder."""
GO_ON = "Run again with --resume to go on"


class PassCache:
    """Finished passes of one run, kept in the output folder until the run is complete.

    Parameters
    ----------
    folder
        The output folder.
    identity
        Text of everything that the content of the passes depends on; passes of another identity are not found.
    resume
        Whether passes of an interrupted run may be used; otherwise they are removed.
    """

    def __init__(self, folder: Path, identity: str, resume: bool) -> None:
        root = folder / FOLDER
        self.folder = root / hashlib.sha256(identity.encode(errors="surrogatepass")).hexdigest()[:16]
        self._root = root
        if not resume:
            self.remove()

    def read(self, number: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and variance, each (X, Y, Z), of a finished pass; None when its file is absent or incomplete."""
        try:
            mean, variance = np.load(self.folder / f"{number}.npy", allow_pickle=False)
        except (OSError, EOFError, ValueError):
            return None
        return mean, variance

    def write(self, number: int, mean: np.ndarray, variance: np.ndarray) -> None:
        """Keep a finished pass; raises ``FAError('bad-input')`` when it cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with atomic_write(self.folder / f"{number}.npy") as temporary, open(temporary, "wb") as handle:
                np.save(handle, np.stack([mean, variance]))
        except OSError as error:
            raise FAError(
                "bad-input",
                f"Cannot write to {self.folder}",
                error.strerror or str(error),
                "Make room and run again with --resume",
            ) from error

    def __len__(self) -> int:
        """Number of passes that are kept."""
        return sum(p.stem.isdigit() for p in self.folder.glob("*.npy"))

    def remove(self) -> None:
        """Delete all passes, those of other identities too."""
        shutil.rmtree(self._root, ignore_errors=True)


def told_which_passes(cache: PassCache | None, total: int) -> AbstractContextManager[None]:
    """Context manager in which a cancelled run tells how many of its *total* passes it has left in *cache*."""

    def kept() -> str:
        return f"{len(cache)} of {total} passes are kept in {cache.folder.parent}" if cache else ""

    return told_what_is_kept(kept, GO_ON)


def told_all_is_kept(folder: Path) -> AbstractContextManager[None]:
    """Context manager in which a run that is cancelled after its last pass tells that its passes are kept."""
    passes = folder / FOLDER
    return told_what_is_kept(lambda: f"all passes are kept in {passes}" if passes.is_dir() else "", GO_ON)
