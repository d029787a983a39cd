"""Running Qt's event loop in a test, and measuring how long it was kept waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TICK_MS = 5
PAUSE_S = 0.003
HELD_UP = 1.0
"""Seconds; what keeps the event loop waiting longer is a fault on any machine, however slow or busy. The 50 ms that are
promised depend on the machine and are told by Testing/Benchmarks/gui_pauses.py."""


def pump(seconds: float = 0.0) -> None:
    """Process events for this long, at least once."""
    end = time.monotonic() + seconds
    pump_until(lambda: time.monotonic() >= end, seconds + 60)


def pump_until(predicate: Callable[[], object], seconds: float = 10.0) -> None:
    """Process events until *predicate* is true; AssertionError when that takes longer than *seconds*."""
    from PySide6 import QtCore

    end = time.monotonic() + seconds
    application = QtCore.QCoreApplication.instance()
    while True:
        application.processEvents(QtCore.QEventLoop.AllEvents, TICK_MS)
        application.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)
        if predicate():
            return
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {seconds:g} s: {getattr(predicate, '__name__', predicate)}")
        time.sleep(PAUSE_S)  # not Qt's own waiting for an event: under Slicer's files of 2026 it ended in a crash


class EventGap:
    """``longest``: the longest time between two ticks of a 5 ms timer, in seconds; ``ticks``: how many there were."""

    def __init__(self):
        self.longest, self.ticks = 0.0, 0


@contextmanager
def event_gap() -> Iterator[EventGap]:
    """Measure the event loop during a block, which must run it (``pump_until``); AssertionError when it never ran."""
    from PySide6 import QtCore

    gap, timer = EventGap(), QtCore.QTimer()
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        now = time.monotonic()
        gap.longest, gap.ticks, last = max(gap.longest, now - last), gap.ticks + 1, now

    timer.setTimerType(QtCore.Qt.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(TICK_MS)
    try:
        yield gap
        if not gap.ticks:
            raise AssertionError("the event loop never ran")
        gap.longest = max(gap.longest, time.monotonic() - last)
    finally:
        timer.stop()
