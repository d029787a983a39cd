"""Runs ``faanomaly doctor`` in the engine's own Python: installed packages and devices."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from slicer.i18n import tr as _

from ..events.signal import Signal
from ..events.timer import Timer
from .failure_messages import error_of_exit
from .process import Process, ProcessExit
from .termination import Termination, Timeouts

MAX_MS = 180_000
"""Loading torch for the first time may take minutes on a cold network disk."""


class EnvironmentCheck:
    """One run of ``faanomaly doctor``.

    Parameters
    ----------
    make_process, timer
        As for :class:`~.client.EngineClient`.
    command, environment
        ``engine_command("doctor", "--json")`` and ``engine_environment()``.

    Attributes
    ----------
    finished
        Emits ``(findings, error)`` once: the doctor's JSON object (``packages``, ``devices``, ``models``,
        ``missing``, ``problems``, ``can_run`` …) or ``None``, and an :class:`~FAAnomalyLib.errors.FAError` when
        there are no findings.
    """

    def __init__(
        self,
        make_process: Callable[[], Process],
        command: list[str],
        environment: Mapping[str, str | None],
        timer: Timer,
        max_ms: int = MAX_MS,
    ) -> None:
        self.finished = Signal()
        self._command, self._environment, self._timer, self._max_ms = command, environment, timer, max_ms
        self._process = make_process()
        self._process.line.connect(self._on_line)
        self._process.log.connect(self._on_log)
        self._process.ended.connect(self._on_ended)
        self._termination = Termination(self._process, timer, Timeouts())
        self._termination.given_up.connect(self._on_given_up)
        self._over = False
        self._lines: list[str] = []
        self._log: list[str] = []

    def start(self) -> None:
        """Begin; does not wait."""
        self._process.start(self._command, self._environment)
        self._process.close_input()
        self._timer.after(self._max_ms, self._termination.begin)

    def stop(self) -> None:
        """End it early; ``finished`` still comes."""
        self._termination.begin()

    def poll(self, seconds: float = 0.0) -> None:
        """As :meth:`.client.EngineClient.poll`."""
        self._process.poll(seconds)
        self._timer.poll()

    def _on_line(self, line: str) -> None:
        self._lines.append(line)

    def _on_log(self, line: str) -> None:
        self._log.append(line)

    def _on_given_up(self) -> None:
        self._on_ended(ProcessExit("crash", None, _("it hangs and the system cannot end it")))

    def _on_ended(self, ending: ProcessExit) -> None:
        if not self._over:
            self._over = True
            findings = _findings("\n".join(self._lines))
            self.finished.emit(findings, None if findings else error_of_exit(ending, self._log))


def _findings(text: str) -> dict | None:
    try:
        findings = json.loads(text)
    except ValueError:
        return None
    return findings if isinstance(findings, dict) else None
