"""Modal dialogs. In a test nobody is there to press a button, so each dialog must have been announced."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets

from .errors import slot_errors

STATIC_FUNCTIONS = {
    "QMessageBox": {"information", "question", "warning", "critical", "about", "aboutQt"},
    "QInputDialog": {"getText", "getItem", "getInt", "getDouble", "getMultiLineText"},
    "QFileDialog": {"getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"},
    "QColorDialog": {"getColor"},
    "QFontDialog": {"getFont"},
}
"""They return the answer alone: PythonQt drops the second value of ``getText`` and ``getOpenFileName``."""

LONGEST = 10.0
"""Seconds after which an answered dialog that is still open counts as a failure."""


class UnexpectedDialog(AssertionError):
    """A modal dialog that no test announced; in Slicer the program would wait here."""


class Dialogs:
    """Announced answers and what was shown."""

    def __init__(self):
        self.shown: list[str] = []
        self._answers: list[tuple[str, object]] = []

    def answer(self, text: str, answer) -> None:
        """Announce a dialog whose title or text has *text* in it.

        *answer* is a button of a message box, the value that a function such as ``getSaveFileName`` returns, or a
        function that is called with the open dialog and has to close it.
        """
        self._answers.append((text, answer))

    def clear(self) -> None:
        self.shown.clear()
        self._answers.clear()

    def unused(self) -> list[str]:
        """Announced dialogs that never came."""
        return [text for text, _ in self._answers]

    def _take(self, text: str):
        self.shown.append(text)
        for entry in self._answers:
            if entry[0] in text:
                self._answers.remove(entry)
                return entry[1]
        error = UnexpectedDialog(f"a modal dialog that the test did not announce: {text!r}")
        slot_errors.record(error)
        raise error

    def static_function(self, raw_class: type, name: str):
        """What stands in for ``QMessageBox.question`` and its like; None for any other function."""
        if name not in STATIC_FUNCTIONS.get(raw_class.__name__, ()):
            return None
        return lambda *arguments: self._take(" | ".join(a for a in arguments if isinstance(a, str)))

    def method(self, raw: QtCore.QObject, name: str):
        """What stands in for ``exec`` of a dialog or a menu; None for any other method."""
        if name.rstrip("_") != "exec" or not isinstance(raw, (QtWidgets.QDialog, QtWidgets.QMenu)):
            return None
        return lambda *arguments: self._run(raw, *arguments)

    def _run(self, raw, *arguments):
        answer = self._take(_text(raw))
        if isinstance(raw, QtWidgets.QMenu):
            return answer
        QtCore.QTimer.singleShot(0, raw, lambda: self._press(raw, answer))
        QtCore.QTimer.singleShot(int(LONGEST * 1000), raw, lambda: self._too_long(raw))
        result = raw.exec(*arguments)
        if isinstance(raw, QtWidgets.QMessageBox):
            return QtWidgets.QMessageBox.StandardButton(result)
        return result

    @staticmethod
    def _press(raw, answer) -> None:
        from .wrapping import wrap

        try:
            if callable(answer):
                answer(wrap(raw))
            elif isinstance(raw, QtWidgets.QMessageBox):
                button = raw.button(answer)
                if button is None:
                    raise AssertionError(f"the dialog {_text(raw)!r} has no button {answer}")
                button.click()
            else:
                raw.done(int(answer))
        except BaseException as error:
            slot_errors.record(error)
            raw.reject()

    @staticmethod
    def _too_long(raw) -> None:
        if raw.isVisible():
            slot_errors.record(AssertionError(f"the answered dialog {_text(raw)!r} was never closed"))
            raw.reject()


def _text(raw) -> str:
    if isinstance(raw, QtWidgets.QMessageBox):
        parts = [raw.windowTitle(), raw.text(), raw.informativeText()]
    else:
        parts = [raw.windowTitle(), *(label.text() for label in raw.findChildren(QtWidgets.QLabel))]
    return " | ".join(part for part in parts if part)


dialogs = Dialogs()
