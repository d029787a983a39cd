"""Exceptions in slots and observers. Slicer prints them and goes on; here they are kept, and fail the test."""

from __future__ import annotations

import sys
import traceback


class SlotErrors:
    """The exceptions that nobody could catch since the last ``clear``, oldest first."""

    def __init__(self):
        self._errors: list[BaseException] = []

    def record(self, error: BaseException) -> None:
        """Keep *error* and print it as Slicer would."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error
        if not any(known is error for known in self._errors):
            traceback.print_exception(type(error), error, error.__traceback__)
            self._errors.append(error)

    def take(self, kind: type[BaseException] = Exception) -> BaseException:
        """Remove and return the oldest exception of this kind; AssertionError when there is none."""
        for error in self._errors:
            if isinstance(error, kind):
                self._errors.remove(error)
                return error
        raise AssertionError(f"no slot raised {kind.__name__}; they raised {self._errors}")

    def clear(self) -> None:
        self._errors.clear()

    def __iter__(self):
        return iter(list(self._errors))

    def __len__(self) -> int:
        return len(self._errors)

    def report(self) -> str:
        """All of them with their tracebacks."""
        return "\n".join("".join(traceback.format_exception(type(e), e, e.__traceback__)) for e in self._errors)


slot_errors = SlotErrors()


def hook(kind, error, trace) -> None:
    """For ``sys.excepthook``: VTK's observers and PySide6's own slots end up here."""
    if issubclass(kind, (KeyboardInterrupt, SystemExit)):
        sys.__excepthook__(kind, error, trace)
    else:
        slot_errors.record(error)
