"""Progress in a terminal, as one line rewritten in place; elsewhere, as a line a stage and every 10 %."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from .streams import discard

REDRAW_SECONDS = 0.1


class ProgressBar:
    """A :data:`~FAAnomalyLib.runtime.progress.ProgressCallback` that writes to a stream.

    Parameters
    ----------
    stream
        Standard error by default.
    clock
        Seconds from any origin.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._clock = clock
        self._drawn = float("-inf")
        self._width = 0
        # The first stage is announced only once it advances: bad input is found in it, and an error is one line.
        self._last: tuple[str | None, int] = (None, 0)

    def __call__(self, fraction: float, stage: str, eta_seconds: float | None) -> None:
        """Show a report, unless it comes too soon after the last one."""
        percent = int(fraction * 100)
        text = f"{percent:3d} %  {stage}"
        if eta_seconds:
            text += f", {format_duration(eta_seconds)} left"
        if self._terminal:
            now = self._clock()
            if now - self._drawn >= REDRAW_SECONDS:
                self._draw(text, now)
            return
        last_stage, last_ten = self._last
        if percent and (stage != last_stage or percent // 10 > last_ten):
            self._last = (stage, percent // 10)
            self._write(text + "\n")

    def close(self) -> None:
        """Clear the line, so that the next output starts on an empty one."""
        if self._width:
            self._draw("", self._clock())
            self._write("\r")

    def _draw(self, text: str, now: float) -> None:
        self._write("\r" + text.ljust(self._width))
        self._width, self._drawn = len(text), now

    def _write(self, text: str) -> None:
        """Write to the stream, or nothing once it takes nothing: a run of minutes does not end for its progress."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            if self._stream is sys.stderr:
                discard("stderr")


def format_duration(seconds: float) -> str:
    """A time span for people.

    Examples
    --------
    >>> [format_duration(seconds) for seconds in (40.2, 125.0, 4200.0)]
    ['40 s', '2 min 05 s', '1 h 10 min']
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
