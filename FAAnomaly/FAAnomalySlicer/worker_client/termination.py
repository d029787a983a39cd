"""Ends a program that does not end: asks the system to, then forces it. Through timers, so nothing waits."""

from __future__ import annotations

from dataclasses import dataclass

from ..events.signal import Signal
from ..events.timer import Timer
from .process import Process


@dataclass(frozen=True)
class Timeouts:
    """How long things may take, in milliseconds.

    Attributes
    ----------
    start
        From the start of the engine to its first word: a cold disk and a virus scanner are slow.
    cancel
        From asking the engine to stop to asking the system.
    kill
        From each of the system's means to the next one.
    """

    start: int = 60_000
    cancel: int = 5_000
    kill: int = 3_000


class Termination:
    """Terminate, kill, give up.

    Attributes
    ----------
    given_up
        Emitted when even killing did not help: a program that hangs in a driver cannot be ended by anybody.
    """

    def __init__(self, process: Process, timer: Timer, timeouts: Timeouts) -> None:
        self.given_up = Signal()
        self._process, self._timer, self._timeouts = process, timer, timeouts
        self._begun = False

    def begin(self) -> None:
        """Terminate now, and go on as long as the program runs; without effect the second time."""
        if self._process.running and not self._begun:
            self._begun = True
            self._process.terminate()
            self._timer.after(self._timeouts.kill, self._kill)

    def begin_after_timeout(self) -> None:
        """Begin when the program has not ended after the time that a cancelled job may take."""
        self._timer.after(self._timeouts.cancel, self.begin)

    def _kill(self) -> None:
        if self._process.running:
            self._process.kill()
            self._timer.after(self._timeouts.kill, self._give_up)

    def _give_up(self) -> None:
        if self._process.running:
            self.given_up.emit()
