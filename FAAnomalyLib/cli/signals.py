"""Ctrl-C and SIGTERM ask a running job to stop, so that no half-written file is left."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..preprocessing.interruptible_itk import within_a_look
from ..runtime.progress import CancelToken

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def cancel_on_signals() -> Iterator[CancelToken]:
    """Context manager with a token that the first signal cancels; a second one raises ``KeyboardInterrupt`` at once."""
    token = CancelToken()
    if threading.current_thread() is not threading.main_thread():
        yield token  # Python lets only the main thread handle signals
        return

    def stop(*_: object) -> None:
        if token.cancelled:
            raise KeyboardInterrupt
        token.cancel()

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield token
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopped_at_once(token: CancelToken) -> Iterator[None]:
    """Context manager in which a signal cancels *token* and raises ``KeyboardInterrupt``.

    For imports, which take seconds and look at no token. A process of SimpleITK that looks at *token* is left to do so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_: int, frame: FrameType | None) -> None:
        token.cancel()
        if not within_a_look(frame):
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
