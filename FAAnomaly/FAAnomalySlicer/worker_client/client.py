"""Client of the engine: its process is kept running between jobs, and runs one job at a time."""

from __future__ import annotations

import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Mapping

from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..events.signal import Signal
from ..events.timer import Timer
from .failure_messages import error_of_answer, error_of_exit
from .job import CANCELLING, RUNNING, WAITING, Job, cancelled
from .process import Process, ProcessExit
from .session import WorkerSession
from .termination import Timeouts

LOG_LINES = 200
DEFAULT_TIMEOUTS = Timeouts()


class EngineClient:
    """Starts the worker when it is needed, sends it jobs and reports how they ended.

    Nothing here blocks. Where no event loop runs, :meth:`poll` has to be called until the job is over.

    Parameters
    ----------
    make_process
        Makes an unstarted :class:`~.process.Process`.
    command, environment
        The worker's command line, and the variables that differ from this process' own; None removes one.
    timer
        Calls back later: ``QtTimer`` or ``PollTimer``, as fits the process.
    timeouts
        How long the worker may take before its process is ended.
    refuse
        Called with the worker's ``hello``; an error that it returns ends the worker.

    Attributes
    ----------
    log
        Emits the worker's log, a line at a time (``str``).
    state
        Emits ``stopped``, ``starting``, ``ready``, ``busy`` or ``ending`` when it changes.
    status
        The state last emitted.
    recent_log
        The last 200 lines of the log.
    """

    def __init__(
        self,
        make_process: Callable[[], Process],
        command: list[str],
        environment: Mapping[str, str | None],
        timer: Timer,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        refuse: Callable[[dict], FAError | None] = lambda hello: None,
    ) -> None:
        self.log, self.state = Signal(), Signal()
        self.status = "stopped"
        self.recent_log: deque[str] = deque(maxlen=LOG_LINES)
        self._make_process, self._command, self._environment = make_process, command, environment
        self._timer, self._timeouts, self._refuse = timer, timeouts, refuse
        self._numbers = itertools.count(1)
        self._session: WorkerSession | None = None
        self._closing: list[WorkerSession] = []
        self._job: Job | None = None

    @property
    def job(self) -> Job | None:
        """The job in flight."""
        return self._job

    @property
    def engine_version(self) -> str | None:
        """The version of the running engine; ``None`` before its hello."""
        hello = self._session.hello if self._session else None
        return str(hello.get("version")) if hello else None

    def start(self) -> None:
        """Start the worker ahead of the first job; without effect when it runs."""
        self._running_session()

    def submit(self, method: str, params: dict) -> Job:
        """Ask for ``detect`` or ``inpaint``; the job is running or waits for the worker to start.

        Raises
        ------
        FAError
            ``bad-request`` when a job is in flight or *params* cannot travel as JSON.
        """
        if self._job is not None:
            raise FAError(
                "bad-request",
                _("The engine is busy"),
                _("another run has not ended yet"),
                _("Wait for its end or cancel it"),
            )
        job = Job(next(self._numbers), method, params, self.cancel)
        _encode(job.id, method, params)  # an error is raised here, in the caller's turn
        session = self._running_session()
        self._job = job
        if session.hello is not None:
            self._begin(job, session)
        self._update_status()
        return job

    def cancel(self, job: Job) -> None:
        """End *job*: the worker is asked first; when it does not answer, its process is ended."""
        session = self._session
        if session is None or job is not self._job or job.state == CANCELLING:
            return
        if job.state == WAITING:
            self._end_job(error=cancelled())
            return
        job.state = CANCELLING
        session.send(_encode(next(self._numbers), "cancel", {"id": job.id}))
        self._timer.after(self._timeouts.cancel, lambda: self._force_end(job, session))

    def shutdown(self) -> None:
        """End the worker, and with it the job in flight. Does not wait; works while Slicer quits, too.

        Another job can be submitted as soon as the one in flight is over.
        """
        if self._session is None:
            return
        if self._job is not None:
            self.cancel(self._job)
        self._session.close()
        self._update_status()

    def poll(self, seconds: float = 0.0) -> None:
        """Deliver output, waiting at most *seconds* for it. Without effect where Qt's event loop does it."""
        for session in list(self._closing):
            session.poll(0.0)
        if self._session is not None:
            self._session.poll(seconds)
        self._timer.poll()

    def _running_session(self) -> WorkerSession:
        if self._session is not None and self._session.closing and self._job is None:
            self._closing.append(self._session)
            self._session = None
        return self._session or self._open_session()

    def _open_session(self) -> WorkerSession:
        session = self._session = WorkerSession(self._make_process(), self._timer, self._timeouts, self._refuse)
        session.log.connect(self._on_log)
        session.greeted.connect(lambda: self._on_greeted(session))
        session.message.connect(lambda message: self._on_message(session, message))
        session.unusable.connect(lambda error: self._on_unusable(session, error))
        session.ended.connect(lambda ending: self._on_ended(session, ending))
        session.start(self._command, self._environment)
        self._update_status()
        return session

    def _begin(self, job: Job, session: WorkerSession) -> None:
        job.state = RUNNING
        session.begin_job(_encode(job.id, job.method, job.params))

    def _force_end(self, job: Job, session: WorkerSession) -> None:
        if not job.over:
            self._on_log(_("The engine does not answer and is being ended"))
            session.terminate()
            self._update_status()

    def _on_greeted(self, session: WorkerSession) -> None:
        if session is self._session and self._job is not None:
            self._begin(self._job, session)
        self._update_status()

    def _on_message(self, session: WorkerSession, message: dict) -> None:
        job = self._job
        if session is not self._session or job is None:
            return
        kind, number = message["type"], message.get("id")
        if kind == "error" and number is None:
            number = job.id  # the worker could not read the request, so not its number either
        if number != job.id:
            return  # the answer to a cancel
        if kind == "progress":
            self._report(job, message)
        elif kind == "result":
            self._end_job(result={key: value for key, value in message.items() if key not in ("type", "id")})
        else:
            self._end_job(error=error_of_answer(message))

    def _report(self, job: Job, message: dict) -> None:
        fraction, eta = message.get("fraction"), message.get("eta_s")
        if isinstance(fraction, (int, float)) and job.state == RUNNING:
            seconds = float(eta) if isinstance(eta, (int, float)) else None
            job.progress.emit(min(max(float(fraction), 0.0), 1.0), str(message.get("stage") or ""), seconds)

    def _on_unusable(self, session: WorkerSession, error: FAError) -> None:
        self._on_log(str(error))
        if session is self._session:
            self._session = None
            self._closing.append(session)
            self._end_job(error=error)

    def _on_ended(self, session: WorkerSession, ending: ProcessExit) -> None:
        if session in self._closing:
            self._closing.remove(session)
        if session is self._session:
            self._session = None
            error = error_of_exit(ending, session.last_log_lines)
            if not session.closing:
                self._on_log(str(error))
            self._end_job(error=error)

    def _on_log(self, line: str) -> None:
        self.recent_log.append(line)
        self.log.emit(line)

    def _end_job(self, result: dict | None = None, error: FAError | None = None) -> None:
        # Before its end is announced the job is released: a listener may submit the next one.
        job, self._job = self._job, None
        self._update_status()
        if job is not None:
            job.end(result, error)

    def _update_status(self) -> None:
        session = self._session
        if session is None:
            status = "stopped"
        elif session.closing:
            status = "ending"
        elif session.hello is None:
            status = "starting"
        else:
            status = "ready" if self._job is None else "busy"
        if status != self.status:
            self.status = status
            self.state.emit(status)


def _encode(number: int, method: str, params: dict) -> str:
    try:
        return json.dumps({"id": number, "method": method, "params": params}, allow_nan=False, default=os.fspath)
    except (TypeError, ValueError) as error:
        raise FAError("bad-request", _("The request cannot be sent"), str(error), _("Give plain values")) from error
