"""Protocol of a child process. Two classes follow it: over ``QProcess`` and over ``subprocess``."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeGuard

from ..events.signal import Signal


@dataclass(frozen=True)
class ProcessExit:
    """How a process ended.

    Attributes
    ----------
    kind
        ``exit``, ``crash`` (ended by a signal or an exception of the system) or ``failed-to-start``.
    code
        Exit status; after a crash, where the system has signals, the negative number of the signal.
    reason
        The system's message, possibly empty.
    """

    kind: str
    code: int | None = None
    reason: str = ""


class Process(Protocol):
    """One child process, started once.

    All signals are emitted on the thread that made the object, and none before :meth:`start` has returned. Nothing
    here waits for the process, except :meth:`poll` for the given time.

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

    def start(self, command: list[str], environment: Mapping[str, str | None]) -> None:
        """Start *command* with this process' variables and those of *environment*; None removes one."""

    def write(self, line: str) -> None:
        """Send *line* and a line feed to standard input; without effect after its end."""

    def close_input(self) -> None:
        """Close standard input once everything is written."""

    def adopt(self, pid: object) -> None:
        """Process *pid*, as it reports itself, does the work, and the started one is only its launcher: end both."""

    def terminate(self) -> None:
        """Ask the process to end, where the system can."""

    def kill(self) -> None:
        """End the process without asking."""

    @property
    def running(self) -> bool:
        """Whether it was started and :attr:`ended` has not been emitted yet."""

    def poll(self, seconds: float = 0.0) -> None:
        """Deliver output, waiting at most *seconds* for it. Without effect where an event loop delivers."""


def is_other_process(pid: object, *own: int) -> TypeGuard[int]:
    """Whether *pid* can be the number of a process that is neither this one nor one of *own*."""
    return isinstance(pid, int) and not isinstance(pid, bool) and pid > 1 and pid not in (os.getpid(), *own)


def signal_process(pid: int, by_force: bool) -> None:
    """Ask process *pid* to end, or end it; without effect when it has ended already.

    On Windows only *by_force* has an effect.
    """
    if os.name == "nt" and not by_force:
        return
    try:
        # On Windows SIGTERM cannot be caught: it ends the process at once.
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM) if by_force else signal.SIGTERM)
    except OSError:
        pass  # it has ended already
