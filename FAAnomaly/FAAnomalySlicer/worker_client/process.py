"""What a running program is to us. Two kinds follow this protocol: over ``QProcess`` and over ``subprocess``."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Protocol

from ..events.signal import Signal


@dataclass(frozen=True)
class ProcessExit:
    """How a program ended.

    Attributes
    ----------
    kind
        ``exit``, ``crash`` (it was ended by a signal or an exception of the system) or ``failed-to-start``.
    code
        Exit status; after a crash, where the system has signals, minus the number of the signal.
    reason
        What the system says about it, possibly empty.
    """

    kind: str
    code: int | None = None
    reason: str = ""


class Process(Protocol):
    """One program, started once.

    All signals are emitted on the thread that made the object, and none before :meth:`start` has returned. Nothing
    here waits for the program, except :meth:`poll` for as long as it is told to.

    Attributes
    ----------
    line, log
        One line of standard output and of standard error (``str``), without its end.
    ended
        An :class:`ProcessExit`, exactly once, after the last line.
    """

    line: Signal
    log: Signal
    ended: Signal

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        """Start *command*; *environment* is added to this process' own."""

    def write(self, line: str) -> None:
        """Send *line* and a line feed to standard input; without effect when nobody reads any more."""

    def close_input(self) -> None:
        """Close standard input once everything is written."""

    def adopt(self, pid: int) -> None:
        """Program *pid* does the work, what was started is only its launcher: both are to be ended."""

    def terminate(self) -> None:
        """Ask the program to end, where the system has a way to ask."""

    def kill(self) -> None:
        """End the program without asking."""

    @property
    def running(self) -> bool:
        """Whether it was started and :attr:`ended` has not been emitted yet."""

    def poll(self, seconds: float = 0.0) -> None:
        """Deliver what has come in, waiting at most *seconds* for it. Without effect where an event loop delivers."""


def is_other_process(pid: object, *own: int) -> bool:
    """Whether *pid* can be the number of a program that is neither this one nor one of *own*."""
    return isinstance(pid, int) and not isinstance(pid, bool) and pid > 1 and pid not in (os.getpid(), *own)


def signal_process(pid: int, by_force: bool) -> None:
    """Ask program *pid* to end, or end it; without effect when it has ended already.

    Windows knows no asking: there only *by_force* does something.
    """
    if os.name == "nt" and not by_force:
        return
    try:
        # On Windows SIGTERM is not caught by anything: it ends the program at once.
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM) if by_force else signal.SIGTERM)
    except OSError:
        pass  # it was faster
