"""A signal between plain Python objects (``qt.Signal`` in a Python class is not safe in Slicer)."""

from __future__ import annotations

import sys
from collections.abc import Callable


class Signal:
    """Calls its listeners, in the order in which they were connected."""

    def __init__(self) -> None:
        self._listeners: list[Callable] = []
        self._failed: list[Callable] = []

    def connect(self, listener: Callable) -> None:
        """Call *listener* from now on; connecting it twice is connecting it once."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def disconnect(self, listener: Callable) -> None:
        """Do not call *listener* any more; nothing happens when it was not connected."""
        for listeners in (self._listeners, self._failed):
            if listener in listeners:
                listeners.remove(listener)

    def emit(self, *args) -> None:
        """Call every listener with *args*.

        A listener that raises does not stop the others. Its error is printed like an uncaught one, the first time only:
        a listener of progress would repeat it ten times a second.
        """
        for listener in list(self._listeners):
            if listener not in self._listeners:
                continue  # disconnected by a listener before it
            try:
                listener(*args)
            except Exception:
                if listener not in self._failed:
                    self._failed.append(listener)
                    sys.excepthook(*sys.exc_info())
