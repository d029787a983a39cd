"""Keys that work in all windows of Slicer while the module is open, and no longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Shortcuts:
    """Keys and what they do, as long as *section* is on the screen and enabled.

    A text field that has the focus gets its keys all the same.

    Parameters
    ----------
    section
        The widget that the keys belong to.
    actions
        Key, as Qt writes it -> what it does.
    """

    def __init__(self, section, actions: Mapping[str, Callable[[], None]]) -> None:
        self._section, self._actions = section, actions
        self._installed: list[Any] = []

    def install(self) -> None:
        """Make the keys work; without effect when they work already."""
        import qt

        for key, action in self._actions.items() if not self._installed else ():
            shortcut = qt.QShortcut(qt.QKeySequence(key), self._section)
            shortcut.setContext(qt.Qt.ApplicationShortcut)  # a view may have a window of its own
            shortcut.connect("activated()", action)
            self._installed.append(shortcut)

    def uninstall(self) -> None:
        """Give the keys back."""
        for shortcut in self._installed:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._installed = []
