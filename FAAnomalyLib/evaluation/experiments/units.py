"""Units of work of an experiment: each is computed once, by whoever comes first, and stored as one file."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..._version import __version__
from ...errors import FAError
from ...io.atomic import atomic_write, cannot_write
from ...io.claims import Claims, wait_for_others
from ...runtime.progress import told_what_is_kept

FORMAT = 2
"""Raised whenever the meaning of a unit changes, so that older ones are not reused."""


@dataclass(frozen=True)
class Unit:
    """One piece of work.

    Attributes
    ----------
    kind
        What is done; names the function that does it.
    subject
        Name of the FA map.
    method
        Name of the method or network.
    setting
        Further plain values that say what is done, by name.
    identity
        Everything else that decides the result: hashes of files and weights, seed.
    """

    kind: str
    subject: str
    method: str
    setting: dict[str, Any] = field(default_factory=dict)
    identity: tuple = ()

    @property
    def text(self) -> str:
        """Everything that decides the result, as JSON."""
        return json.dumps({"faanomaly": __version__, "format": FORMAT, **asdict(self)}, sort_keys=True)

    @property
    def name(self) -> str:
        """Stem of its file."""
        return f"{self.kind}-{hashlib.sha256(self.text.encode()).hexdigest()[:24]}"

    def __hash__(self) -> int:
        return hash(self.text)


@dataclass(frozen=True, eq=False)
class Finished:
    """Result of a unit.

    Attributes
    ----------
    row
        Plain values. ``left_out`` says why a unit could not be computed.
    arrays
        By name.
    """

    row: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class UnitStore:
    """Finished units in ``units/`` of a folder that several processes or machines may share.

    Parameters
    ----------
    output
        Folder of the experiment.
    """

    def __init__(self, output: Path) -> None:
        self.folder = output / "units"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        self.claims = Claims(self.folder)

    def has(self, unit: Unit) -> bool:
        """Whether the unit is finished."""
        return self._path(unit).is_file()

    def read(self, unit: Unit) -> Finished | None:
        """The result of a unit; None where it is not finished, or its file is damaged and was removed."""
        path = self._path(unit)
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = dict(stored)
            row = json.loads(str(arrays.pop("row")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            path.unlink(missing_ok=True)
            return None
        return Finished(row, arrays)

    def write(self, unit: Unit, finished: Finished) -> None:
        """Store a unit in one file, whole or not at all; raises ``FAError('bad-input')``."""
        content: dict[str, Any] = {**finished.arrays, "row": json.dumps(finished.row, allow_nan=False, default=float)}
        try:
            with atomic_write(self._path(unit), unique_suffix=".npz") as temporary:
                np.savez_compressed(temporary, **content)
        except OSError as error:
            raise cannot_write(self.folder, error) from error

    def told_what_is_kept(self) -> AbstractContextManager[None]:
        """Context manager in which a cancelled experiment tells where its finished units are."""
        return told_what_is_kept(lambda: f"finished units are kept in {self.folder}", "Run it again to go on")

    def _path(self, unit: Unit) -> Path:
        return self.folder / f"{unit.name}.npz"


def finish_units(
    units: Sequence[Unit],
    compute: Callable[[Unit], Finished],
    store: UnitStore,
    on_progress: Callable[[int], None],
) -> None:
    """Compute every unit that nobody has finished; return when all are, by this process or by others.

    Parameters
    ----------
    units
        In the order in which they are tried.
    compute
        Result of a unit. An ``FAError('bad-input')`` is stored as the reason why it is left out; others end the run.
    store
        Where finished units are.
    on_progress
        Called with the number of finished units; may raise to cancel.
    """
    pending = [unit for unit in units if not store.has(unit)]
    done = len(units) - len(pending)
    on_progress(done)
    while pending:
        elsewhere, worked = [], False
        for unit in pending:
            if not store.has(unit):
                with store.claims.claim(unit.name) as ours:
                    if not ours:
                        elsewhere.append(unit)
                        continue
                    if not store.has(unit):
                        store.write(unit, _computed(unit, compute))
                        worked = True
            done += 1
            on_progress(done)
        pending = elsewhere
        if pending and not worked:
            wait_for_others()
            on_progress(done)


def _computed(unit: Unit, compute: Callable[[Unit], Finished]) -> Finished:
    try:
        return compute(unit)
    except FAError as error:
        if error.code != "bad-input":
            raise
        return Finished({"left_out": str(error)})
