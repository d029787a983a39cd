"""Scores that are finished, one small file each, so that an evaluation can continue after an interruption."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .._version import __version__
from ..errors import FAError
from ..io.atomic import atomic_write, cannot_write
from .cases import Case

FOLDER = "records"
RECORD = 5
"""Raised whenever the meaning of the rows changes, so that older records are not reused."""


def record_identity(method: str, method_identity: str, subject: list[str], case: Case | None = None) -> str:
    """Everything that decides the rows of a scored volume, as JSON text; *case* is None for the untouched brain.

    *subject* is :attr:`~.planting.lesion_simulator.LesionSimulator.fingerprint`. The text is stored, its keys
    included: records of another text are not reused.
    """
    return _as_text(
        {
            "faanomaly": __version__,
            "record": RECORD,
            "method": method,
            "judge": method_identity,
            "study": subject,
            "case": None if case is None else asdict(case),
        }
    )


def _as_text(identity: dict) -> str:
    return json.dumps(identity, sort_keys=True)


class RecordStore:
    """Rows and arrays of scored volumes by their :func:`record_identity`.

    Parameters
    ----------
    output
        Folder of the evaluation; the records lie in ``records/`` inside it.
    resume
        Whether existing records are reused; otherwise they are removed.
    """

    def __init__(self, output: Path, resume: bool) -> None:
        self.folder = output / FOLDER
        if not resume:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.written = 0

    def read(self, identity: str) -> list[dict] | None:
        """The rows of a record; None when it is missing or damaged."""
        record = _read_json(self._path(identity, ".json"))
        return record["rows"] if record.get("identity") == identity else None

    def arrays(self, identity: str) -> dict[str, np.ndarray]:
        """The arrays of a record; raises ``FAError('bad-input')`` when they are missing or damaged."""
        try:
            with np.load(self._path(identity, ".npz"), allow_pickle=False) as stored:
                return dict(stored)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            raise FAError(
                "bad-input", f"A record in {self.folder} is damaged", "", "Run again without --resume"
            ) from None

    def planted_cases(self) -> dict[str, list[Case]]:
        """All planted cases of all runs in this folder, by the identity of their untouched brain's record."""
        cases: dict[str, list[Case]] = {}
        for record in map(_read_json, sorted(self.folder.glob("*.json"))):
            identity = json.loads(record["identity"]) if isinstance(record.get("identity"), str) else {}
            if identity.get("case") is not None:
                cases.setdefault(_as_text({**identity, "case": None}), []).append(Case(**identity["case"]))
        return cases

    def write(self, identity: str, rows: list[dict], arrays: dict[str, np.ndarray] | None = None) -> None:
        """Write a record, the rows last: where there are rows, the arrays are complete.

        Raises ``FAError('bad-input')`` when the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if arrays is not None:
                with atomic_write(self._path(identity, ".npz")) as temporary, open(temporary, "wb") as handle:
                    # NumPy's stub thinks that the names might be its own keyword.
                    np.savez_compressed(handle, **arrays)  # type: ignore[arg-type]
            content = json.dumps({"identity": identity, "rows": rows}, allow_nan=False, default=float)
            with atomic_write(self._path(identity, ".json")) as temporary:
                temporary.write_text(content, encoding="utf-8")
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        self.written += 1

    def _path(self, identity: str, ending: str) -> Path:
        return self.folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}{ending}"


def _read_json(path: Path) -> dict:
    """Content of a record's file; empty when it is missing or damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
