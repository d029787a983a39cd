"""A window that says what Slicer is waiting for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import slicer
import slicer.util
from slicer.i18n import tr as _


@contextmanager
def busy_dialog(text: str) -> Iterator[None]:
    """Show *text* with a moving bar; nothing without a main window and while Slicer tests itself.

    It cannot be cancelled, because pip that is stopped midway leaves packages half installed. It is drawn when the
    event loop gets a turn: Slicer gives it one after each line of pip's output.
    """
    if slicer.util.mainWindow() is None or slicer.app.testingEnabled():
        yield
        return
    dialog = slicer.util.createProgressDialog(labelText=text, maximum=0, windowTitle=_("FA Anomaly"))
    try:
        dialog.setCancelButton(None)
        dialog.show()
        slicer.app.processEvents()
        yield
    finally:
        dialog.close()
        dialog.deleteLater()
