"""One process of the engine, from its start to its end, as messages instead of lines."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping

from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..events.signal import Signal
from ..events.timer import Timer
from .failure_messages import error_of_protocol, error_of_start_timeout
from .process import Process, ProcessExit
from .termination import Termination, Timeouts

PROTOCOL = 1
"""The protocol that ``docs/worker-protocol.md`` describes; a test compares it with the engine's."""
MAX_LOG_LINES = 20
MAX_SHOWN_CHARACTERS = 300


class WorkerSession:
    """Speaks JSON lines with ``python -m FAAnomalyLib worker``.

    Attributes
    ----------
    hello
        The first message, with ``version``, ``protocol`` and ``pid``; ``None`` before it came.
    closing
        Whether it has been told to end: it takes no more requests.
    greeted
        Emitted once, when it takes requests.
    message
        Emits a ``progress``, ``result`` or ``error`` (``dict``).
    unusable
        Emits an :class:`~FAAnomalyLib.errors.FAError`, at most once: the process cannot be used and is being ended.
    log
        Emits the lines that are no messages.
    ended
        Emits the :class:`~.process.ProcessExit`, once.
    last_log_lines
        The last lines of its log since the last job was begun.
    """

    def __init__(
        self, process: Process, timer: Timer, timeouts: Timeouts, refuse: Callable[[dict], FAError | None]
    ) -> None:
        self.greeted, self.message, self.unusable = Signal(), Signal(), Signal()
        self.log, self.ended = Signal(), Signal()
        self.hello: dict | None = None
        self.closing = False
        self.last_log_lines: deque[str] = deque(maxlen=MAX_LOG_LINES)
        self._process, self._timer, self._timeouts, self._refuse = process, timer, timeouts, refuse
        self._termination = Termination(process, timer, timeouts)
        self._termination.given_up.connect(self._on_given_up)
        self._over = False
        process.line.connect(self._on_line)
        process.log.connect(self._on_log)
        process.ended.connect(self._on_ended)

    def start(self, command: list[str], environment: Mapping[str, str | None]) -> None:
        """Start the process; ``greeted``, ``unusable`` or ``ended`` follows."""
        self._process.start(command, environment)
        self._timer.after(self._timeouts.start, self._on_start_timeout)

    def send(self, line: str) -> None:
        """Send one encoded request."""
        self._process.write(line)

    def begin_job(self, line: str) -> None:
        """Send the request of a job, and clear :attr:`last_log_lines`: older ones say nothing about its end."""
        self.last_log_lines.clear()
        self.send(line)

    def close(self) -> None:
        """Tell it to end, and terminate it when it takes too long. Works without timers: its input ends too."""
        if not self.closing:
            self.closing = True
            self._process.write(json.dumps({"id": None, "method": "shutdown"}))
            self._process.close_input()
            self._termination.begin_after_timeout()

    def terminate(self) -> None:
        """End it without its cooperation."""
        self.closing = True
        self._process.close_input()
        self._termination.begin()

    def poll(self, seconds: float) -> None:
        """Deliver output, where no event loop does."""
        self._process.poll(seconds)

    def _on_line(self, line: str) -> None:
        message = _decode(line)
        if message is None:
            self._on_log(_("unexpected output: {line}").format(line=line[:MAX_SHOWN_CHARACTERS]))
        elif message["type"] == "hello":
            self._on_hello(message)
        elif self.hello is not None:
            self.message.emit(message)

    def _on_hello(self, message: dict) -> None:
        error = self._refuse(message)
        if message.get("protocol") != PROTOCOL:
            error = error or error_of_protocol(message.get("protocol"), message.get("version"), PROTOCOL)
        if error is not None:
            self.unusable.emit(error)
            self.close()
            return
        self.hello = message
        # Slicer's Python is started by a launcher, which does not pass signals on.
        self._process.adopt(message.get("pid"))
        self.greeted.emit()

    def _on_log(self, line: str) -> None:
        self.last_log_lines.append(line)
        self.log.emit(line)

    def _on_start_timeout(self) -> None:
        if self.hello is None and not self.closing and not self._over:
            self.unusable.emit(error_of_start_timeout(self._timeouts.start / 1000, self.last_log_lines))
            self.terminate()

    def _on_ended(self, ending: ProcessExit) -> None:
        if not self._over:
            self._over = True
            self.ended.emit(ending)

    def _on_given_up(self) -> None:
        self._on_log(_("The system cannot end the engine's process; end it by hand or restart the computer"))
        self._on_ended(ProcessExit("crash", None, _("it hangs and the system cannot end it")))


def _decode(line: str) -> dict | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(message, dict) and message.get("type") in ("hello", "progress", "result", "error")
    return message if known else None
