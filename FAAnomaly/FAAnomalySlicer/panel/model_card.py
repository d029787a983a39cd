"""The model card in a window of its own, beside the panel: it is read while the module is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

SIZE = (720, 640)
"""Pixels of the window, width and height."""


class ModelCard:
    """One window; the next card takes its place."""

    def __init__(self) -> None:
        self._dialog: Any = None
        self._text = ""

    def show(self, path: Path, title: str) -> None:
        """Show the card of the model *title*. Raises ``FAError('bad-input')`` when it cannot be read."""
        try:
            self._text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise FAError(
                "bad-input", _("The model card cannot be read"), why, _("Look at {path}").format(path=path)
            ) from error
        self.close()
        self._dialog = self._make(_("Model card: {title}").format(title=title))
        self._dialog.show()

    def close(self) -> None:
        """Close the window."""
        dialog, self._dialog = self._dialog, None
        if dialog is not None:
            dialog.close()
            dialog.deleteLater()

    def _make(self, title: str):
        import qt

        dialog = qt.QDialog(slicer.util.mainWindow())
        dialog.objectName = "FAAnomalyModelCard"
        dialog.windowTitle = title
        dialog.resize(*SIZE)
        layout = qt.QVBoxLayout(dialog)
        text = qt.QTextBrowser(dialog)
        text.objectName = "modelCardText"
        text.openExternalLinks = True
        text.setMarkdown(self._text)
        layout.addWidget(text)
        buttons = qt.QDialogButtonBox(dialog)
        for name, words, role, action in (
            ("copyCardButton", _("Copy all"), qt.QDialogButtonBox.ActionRole, self._copy),
            ("closeCardButton", _("Close"), qt.QDialogButtonBox.RejectRole, self.close),
        ):
            button = buttons.addButton(words, role)
            button.objectName = name
            button.connect("clicked(bool)", action)
        layout.addWidget(buttons)
        return dialog

    def _copy(self) -> None:
        slicer.app.clipboard().setText(self._text)
