"""The inline message of the panel: an error, its cause, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import slicer
import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError


class Message:
    """One label under the Apply button, with a button for the remedy where there is one."""

    def __init__(self, ui) -> None:
        self._label, self._button = ui.messageLabel, ui.remedyButton
        self._remedy: Callable[[], None] | None = None
        self.error: FAError | None = None
        self._button.connect("clicked(bool)", self._on_remedy)
        self.clear()

    @property
    def text(self) -> str:
        """The message, as HTML."""
        return self._label.text

    def clear(self) -> None:
        """Show nothing."""
        self.error = self._remedy = None
        self._label.text = ""
        self._label.visible = self._button.visible = False

    def show_remarks(self, sentences: list[str]) -> None:
        """Show remarks that are no errors."""
        self.clear()
        self._show("<br>".join(f"⚠ {escape(sentence)}" for sentence in sentences))

    def show_error(
        self, error: FAError, remedy: tuple[str, Callable[[], None]] | None = None, popup: bool = False
    ) -> None:
        """Show *error*.

        Parameters
        ----------
        remedy
            Text of a button and its action.
        popup
            Also open a window: the user may be looking at another module. Never while Slicer tests itself.
        """
        self.clear()
        self.error = error
        rows = [f"<b>{escape(error.what)}.</b>"]
        if error.why:
            rows.append(_("Why: {why}").format(why=escape(error.why)))
        if error.fix:
            rows.append(_("What to do: {fix}").format(fix=escape(error.fix)))
        self._show("<br>".join(rows))
        if remedy is not None:
            self._button.text, self._remedy = remedy
            self._button.visible = True
        if popup and not slicer.app.testingEnabled():
            import qt

            # Later: a modal window must not block the caller.
            qt.QTimer.singleShot(0, lambda: slicer.util.errorDisplay(str(error), windowTitle=_("FA Anomaly")))

    def _show(self, html: str) -> None:
        self._label.text = html
        self._label.visible = bool(html)

    def _on_remedy(self, *_) -> None:
        remedy = self._remedy
        if remedy is not None:
            self.clear()
            remedy()
