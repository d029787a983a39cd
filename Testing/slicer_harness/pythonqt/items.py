"""Value classes whose constructors take a widget: they must find the PySide6 object inside the wrapper."""

from __future__ import annotations

from PySide6 import QtGui, QtWidgets


def _taking_wrappers(base: type) -> type:
    def __init__(self, *arguments):
        from .wrapping import unwrap

        base.__init__(self, *unwrap(list(arguments)))

    return type(base.__name__, (base,), {"__init__": __init__})


ITEMS = {
    base.__name__: _taking_wrappers(base)
    for base in (QtWidgets.QTreeWidgetItem, QtWidgets.QListWidgetItem, QtGui.QPainter)
}
