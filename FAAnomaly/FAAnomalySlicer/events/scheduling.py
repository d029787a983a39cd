"""Work of a second or so without blocking the event loop: in a thread, or in steps on this thread.

A *generator of steps* is such work written in its order, as a coroutine is. Each ``yield`` gives the event loop a turn:
``yield`` of a :class:`Future` waits for its value, ``yield`` of anything else continues in the next turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from .signal import Signal
from .timer import Timer

WAIT_SECONDS = 0.01
PAUSE_MS = 2

T = TypeVar("T")

Steps = Generator[Any, Any, T]
"""A generator of steps whose return value is a ``T``."""


class Stopped(Exception):
    """The error of steps that were stopped before their end."""


class Future(Generic[T]):
    """A value that comes later, or the error that came instead. Belongs to one thread and calls back on it."""

    def __init__(self) -> None:
        self._outcome: tuple[T | None, Exception | None] | None = None
        self._callbacks: list[Callable[[Any, Exception | None], None]] = []

    def resolve(self, value: T | None, error: Exception | None = None) -> None:
        """Set the outcome, once, and call back."""
        self._outcome = value, error
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(value, error)

    def when_done(self, callback: Callable[[Any, Exception | None], None]) -> None:
        """Call ``callback(value, None)`` or ``callback(None, error)``; at once when the outcome is there."""
        if self._outcome is None:
            self._callbacks.append(callback)
        else:
            callback(*self._outcome)


def next_emission(signal: Signal) -> Future[Any]:
    """What *signal*, which has one argument, emits next."""
    future: Future[Any] = Future()

    def on_emitted(value: Any) -> None:
        signal.disconnect(on_emitted)
        future.resolve(value)

    signal.connect(on_emitted)
    return future


def in_background(work: Callable[[], T], timer: Timer) -> Future[T]:
    """Call *work* in a thread.

    Parameters
    ----------
    work
        Touches no node, no widget and nothing else of Qt or VTK that another thread may use.
    timer
        Brings the outcome back to this thread.
    """
    future: Future[T] = Future()
    outcome: list[tuple[T | None, Exception | None]] = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except Exception as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)

    def poll() -> None:
        # In Slicer a thread gets the interpreter only while this one runs Python and waits: Qt's loop keeps it.
        thread.join(WAIT_SECONDS)
        if thread.is_alive():
            timer.after(PAUSE_MS, poll)
        else:
            future.resolve(*outcome[0])

    thread.start()
    timer.after(0, poll)
    return future


def run_in_steps(
    steps: Steps[T], timer: Timer, stopped: Callable[[], bool] = lambda: False, *, at_once: bool = False
) -> Future[T]:
    """Run a generator of steps on this thread, a turn of the event loop for each step.

    Parameters
    ----------
    steps
        See the module. An error of a future is raised at its ``yield``.
    stopped
        Asked before every step that no error leads to; when it is true the generator is closed, and the outcome is
        the error :class:`Stopped`.
    at_once
        Take the first step now. Its error is raised here.

    Returns
    -------
    Future
        The generator's return value.
    """
    runner = _StepRunner(steps, timer, stopped)
    if at_once:
        runner.wait_for(next(steps))
    else:
        timer.after(0, runner.resume)
    return runner.future


class _StepRunner(Generic[T]):
    def __init__(self, steps: Steps[T], timer: Timer, stopped: Callable[[], bool]) -> None:
        self.future: Future[T] = Future()
        self._steps, self._timer, self._stopped = steps, timer, stopped

    def resume(self, value: Any = None, error: Exception | None = None) -> None:
        if error is None and self._stopped():
            self._steps.close()
            self.future.resolve(None, Stopped())
            return
        try:
            step = self._steps.send(value) if error is None else self._steps.throw(error)
        except StopIteration as end:
            self.future.resolve(end.value)
        except Exception as failure:
            self.future.resolve(None, failure)
        else:
            self.wait_for(step)

    def wait_for(self, step: Any) -> None:
        if isinstance(step, Future):
            step.when_done(self.resume)
        else:
            self._timer.after(0, self.resume)


def run_to_end(steps: Steps[T]) -> T:
    """Run a generator of steps without an event loop; none of its steps may wait for a :class:`Future`."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
