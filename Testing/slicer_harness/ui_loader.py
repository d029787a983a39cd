"""``qt.QUiLoader``: loads .ui files with the stand-ins, and refuses what Qt would silently make something else of."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from .pythonqt import signals
from .pythonqt.declare import invokable
from .pythonqt.members import properties
from .widgets.catalogue import ALL


class UiError(ValueError):
    """Something in a .ui file that the real classes do not have."""


class QUiLoader(QtUiTools.QUiLoader):
    """Qt turns an unknown class into a QWidget, an unknown property into a dynamic one, and drops an unknown signal.

    Here each of them raises ``UiError``. Connections are made by the C++ signatures of the stand-ins, so that a
    selector that the file does not connect has no scene, as in Slicer.
    """

    def __init__(self, parent=None):
        super().__init__(parent)
        for cls in ALL.values():
            self.registerCustomWidget(cls)

    @invokable
    def load(self, device, parent=None):
        """The widget of an open file."""
        tree = ElementTree.fromstring(bytes(device.readAll().data()))
        self._check(tree)
        connections = tree.find("connections")
        wired = [] if connections is None else connections.findall("connection")
        if connections is not None:
            tree.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.ReadOnly)
        widget = super().load(buffer, parent)
        for connection in wired:
            self._connect(widget, *(connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot")))
        return widget

    def _check(self, tree) -> None:
        known = set(self.availableWidgets())
        for element in tree.iter("widget"):
            name = element.get("class")
            if name not in known:
                raise UiError(f"{element.get('name')}: there is no widget class {name}")
            cls = ALL.get(name) or getattr(QtWidgets, name)
            for entry in element.findall("property"):
                if (
                    entry.get("stdset") != "0"
                    and entry.get("name") not in properties(cls)
                    and entry.get("name") != "buddy"
                ):
                    raise UiError(f"{element.get('name')}: {name} has no property {entry.get('name')}")

    @staticmethod
    def _connect(root, sender: str, signal: str, receiver: str, slot: str) -> None:
        def named(name: str):
            found = root if root.objectName() == name else root.findChild(QtCore.QObject, name)
            if found is None:
                raise UiError(f"{sender} to {receiver}: there is no object {name}")
            return found

        try:
            signals.connect_to_slot(named(sender), signal, named(receiver), slot)
        except ValueError as error:
            raise UiError(str(error)) from error
