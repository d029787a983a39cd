"""A data set prepared subject by subject: finished ones are skipped, bad ones told and left out, all recorded.

Of every finished subject there is a record ``records/NAME.json``, written last: what it was made from, with which
settings, and the SHA-256 of what was read and written. ``manifest.json`` gathers the records.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .._version import __version__
from ..errors import FAError
from ..io.atomic import atomic_write, cannot_write
from ..models.manifest import sha256_of
from ..runtime.progress import CancelToken, Progress, ProgressCallback, told_what_is_kept

RECORDS = "records"
MANIFEST = "manifest.json"
FORMAT = 1
STAGE = "preparing"


class Named(Protocol):
    """What is prepared."""

    @property
    def name(self) -> str: ...


Item = TypeVar("Item", bound=Named)


@dataclass(frozen=True)
class Made:
    """What preparing one subject gave.

    Attributes
    ----------
    files
        That were written, below the output folder.
    facts
        Plain values for the record.
    remarks
        For the user, one sentence each.
    """

    files: tuple[Path, ...]
    facts: dict[str, Any]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preparation:
    """How the subjects of a data set are prepared.

    Attributes
    ----------
    output
        Folder.
    settings
        Everything but the subject's own files that decides the result, as plain values.
    sources
        Files that a subject is made from.
    make
        Prepares one subject; an ``FAError('bad-input')`` leaves that subject out.
    report
        Called with a line for the user.
    progress, cancel
        As in :class:`~FAAnomalyLib.runtime.progress.Progress`.
    """

    output: Path
    settings: dict[str, Any]
    sources: Callable[[Any], Sequence[Path]]
    make: Callable[[Any], Made]
    report: Callable[[str], None] = print
    progress: ProgressCallback | None = None
    cancel: CancelToken | None = None


@dataclass(frozen=True)
class PreparedData:
    """What became of a data set.

    Attributes
    ----------
    records
        Of the subjects that are ready, by name.
    left_out
        Name -> reason.
    skipped
        How many were finished before.
    """

    records: dict[str, dict[str, Any]]
    left_out: dict[str, str]
    skipped: int


def prepare_all(items: Sequence[Item], preparation: Preparation) -> PreparedData:
    """Prepare every subject that is not ready.

    Raises
    ------
    FAError
        ``cancelled``: finished subjects stay and are skipped the next time. ``bad-input`` when the output cannot be
        written or nobody could be prepared. Errors of other codes as they come.
    """
    output, progress = preparation.output, Progress(preparation.progress, preparation.cancel, {STAGE: 1.0})
    try:
        (output / RECORDS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(output, error) from error
    records: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    skipped = 0
    with told_what_is_kept(lambda: f"{len(records)} of {len(items)} subjects are ready in {output}"):
        waiting = []
        for item in items:
            record = _record(item, preparation)
            if record is None:
                waiting.append(item)
            else:
                records[item.name] = record
                skipped += 1
        for number, item in enumerate(waiting):
            progress.step(STAGE, number / len(waiting))
            try:
                records[item.name] = _prepared(item, preparation)
            except FAError as error:
                if error.code != "bad-input":
                    raise
                left_out[item.name] = str(error)
                preparation.report(f"left out {item.name}: {error}")
    progress.finish()
    if not records:
        raise FAError(
            "bad-input", "No subject could be prepared", f"{len(left_out)} were left out", "The lines above say why"
        )
    return PreparedData(records, left_out, skipped)


def write_manifest(
    output: Path, kind: str, settings: dict[str, Any], outcome: PreparedData, split: dict[str, str]
) -> None:
    """Write ``manifest.json``; *kind* names the data set. Raises ``FAError('bad-input')``."""
    content = {
        "format": FORMAT,
        "faanomaly": __version__,
        "data": kind,
        "settings": settings,
        "subjects": {name: {"set": split.get(name), **outcome.records[name]} for name in sorted(outcome.records)},
        "left_out": outcome.left_out,
    }
    _write(output / MANIFEST, content)


def read_manifest(output: Path) -> dict[str, Any]:
    """The manifest of a prepared data set; raises ``FAError('bad-input')`` where there is none that fits."""
    try:
        content = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
        if content["format"] != FORMAT or not isinstance(content["subjects"], dict):
            raise ValueError("it is of another version")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FAError(
            "bad-input",
            f"There is no prepared data set in {output}",
            f"{MANIFEST} cannot be used ({getattr(error, 'strerror', None) or error})",
            "Make it with faanomaly preprocess",
        ) from error
    return content


def _prepared(item: Named, preparation: Preparation) -> dict[str, Any]:
    made = preparation.make(item)
    output = preparation.output
    record = {
        "key": _key(item, preparation),
        "made_from": {path.name: sha256_of(path) for path in preparation.sources(item)},
        "files": {path.relative_to(output).as_posix(): sha256_of(path) for path in made.files},
        **made.facts,
        "remarks": list(made.remarks),
    }
    for remark in made.remarks:
        preparation.report(f"{item.name}: {remark}")
    _write(output / RECORDS / f"{item.name}.json", record)
    return record


def _record(item: Named, preparation: Preparation) -> dict[str, Any] | None:
    """The record of a finished subject whose files are there; None otherwise."""
    output = preparation.output
    try:
        record = json.loads((output / RECORDS / f"{item.name}.json").read_text(encoding="utf-8"))
        ready = record["key"] == _key(item, preparation) and all((output / name).is_file() for name in record["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if ready else None


def _key(item: Named, preparation: Preparation) -> str:
    """Hash of everything that decides a subject; sizes and times of files stand for their contents."""
    files = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in preparation.sources(item)
        if path.is_file()
    ]
    settings = json.dumps(preparation.settings, sort_keys=True)
    return hashlib.sha256(repr((__version__, files, settings)).encode()).hexdigest()


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        with atomic_write(path, unique_suffix=".json") as temporary:
            temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
