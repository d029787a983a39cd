"""The module ``qt``: the classes of QtCore, QtGui, QtWidgets, QtNetwork and QtUiTools, made as they are asked for."""

from __future__ import annotations

from types import ModuleType

from PySide6 import QtCore, QtGui, QtNetwork, QtWidgets

from .items import ITEMS
from .wrapping import class_for

SOURCES = (QtCore, QtGui, QtWidgets, QtNetwork)

GONE = {
    "QRegExp": "Qt 6 has none; use QRegularExpression",
    "QDesktopWidget": "Qt 6 has none; use QScreen",
    "QTextCodec": "Qt 6 has none; bytes.decode will do",
}


class QtModule(ModuleType):
    """``import qt``. PySide6's own inventions (Signal, Slot, Property, SIGNAL) are not in it."""

    def __getattr__(self, name: str):
        if name in GONE:
            raise AttributeError(f"qt.{name}: {GONE[name]}")
        if name in ITEMS:
            return ITEMS[name]
        if not name.startswith("Q") or name.startswith("QtMsg"):
            raise AttributeError(f"module 'qt' has no attribute '{name}'")
        thing = next((getattr(source, name) for source in SOURCES if hasattr(source, name)), None)
        if thing is None:
            raise AttributeError(f"module 'qt' has no attribute '{name}'")
        if isinstance(thing, type) and issubclass(thing, QtCore.QObject):
            thing = class_for(thing)
        setattr(self, name, thing)
        return thing
