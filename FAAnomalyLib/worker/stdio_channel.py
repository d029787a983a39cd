"""JSON lines on standard input and output, out of reach of anything else that prints."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator


def encode(message: dict) -> str:
    """*message* as one line of strict JSON (no NaN, no line break)."""
    return json.dumps(message, allow_nan=False)


class StdioChannel:
    """Owns the process' standard input and output.

    The two streams are moved to private descriptors; descriptor 1 then leads to standard error
    and descriptor 0 to nothing. So neither a stray ``print`` nor a C library can write into the
    protocol, and no library that loads in another thread waits for the pipe that is being read
    (on Windows some do, for ever).
    """

    def __init__(self) -> None:
        self._incoming = os.fdopen(os.dup(0), "r", encoding="utf-8", errors="replace", newline="\n")
        self._outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._lock = threading.Lock()

    def lines(self) -> Iterator[str]:
        """Incoming lines until the other side closes."""
        yield from self._incoming

    def send(self, line: str) -> None:
        """Send one encoded line; silent when nobody reads any more."""
        try:
            with self._lock:
                self._outgoing.write(line + "\n")
                self._outgoing.flush()
        except OSError:
            pass  # the reader is gone; the end of input will say so and stop the job
