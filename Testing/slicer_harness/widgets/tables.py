"""``qMRMLTableView``: shows a table node."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from ..pythonqt.declare import invokable, stored
from .base import SCENE_SIGNAL, SCENE_SLOT
from .scene_observer import weakly


class qMRMLTableView(QtWidgets.QTableView):
    """Rows and columns of a table node, renewed when it changes; cells cannot be edited here."""

    mrmlSceneChanged = QtCore.Signal(object)
    selectionModelChanged = QtCore.Signal()
    cpp_signals = {**SCENE_SIGNAL, "selectionChanged()": "selectionModelChanged"}
    cpp_slots = {**SCENE_SLOT, "setMRMLTableNode(vtkMRMLNode*)": "setMRMLTableNode"}

    transposed = stored(bool, False)
    firstRowLocked = stored(bool, False)
    firstColumnLocked = stored(bool, False)
    _scene = None

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node, self._tag = None, None
        self.setModel(QtGui.QStandardItemModel(self))
        self.setEditTriggers(QtWidgets.QAbstractItemView.NoEditTriggers)
        self.selectionModel().selectionChanged.connect(self._selected)

    @invokable
    def setMRMLScene(self, scene) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    @invokable
    def mrmlScene(self):
        return self._scene

    @invokable
    def mrmlTableNode(self):
        return self._node

    @invokable
    def tableModel(self):
        return self.model()

    @invokable
    def setMRMLTableNode(self, node) -> None:
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            self._tag = node.AddObserver("ModifiedEvent", weakly(self._fill))
        self._fill()

    def _selected(self, *_) -> None:
        self.selectionModelChanged.emit()

    def _fill(self) -> None:
        model = self.model()
        model.clear()
        table = self._node.GetTable() if self._node is not None else None
        if table is None:
            return
        model.setHorizontalHeaderLabels(
            [table.GetColumnName(column) or "" for column in range(table.GetNumberOfColumns())]
        )
        for row in range(table.GetNumberOfRows()):
            model.appendRow(
                [
                    QtGui.QStandardItem(self._node.GetCellText(row, column))
                    for column in range(table.GetNumberOfColumns())
                ]
            )
