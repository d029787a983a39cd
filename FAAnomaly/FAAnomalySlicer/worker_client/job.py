"""One request to the engine, from its submission to its end."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..events.signal import Signal

WAITING, RUNNING, CANCELLING = "waiting", "running", "cancelling"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"


def cancelled() -> FAError:
    """The error of a job that the user has ended."""
    return FAError("cancelled", _("Cancelled"))


class Job:
    """A request in flight; made by :meth:`.client.EngineClient.submit`.

    Attributes
    ----------
    id, method, params
        The request.
    progress
        Emits ``(fraction, stage, eta_seconds)``: 0 to 1, a few words, and ``None`` while no estimate is possible.
    finished
        Emits the job, exactly once, when it is done, failed or cancelled.
    state
        ``waiting`` (the engine starts), ``running``, ``cancelling``, ``done``, ``failed`` or ``cancelled``.
    result
        The engine's answer when done: ``files``, ``regions``, ``warnings``, ``output``, ``seconds``.
    error
        :class:`~FAAnomalyLib.errors.FAError` when failed or cancelled.
    """

    def __init__(self, number: int, method: str, params: dict, cancel: Callable[[Job], None]) -> None:
        self.id, self.method, self.params = number, method, params
        self.progress, self.finished = Signal(), Signal()
        self.state = WAITING
        self.result: dict | None = None
        self.error: FAError | None = None
        self._cancel = cancel

    @property
    def over(self) -> bool:
        """Whether it has ended; ``finished`` is emitted right after."""
        return self.state in (DONE, FAILED, CANCELLED)

    def answer(self) -> dict:
        """The engine's answer. Raises the error of a job that failed or was cancelled."""
        if self.result is None:
            raise self.error or RuntimeError("the job has not ended")
        return self.result

    def cancel(self) -> None:
        """Ask for its end; without effect when it has ended or is being cancelled."""
        if not self.over and self.state != CANCELLING:
            self._cancel(self)

    def end(self, result: dict | None = None, error: FAError | None = None) -> None:
        """For the client: the job has ended with *result* or *error*. A cancelled job keeps no late result or error."""
        if self.state == CANCELLING or (error is not None and error.code == "cancelled"):
            self.state = CANCELLED
            self.error = error if error is not None and error.code == "cancelled" else cancelled()
        elif error is not None:
            self.state, self.error = FAILED, error
        else:
            self.state, self.result = DONE, result
        self.finished.emit(self)
