"""Work of a second or so that keeps nobody waiting: in a thread, or in steps on this one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from .timer import Timer

WAIT_SECONDS = 0.01
PAUSE_MS = 2


def in_background(work: Callable[[], Any], timer: Timer, done: Callable[[Any, Exception | None], None]) -> None:
    """Call *work* in a thread and then, on this one, ``done(value, None)`` or ``done(None, error)``.

    Parameters
    ----------
    work
        Touches no node, no widget and nothing else of Qt or VTK that another thread may use.
    timer
        Brings the end back to this thread.
    """
    outcome: list = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except Exception as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)

    def look() -> None:
        # In Slicer a thread gets the interpreter only while this one runs Python and waits: Qt's loop keeps it.
        thread.join(WAIT_SECONDS)
        if thread.is_alive():
            timer.after(PAUSE_MS, look)
        else:
            done(*outcome[0])

    thread.start()
    timer.after(0, look)


def run_in_steps(
    steps: Iterator, timer: Timer, done: Callable[[Any, Exception | None], None], stopped: Callable[[], bool]
) -> None:
    """Exhaust a generator on this thread, a turn of the event loop for each step.

    Parameters
    ----------
    steps
        Its value (what it returns) is the outcome.
    done
        Called with ``(value, None)`` or ``(None, error)``; not when it was stopped.
    stopped
        Asked before every step; when it is true the generator is closed and nothing more happens.
    """

    def go_on() -> None:
        if stopped():
            steps.close()
            return
        try:
            next(steps)
        except StopIteration as end:
            done(end.value, None)
        except Exception as error:
            done(None, error)
        else:
            timer.after(0, go_on)

    timer.after(0, go_on)
