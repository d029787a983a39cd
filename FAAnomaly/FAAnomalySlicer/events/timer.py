"""Calls back later, on the thread that asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Calls back later, on the thread that asked."""

    def after(self, ms: int, function: Callable[[], None]) -> None:
        """Call *function* once, in *ms* milliseconds."""

    def poll(self) -> None:
        """Call what is due. Without effect where an event loop does that."""
