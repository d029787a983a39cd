"""The worker: answers requests one job at a time, and hears ``cancel`` while a job runs.

The protocol is in docs/worker-protocol.md. One thread reads requests; a second one runs the job. The detector, and with
it the loaded model, is kept from job to job.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FAError
from ..request import DetectRequest
from ..runtime.error_translation import as_fa_error
from ..runtime.progress import CancelToken, ProgressCallback
from .messages import (
    JOB_METHODS,
    PREVIEW,
    QUOTED_CHARACTERS,
    encode,
    hello_fields,
    job_fields,
    parse_request,
    preview_fields,
)

if TYPE_CHECKING:
    from ..pipeline.jobs import DetectorProtocol

PROGRESS_SECONDS = 0.1
"""Shortest time between two ``progress`` messages of a job."""
LOOK_SECONDS = 0.05
"""How often a job looks for a cancel while it waits for the detector."""
GRACE_SECONDS = 10.0
"""How long a cancelled job may take to stop before the process ends without it."""

RequestId = int | str | None


class WorkerServer:
    """Answers the requests of one client.

    Parameters
    ----------
    make_detector
        Called at the first job; the detector is kept for the next ones, until memory runs out.
    send
        Called with every encoded message, from two threads.
    """

    def __init__(self, make_detector: Callable[[], DetectorProtocol], send: Callable[[str], None]) -> None:
        self._make_detector = make_detector
        self._send = send
        self._detector: DetectorProtocol | None = None
        self._making: _Making | None = None
        self._lock = threading.Lock()
        self._job: tuple[RequestId, CancelToken] | None = None
        self._thread: threading.Thread | None = None

    def serve(self, lines: Iterable[str]) -> None:
        """Send ``hello``, then answer *lines* until they end or one asks for ``shutdown``."""
        self._reply("hello", None, **hello_fields())
        for line in lines:
            if line.strip() and not self._answer(line):
                return

    def stop(self, grace: float) -> bool:
        """Cancel the running job; returns whether it ended within *grace* seconds."""
        self._cancel(None)
        if self._thread is not None:
            self._thread.join(grace)
            return not self._thread.is_alive()
        return True

    def _answer(self, line: str) -> bool:
        """Answer one request; returns whether to go on."""
        request_id: RequestId = None
        try:
            message = parse_request(line)
            request_id, method, params = message["id"], message.get("method"), message.get("params") or {}
            if not isinstance(params, dict):
                raise FAError(
                    "bad-request", "params is no object", repr(params)[:QUOTED_CHARACTERS], 'Send "params": {…}'
                )
            if method in JOB_METHODS:
                self._start(request_id, method, params)
            elif method == "cancel":
                self._reply("result", request_id, cancelled=self._cancel(params.get("id")))
            elif method == "shutdown":
                self._reply("result", request_id)
                return False
            else:
                known = f"Known are {', '.join(JOB_METHODS)}, cancel, shutdown"
                raise FAError("bad-request", f"Unknown method {method!r}", "", known)
        except Exception as error:
            self._reply_error(request_id, error)
        return True

    def _start(self, request_id: RequestId, method: str, params: dict[str, Any]) -> None:
        """Check the request and run it in a thread of its own."""
        request = DetectRequest.from_dict(params).check()
        if not request.output:
            raise FAError("bad-request", "No output folder is given", "results travel as files", "Send output")
        cancel = CancelToken()
        with self._lock:
            if self._job is not None:
                raise FAError(
                    "bad-request",
                    "The worker is busy",
                    f"request {self._job[0]!r} is running",
                    "Wait for its end or cancel it",
                )
            self._job = request_id, cancel
        arguments = (request_id, cancel, method, request, request.output)
        self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)
        self._thread.start()

    def _run(
        self, request_id: RequestId, cancel: CancelToken, method: str, request: DetectRequest, output: str
    ) -> None:
        started = time.monotonic()
        failure: BaseException | None = None
        answer = ""
        try:
            from ..pipeline.jobs import run_job, run_preview

            warm, progress = partial(self._warm_detector, cancel), self._progress(request_id)
            if method == PREVIEW:
                shown = run_preview(request, Path(output), warm, progress=progress, cancel=cancel)
                fields = preview_fields(shown, time.monotonic() - started)
            else:
                result = run_job(method, request, warm, progress=progress, cancel=cancel)
                fields = job_fields(result, output, time.monotonic() - started)
            answer = encode({"type": "result", "id": request_id, **fields})
        except BaseException as error:
            failure = error
            if as_fa_error(error).code == "out-of-memory":
                self._detector = None  # so that the next job starts with all the memory
        with self._lock:
            self._job = None  # before the answer: its reader may send the next request at once
        if failure is None:
            self._send(answer)
        else:
            self._reply_error(request_id, failure)

    def _warm_detector(self, cancel: CancelToken) -> DetectorProtocol:
        """The detector; while it is made, which imports torch for seconds, a cancelled job does not wait for it."""
        if self._detector is None:
            self._making = self._making or _Making(self._make_detector)
            try:
                self._detector = self._making.made(cancel)
            finally:
                if not self._making.going_on:
                    self._making = None
        return self._detector

    def _progress(self, request_id: RequestId) -> ProgressCallback:
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

    def _cancel(self, request_id: RequestId) -> bool:
        """Cancel the running job if it has this id, or whatever its id for None; returns whether there was one."""
        with self._lock:
            if self._job is None or request_id not in (None, self._job[0]):
                return False
            self._job[1].cancel()
            return True

    def _reply(self, kind: str, request_id: RequestId, **fields: Any) -> None:
        self._send(encode({"type": kind, "id": request_id, **fields}))

    def _reply_error(self, request_id: RequestId, error: BaseException) -> None:
        failure = as_fa_error(error)
        if failure.code == "bug":
            with suppress(OSError, ValueError):  # standard error may be closed or full; the answer is sent all the same
                traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
        self._reply("error", request_id, **failure.as_dict())


class _Making:
    """A detector that is being made in a thread of its own, for whichever job comes to need it."""

    def __init__(self, make: Callable[[], DetectorProtocol]) -> None:
        self._make = make
        self._detector: DetectorProtocol | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def going_on(self) -> bool:
        """Whether it is not made yet."""
        return self._thread.is_alive()

    def made(self, cancel: CancelToken) -> DetectorProtocol:
        """The detector once it is made; raises what making it raised, or ``FAError('cancelled')``."""
        while self._thread.is_alive():
            cancel.check()
            self._thread.join(LOOK_SECONDS)
        if self._failure is not None:
            raise self._failure
        assert self._detector is not None, "the thread has ended"
        return self._detector

    def _run(self) -> None:
        try:
            self._detector = self._make()
        except BaseException as error:
            self._failure = error
