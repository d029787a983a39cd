"""Protocol of a timer: Qt's, or one that is polled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Calls functions later, on the calling thread."""

    def after(self, ms: int, function: Callable[[], None]) -> None:
        """Call *function* once, in *ms* milliseconds."""

    def poll(self) -> None:
        """Call the functions that are due. Without effect where an event loop does it."""
