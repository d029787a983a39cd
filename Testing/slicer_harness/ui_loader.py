"""``qt.QUiLoader``: loads .ui files with the stand-ins, and refuses what Qt would silently make something else of."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from functools import cache

from PySide6 import QtCore, QtUiTools, QtWidgets

from .pythonqt import signals
from .pythonqt.declare import invokable
from .pythonqt.members import properties
from .widgets.catalogue import ALL


class UiError(ValueError):
    """Something in a .ui file that the real classes do not have."""


@cache
def _designer() -> QtUiTools.QUiLoader:
    """Knows the stand-ins; one for all, because to register them takes longer than to load a form."""
    loader = QtUiTools.QUiLoader(QtCore.QCoreApplication.instance())
    for cls in ALL.values():
        loader.registerCustomWidget(cls)
    return loader


@cache
def _checked(contents: bytes) -> tuple[bytes, tuple[tuple[str, ...], ...]]:
    """A .ui file without its connections, and these: sender, signal, receiver, slot of each."""
    tree = ElementTree.fromstring(contents)
    _check(tree)
    connections = tree.find("connections")
    if connections is None:
        return ElementTree.tostring(tree), ()
    tree.remove(connections)
    tags = "sender", "signal", "receiver", "slot"
    wired = tuple(tuple(entry.findtext(tag) for tag in tags) for entry in connections.findall("connection"))
    return ElementTree.tostring(tree), wired


def _check(tree) -> None:
    known = set(_designer().availableWidgets())
    for element in tree.iter("widget"):
        name = element.get("class")
        if name not in known:
            raise UiError(f"{element.get('name')}: there is no widget class {name}")
        cls = ALL.get(name) or getattr(QtWidgets, name)
        for entry in element.findall("property"):
            if entry.get("stdset") != "0" and entry.get("name") not in properties(cls) and entry.get("name") != "buddy":
                raise UiError(f"{element.get('name')}: {name} has no property {entry.get('name')}")


class QUiLoader(QtUiTools.QUiLoader):
    """Qt turns an unknown class into a QWidget, an unknown property into a dynamic one, and drops an unknown signal.

    Here each of them raises ``UiError``. Connections are made by the C++ signatures of the stand-ins, so that a
    selector that the file does not connect has no scene, as in Slicer.
    """

    @invokable
    def load(self, device, parent=None):
        """The widget of an open file."""
        contents, wired = _checked(bytes(device.readAll().data()))
        buffer = QtCore.QBuffer()
        buffer.setData(contents)
        buffer.open(QtCore.QIODevice.ReadOnly)
        widget = _designer().load(buffer, parent)
        for connection in wired:
            self._connect(widget, *connection)
        return widget

    @invokable
    def availableWidgets(self) -> list[str]:
        return _designer().availableWidgets()

    @invokable
    def errorString(self) -> str:
        return _designer().errorString()

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
