"""Ends a process that does not end by itself: terminate, then kill. Timers do it, so nothing waits."""

from __future__ import annotations

from dataclasses import dataclass

from ..events.signal import Signal
from ..events.timer import Timer
from .process import Process


@dataclass(frozen=True)
class Timeouts:
    """Time limits in milliseconds.

    Attributes
    ----------
    start
        From the start of the engine to its hello: a cold disk and a virus scanner are slow.
    cancel
        From asking the engine to stop to terminating its process.
    kill
        From terminating to killing, and from killing to giving up.
    """

    start: int = 60_000
    cancel: int = 5_000
    kill: int = 3_000


class Termination:
    """Terminate, kill, give up.

    Attributes
    ----------
    given_up
        Emitted when even killing did not help: a process that hangs in a driver cannot be ended.
    """

    def __init__(self, process: Process, timer: Timer, timeouts: Timeouts) -> None:
        self.given_up = Signal()
        self._process, self._timer, self._timeouts = process, timer, timeouts
        self._begun = False

    def begin(self) -> None:
        """Terminate now, and go on while the process runs; without effect the second time."""
        if self._process.running and not self._begun:
            self._begun = True
            self._process.terminate()
            self._timer.after(self._timeouts.kill, self._kill)

    def begin_after_timeout(self) -> None:
        """Begin when the process has not ended after the time that a cancelled job may take."""
        self._timer.after(self._timeouts.cancel, self.begin)

    def _kill(self) -> None:
        if self._process.running:
            self._process.kill()
            self._timer.after(self._timeouts.kill, self._give_up)

    def _give_up(self) -> None:
        if self._process.running:
            self.given_up.emit()
