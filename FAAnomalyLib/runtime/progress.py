"""Progress with an estimate of the time left, and a token for cancelling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import FAError

ProgressCallback = Callable[[float, str, "float | None"], None]
"""Called with the fraction in [0, 1], the stage, and the seconds left (None while unknown)."""


class CancelToken:
    """Asks a running job to stop, from any thread; the engine checks it before every network evaluation.

    Attributes
    ----------
    cancelled
        Whether :meth:`cancel` was called.

    Examples
    --------
    >>> token = CancelToken()
    >>> token.check()
    >>> token.cancel()
    >>> token.check()
    Traceback (most recent call last):
    ...
    FAAnomalyLib.errors.FAError: Cancelled. Nothing was written; start again when ready
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the running job to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise ``FAError('cancelled')`` once cancelled."""
        if self.cancelled:
            raise FAError("cancelled", "Cancelled", "", "Nothing was written; start again when ready")


@contextmanager
def told_what_is_kept(kept: Callable[[], str], again: str = "Run the same command again to go on") -> Iterator[None]:
    """Context manager in which a cancelled run tells what it has kept.

    Parameters
    ----------
    kept
        Called when the run is cancelled; an empty text leaves the message as it is.
    again
        What to do to go on.

    Examples
    --------
    >>> token = CancelToken()
    >>> token.cancel()
    >>> with told_what_is_kept(lambda: "3 of 7 maps are kept"):
    ...     token.check()
    Traceback (most recent call last):
    ...
    FAAnomalyLib.errors.FAError: Cancelled: 3 of 7 maps are kept. Run the same command again to go on
    """
    try:
        yield
    except (FAError, KeyboardInterrupt) as error:
        text = kept() if isinstance(error, KeyboardInterrupt) or error.code == "cancelled" else ""
        if not text:
            raise
        raise FAError("cancelled", "Cancelled", text, again) from error


class Progress:
    """Combines the progress of several stages into one fraction and an estimate of the time left.

    Parameters
    ----------
    callback
        Receives every report; None reports nothing.
    cancel
        Checked at every report.
    stages
        Name of each stage, in order, and its expected share of the time, as positive weights of any sum; one stage
        ``working`` by default.

    Attributes
    ----------
    seconds
        Time spent in each stage that has ended.

    Examples
    --------
    >>> progress = Progress(lambda fraction, stage, left: print(f"{fraction:.2f} {stage}"),
    ...                     stages={"registration": 1, "filling holes": 3})
    >>> progress.step("registration")
    0.00 registration
    >>> progress.step("filling holes", 0.5)
    0.62 filling holes
    >>> progress.finish()
    1.00 done
    """

    def __init__(
        self,
        callback: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
        stages: dict[str, float] | None = None,
    ) -> None:
        self._callback = callback
        self._cancel = cancel or CancelToken()
        weights = stages or {"working": 1.0}
        total = sum(weights.values())
        self._spans: dict[str, tuple[float, float]] = {}
        begin = 0.0
        for name, weight in weights.items():
            self._spans[name] = (begin, begin + weight / total)
            begin += weight / total
        self._stage = ""
        self._entered = self._started = time.monotonic()
        self.seconds: dict[str, float] = {}

    def step(self, stage: str, done: float = 0.0) -> None:
        """Report that the fraction *done*, in [0, 1], of *stage* is completed.

        Raises
        ------
        FAError
            ``cancelled`` once the token is cancelled.
        KeyError
            For a stage that was not announced.
        """
        self._cancel.check()
        now = time.monotonic()
        if stage != self._stage:
            self._close(now)
            self._stage, self._entered = stage, now
        begin, end = self._spans[stage]
        fraction = begin + (end - begin) * min(max(done, 0.0), 1.0)
        if self._callback is not None:
            self._callback(fraction, stage, self._time_left(now, done, end))

    def check(self) -> None:
        """Raise ``FAError('cancelled')`` once the token is cancelled; reports nothing."""
        self._cancel.check()

    def finish(self) -> None:
        """End the last stage and report completion."""
        self._close(time.monotonic())
        self._stage = ""
        if self._callback is not None:
            self._callback(1.0, "done", 0.0)

    def _close(self, now: float) -> None:
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._entered

    def _time_left(self, now: float, done: float, end: float) -> float | None:
        # The pace of the current stage is measured. Later stages are estimated from their share relative to this
        # stage, because the speed of a stage differs by orders of magnitude between machines.
        elapsed = now - self._entered
        if done <= 0.0 or elapsed < 0.2:
            return None
        begin, _ = self._spans[self._stage]
        whole = elapsed / done
        rest_of_stage = whole - elapsed
        later = (1.0 - end) / max(end - begin, 1e-9) * whole
        return max(rest_of_stage + later, 0.0)
