"""Standard streams that may be closed, full, or unable to hold a character."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress


def open_standard_streams() -> None:
    """Give the process three open descriptors and streams that can print any file name.

    A descriptor that was closed before the start would be given to the next file that is opened, and what a library
    prints would go into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free descriptor is taken, which is this one.
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print a line on standard error, or nothing where it cannot be written."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        discard("stderr")


def discard(name: str) -> None:
    """Send *name*, ``stdout`` or ``stderr``, to nothing; Python would complain once more about it while it closes."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, getattr(sys, name).fileno())
        os.close(null)
