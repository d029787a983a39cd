"""Messages of the worker's protocol: one JSON object a line; see docs/worker-protocol.md."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import FAError

if TYPE_CHECKING:
    from ..result import Result

PROTOCOL = 1
"""Version of the protocol; it rises with every change that a client must know."""
PREVIEW = "preview"
JOB_METHODS = ("detect", "inpaint", PREVIEW)
"""Methods that start a job; ``cancel`` and ``shutdown`` are answered at once."""
QUOTED_CHARACTERS = 80
"""At most so much of a wrong line is repeated in an error."""


def encode(message: dict[str, Any]) -> str:
    """*message* as one line of strict JSON: no NaN, no line break.

    Examples
    --------
    >>> encode({"type": "result", "id": 2, "cancelled": True})
    '{"type": "result", "id": 2, "cancelled": true}'
    """
    return json.dumps(message, allow_nan=False)


def hello_fields() -> dict[str, Any]:
    """The fields of the first message: who speaks, and from which folder, so that another copy is not taken for it."""
    folder = Path(__file__).resolve().parents[1]
    return {"version": __version__, "protocol": PROTOCOL, "pid": os.getpid(), "folder": str(folder)}


def parse_request(line: str) -> dict[str, Any]:
    """Parse one incoming line.

    Returns
    -------
    dict
        With ``id`` (None where the line has none); the other keys are not checked yet.

    Raises
    ------
    FAError
        ``bad-request`` when the line is not a JSON object, or its id is neither a whole number nor a text.

    Examples
    --------
    >>> parse_request('{"method": "shutdown"}')
    {'method': 'shutdown', 'id': None}
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FAError("bad-request", "The line is no JSON", str(error), "Send one object a line") from error
    if not isinstance(message, dict):
        raise FAError(
            "bad-request", "The line is no JSON object", line.strip()[:QUOTED_CHARACTERS], "Send one object a line"
        )
    if not isinstance(message.setdefault("id", None), (int, str, type(None))):
        raise FAError("bad-request", "The id is neither a whole number nor a text", "", "Send another id")
    return message


def preview_fields(expected: Path, seconds: float) -> dict[str, Any]:
    """The fields of a finished preview's ``result`` message: its only file, and how long it took."""
    path = expected.absolute()
    return {"output": str(path.parent), "files": {"expected": str(path)}, "seconds": round(seconds, 3)}


def job_fields(result: Result, output: str, seconds: float) -> dict[str, Any]:
    """The fields of a finished job's ``result`` message.

    Parameters
    ----------
    result
        Whose files are in *output*.
    output
        Folder of the result files.
    seconds
        That the job took.
    """
    from ..reporting.result_files import RESULT_FILES

    folder = Path(output).absolute()
    return {
        "output": str(folder),
        "files": {name.partition(".")[0]: str(folder / name) for name in RESULT_FILES if name != "result.json"},
        "regions": [asdict(region) for region in result.regions],
        "detectable_change": list(result.provenance.get("detectable_change", [])),
        "warnings": list(result.provenance.get("warnings", [])),
        "seconds": round(seconds, 3),
    }
