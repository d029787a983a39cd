"""``faanomaly worker``: the background process behind the Slicer panel.

One JSON object a line. Incoming: ``{"id": …, "method": "detect" | "inpaint" | "cancel" |
"shutdown", "params": {…}}``; the parameters of ``detect`` and ``inpaint`` are the fields of
:class:`~FAAnomalyLib.request.DetectRequest`, ``cancel`` takes the ``id`` of the job or nothing.
Outgoing: ``{"type": "hello" | "progress" | "result" | "error", "id": …, …}``. Every request is
answered by exactly one ``result`` or ``error`` with its id. The end of input means cancel and
exit, so that no process outlives the program that started it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import FAError
from ..request import DetectRequest
from ..runtime.error_translation import as_fa_error
from ..runtime.progress import CancelToken
from .stdio_channel import StdioChannel, encode

if TYPE_CHECKING:
    from ..pipeline.jobs import DetectorProtocol
    from ..result import Result

PROTOCOL = 1
JOB_METHODS = ("detect", "inpaint")
PROGRESS_SECONDS = 0.1
GRACE_SECONDS = 10.0
"""How long a job may take to notice that it is cancelled before the process ends without it."""


class Worker:
    """Answers requests one job at a time; the reader stays free to hear ``cancel``.

    Parameters
    ----------
    make_detector
        Makes the detector at the first job; it is kept for the next ones.
    send
        Takes an encoded line; called from two threads.
    """

    def __init__(self, make_detector: Callable[[], DetectorProtocol], send: Callable[[str], None]) -> None:
        self._make_detector = make_detector
        self._send = send
        self._detector: DetectorProtocol | None = None
        self._lock = threading.Lock()
        self._job: tuple[Any, CancelToken] | None = None
        self._thread: threading.Thread | None = None

    def serve(self, lines: Iterable[str]) -> None:
        """Say hello, then answer *lines* until they end or one says ``shutdown``."""
        self._reply("hello", None, version=__version__, protocol=PROTOCOL, pid=os.getpid())
        for line in lines:
            if line.strip() and not self._answer(line):
                return

    def stop(self, grace: float) -> bool:
        """Cancel the running job; whether it ended within *grace* seconds."""
        self._cancel(None)
        if self._thread is not None:
            self._thread.join(grace)
            return not self._thread.is_alive()
        return True

    def _answer(self, line: str) -> bool:
        request_id = None
        try:
            message = _parse(line)
            request_id, method, params = message["id"], message.get("method"), message.get("params") or {}
            if not isinstance(params, dict):
                raise FAError("bad-request", "params is no object", repr(params)[:80], 'Send "params": {…}')
            if method in JOB_METHODS:
                self._start(request_id, method, params)
            elif method == "cancel":
                self._reply("result", request_id, cancelled=self._cancel(params.get("id")))
            elif method == "shutdown":
                self._reply("result", request_id)
                return False
            else:
                raise FAError(
                    "bad-request",
                    f"Unknown method {method!r}",
                    "",
                    f"Known are {', '.join(JOB_METHODS)}, cancel, shutdown",
                )
        except Exception as error:
            self._reply_error(request_id, error)
        return True

    def _start(self, request_id: Any, method: str, params: dict) -> None:
        request = DetectRequest.from_dict(params).check()
        if not request.output:
            raise FAError("bad-request", "No output folder is given", "results travel as files", "Send output")
        with self._lock:
            if self._job is not None:
                raise FAError(
                    "bad-request",
                    "The worker is busy",
                    f"request {self._job[0]!r} is running",
                    "Wait for its end or cancel it",
                )
            self._job = request_id, CancelToken()
        self._thread = threading.Thread(target=self._run, args=(*self._job, method, request), daemon=True)
        self._thread.start()

    def _run(self, request_id: Any, cancel: CancelToken, method: str, request: DetectRequest) -> None:
        started = time.monotonic()
        failure = None
        try:
            from ..pipeline.jobs import run_job

            result = run_job(method, request, self._warm_detector, progress=self._progress(request_id), cancel=cancel)
            answer = encode(
                {
                    "type": "result",
                    "id": request_id,
                    **_describe(result, request),
                    "seconds": round(time.monotonic() - started, 3),
                }
            )
        except BaseException as error:
            failure = error
            if as_fa_error(error).code == "out-of-memory":
                self._detector = None  # so that the next job starts with all the memory
        with self._lock:
            self._job = None  # before the answer: who has read it may send the next request
        if failure is None:
            self._send(answer)
        else:
            self._reply_error(request_id, failure)

    def _warm_detector(self) -> DetectorProtocol:
        if self._detector is None:
            self._detector = self._make_detector()
        return self._detector

    def _progress(self, request_id: Any) -> Callable[[float, str, float | None], None]:
        last = float("-inf")

        def report(fraction: float, stage: str, eta_seconds: float | None) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= PROGRESS_SECONDS:
                last = now
                self._reply(
                    "progress",
                    request_id,
                    fraction=round(float(fraction), 4),
                    stage=stage,
                    eta_s=None if eta_seconds is None else round(float(eta_seconds), 1),
                )

        return report

    def _cancel(self, request_id: Any) -> bool:
        with self._lock:
            if self._job is None or request_id not in (None, self._job[0]):
                return False
            self._job[1].cancel()
            return True

    def _reply(self, kind: str, request_id: Any, **fields: Any) -> None:
        self._send(encode({"type": kind, "id": request_id, **fields}))

    def _reply_error(self, request_id: Any, error: BaseException) -> None:
        failure = as_fa_error(error)
        if failure.code == "bug":
            traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
        self._reply("error", request_id, **failure.as_dict())


def _parse(line: str) -> dict:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FAError("bad-request", "The line is no JSON", str(error), "Send one object a line") from error
    if not isinstance(message, dict):
        raise FAError("bad-request", "The line is no JSON object", line.strip()[:80], "Send one object a line")
    if not isinstance(message.setdefault("id", None), (int, str, type(None))):
        raise FAError("bad-request", "The id is neither a whole number nor a text", "", "Send another id")
    return message


def _describe(result: Result, request: DetectRequest) -> dict:
    from ..reporting.result_files import RESULT_FILES

    folder = Path(request.output).absolute()
    return {
        "output": str(folder),
        "files": {name.partition(".")[0]: str(folder / name) for name in RESULT_FILES if name != "result.json"},
        "regions": [asdict(region) for region in result.regions],
        "warnings": list(result.provenance.get("warnings", [])),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options of its own."""


def run(args: argparse.Namespace) -> int:
    """Serve standard input until it ends."""
    # Volumes of patients travel through the output folder: whatever this process makes is the user's alone.
    os.umask(0o077)
    channel = StdioChannel()
    worker = Worker(_make_detector, channel.send)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end_of_input)
    try:
        worker.serve(channel.lines())
    except KeyboardInterrupt:
        pass
    if not worker.stop(GRACE_SECONDS):
        os._exit(0)  # the job hangs in a long call; it writes nothing before it has looked at its token
    return 0


def _end_of_input(*_) -> None:
    raise KeyboardInterrupt


def _make_detector() -> DetectorProtocol:
    from ..pipeline.detector import Detector

    return Detector()
