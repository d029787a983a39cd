"""Lines on standard input and output, out of reach of anything else that prints."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator


class StdioChannel:
    """Owns the process' standard input and output.

    The two streams are moved to private descriptors. Descriptor 1 then leads to standard error and descriptor 0 to
    nothing. So neither a stray ``print`` nor a C library can write into the protocol, and no library that is loaded in
    another thread waits for the pipe that is being read (on Windows some do, for ever).
    """

    def __init__(self) -> None:
        self._incoming = os.fdopen(os.dup(0), "r", encoding="utf-8", errors="replace", newline="\n")
        self._outgoing = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._lock = threading.Lock()

    def lines(self) -> Iterator[str]:
        """Incoming lines until the other side closes."""
        yield from self._incoming

    def send(self, line: str) -> None:
        """Write one line, from any thread; nothing happens when nobody reads any more."""
        try:
            with self._lock:
                self._outgoing.write(line + "\n")
                self._outgoing.flush()
        except OSError:
            pass  # the reader is gone; the end of input will say so and stop the job
