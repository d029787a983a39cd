"""Finished judgements of an evaluation, one small file each, so that it can go on after an interruption."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..io.atomic import atomic_write, cannot_write

FOLDER = "records"


class RecordStore:
    """Records by everything that decides them.

    Parameters
    ----------
    output
        The evaluation's folder; the records lie in ``records/`` inside it.
    resume
        Whether records that are there may be used; otherwise they are removed.
    """

    def __init__(self, output: Path, resume: bool) -> None:
        self.folder = output / FOLDER
        if not resume:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.written = 0

    def read(self, identity: str) -> list[dict] | None:
        """The rows of a finished judgement; None when it is not there or not whole."""
        kept = _record(self._path(identity, ".json"))
        return kept["rows"] if kept.get("identity") == identity else None

    def identities(self) -> list[str]:
        """Of all records that are there and whole, in the order of their files' names."""
        kept = map(_record, sorted(self.folder.glob("*.json")))
        return [one["identity"] for one in kept if isinstance(one.get("identity"), str)]

    def arrays(self, identity: str) -> dict[str, np.ndarray] | None:
        """The arrays kept with a judgement; None when they are not there or not whole."""
        try:
            with np.load(self._path(identity, ".npz"), allow_pickle=False) as stored:
                return dict(stored)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None

    def write(self, identity: str, rows: list[dict], arrays: dict[str, np.ndarray] | None = None) -> None:
        """Keep a judgement; the rows last, so that they vouch for the arrays.

        Raises ``FAError('bad-input')`` when there is no room.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if arrays is not None:
                with atomic_write(self._path(identity, ".npz")) as temporary, open(temporary, "wb") as handle:
                    np.savez_compressed(handle, **arrays)
            content = json.dumps({"identity": identity, "rows": rows}, allow_nan=False, default=float)
            with atomic_write(self._path(identity, ".json")) as temporary:
                temporary.write_text(content, encoding="utf-8")
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        self.written += 1

    def _path(self, identity: str, ending: str) -> Path:
        return self.folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}{ending}"


def _record(path: Path) -> dict:
    """What is written there; empty when it is not there or not whole."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
