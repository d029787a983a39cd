"""``qMRMLNodeComboBox``: chooses a node of the scene and follows the scene."""

from __future__ import annotations

import shiboken6
from PySide6 import QtCore, QtWidgets

from ..pythonqt.declare import invokable, stored
from .base import SCENE_SLOT
from .scene_observer import SceneObserver
from .texts import ctkComboBox


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Lists the nodes of some classes. Without "None" it selects the first node as soon as there is one."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeValidityChanged = QtCore.Signal(bool)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAddedByUserAction = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)
    nodeAboutToBeEdited = QtCore.Signal(object)
    currentNodeRenamed = QtCore.Signal(str)
    cpp_signals = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "currentNodeValidityChanged",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "nodeAddedByUserAction(vtkMRMLNode*)": "nodeAddedByUserAction",
        "nodeAboutToBeRemoved(vtkMRMLNode*)": "nodeAboutToBeRemoved",
        "nodeAboutToBeEdited(vtkMRMLNode*)": "nodeAboutToBeEdited",
    }
    cpp_slots = {**SCENE_SLOT, "setCurrentNode(vtkMRMLNode*)": "setCurrentNode"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._combo = ctkComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Fixed)
        self._scene, self._nodes, self._current = None, [], None
        self._requested: object = None
        self._types: list[str] = []
        self._attributes: list[tuple[str, str, str | None]] = []
        self._labels: dict[str, str] = {}
        self._filling = False
        self._observer = SceneObserver(self._refresh, self._about_to_remove)
        self.destroyed.connect(self._observer.release)
        self._combo.currentIndexChanged.connect(self._from_combo)
        self._combo.activated.connect(self._activated)
        self.setFocusProxy(self._combo)
        self.setEnabled(False)

    noneEnabled = stored(bool, False, "_refresh")
    addEnabled = stored(bool, True)
    removeEnabled = stored(bool, True)
    editEnabled = stored(bool, False)
    renameEnabled = stored(bool, False)
    showHidden = stored(bool, False, "_refresh")
    showChildNodeTypes = stored(bool, True, "_refresh")
    hideChildNodeTypes = stored("QStringList", [], "_refresh")
    baseName = stored(str, "")
    noneDisplay = stored(str, "None", "_refresh")
    selectNodeUponCreation = stored(bool, True)
    interactionNodeSingletonTag = stored(str, "Singleton")
    sizeAdjustPolicy = stored(int, 0)

    def _set_types(self, types) -> None:
        self._types = [kind for kind in types if kind]
        self._observer.observe(self._scene, self._types)
        self._refresh()

    nodeTypes = QtCore.Property("QStringList", lambda self: list(self._types), _set_types)
    currentNodeID = QtCore.Property(
        str,
        lambda self: self._current.GetID() if self._current else "",
        lambda self, identifier: self.setCurrentNodeID(identifier),
    )

    @invokable
    def mrmlScene(self):
        return self._scene

    @invokable
    def setMRMLScene(self, scene) -> None:
        if scene is self._scene:
            return
        self._scene = scene
        self._observer.observe(scene, self._types)
        self.setEnabled(scene is not None)
        wanted, self._requested = self._requested, None
        self._refresh(wanted.GetID() if hasattr(wanted, "GetID") else wanted)

    @invokable
    def currentNode(self):
        return self._current

    @invokable
    def setCurrentNode(self, node) -> None:
        if self._scene is None:
            self._requested = node
            return
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    @invokable
    def setCurrentNodeID(self, identifier: str) -> None:
        if self._scene is None:
            self._requested = identifier
            return
        found = [node for node in self._nodes if node.GetID() == identifier]
        self._select(found[0] if found else None)

    @invokable
    def setCurrentNodeIndex(self, index: int) -> None:
        self._select(self._nodes[index] if 0 <= index < len(self._nodes) else None)

    @invokable
    def nodeCount(self) -> int:
        return len(self._nodes)

    @invokable
    def nodeFromIndex(self, index: int):
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    @invokable
    def addAttribute(self, node_type: str, name: str, value=None) -> None:
        self._attributes.append((node_type, name, None if value is None else str(value)))
        self._refresh()

    @invokable
    def removeAttribute(self, node_type: str, name: str) -> None:
        self._attributes = [entry for entry in self._attributes if entry[:2] != (node_type, name)]
        self._refresh()

    @invokable
    def setNodeTypeLabel(self, label: str, node_type: str) -> None:
        self._labels[node_type] = label

    @invokable
    def nodeTypeLabel(self, node_type: str) -> str:
        return self._labels.get(node_type) or self._scene.GetTypeDisplayNameByClassName(node_type) or "node"

    @invokable
    def addNode(self, node_type: str | None = None):
        node_type = node_type or self._types[0]
        if node_type not in self._types:
            return None
        name = self.property("baseName") or self.nodeTypeLabel(node_type)
        node = self._scene.AddNewNodeByClass(node_type, self._scene.GenerateUniqueName(name))
        for kind, attribute, value in self._attributes:
            if kind == node_type:
                node.SetAttribute(attribute, value or "")
        self._refresh()
        if self.property("selectNodeUponCreation"):
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    @invokable
    def removeCurrentNode(self) -> None:
        self._scene.RemoveNode(self._current)

    def _offers(self, node) -> bool:
        if not any(node.IsA(kind) for kind in self._types):
            return False
        if node.GetHideFromEditors() and not self.property("showHidden"):
            return False
        if node.GetClassName() not in self._types and (
            not self.property("showChildNodeTypes")
            or any(node.IsA(kind) for kind in self.property("hideChildNodeTypes"))
        ):
            return False
        return all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for kind, name, value in self._attributes
            if node.IsA(kind)
        )

    def _refresh(self, wanted: str | None = None, gone=None) -> None:
        """List the nodes anew. The chosen one stays; when it is gone, its neighbour takes its place."""
        before = list(self._nodes)
        self._nodes = (
            []
            if self._scene is None
            else [node for node in self._scene.GetNodes() if node is not gone and self._offers(node)]
        )
        if wanted:
            current = next((node for node in self._nodes if node.GetID() == wanted), None)
        elif self._current in self._nodes:
            current = self._current
        elif self._current is not None and self._nodes:
            place = before.index(self._current) if self._current in before else 0
            current = self._nodes[min(place, len(self._nodes) - 1)]
        else:
            current = None
        if current is None and self._nodes and not self.property("noneEnabled"):
            current = self._nodes[0]
        self._fill()
        self._select(current)
        for node in self._nodes:
            if node not in before:
                self.nodeAdded.emit(node)

    def _fill(self) -> None:
        self._filling = True
        self._combo.clear()
        if self.property("noneEnabled"):
            self._combo.addItem(self.property("noneDisplay"))
        for node in self._nodes:
            self._combo.addItem(node.GetName() or "")
        self._combo.setCurrentIndex(self._row(self._current))
        self._filling = False

    def _row(self, node) -> int:
        first = 1 if self.property("noneEnabled") else 0
        return self._nodes.index(node) + first if node in self._nodes else first - 1

    def _activated(self, row: int) -> None:
        self.nodeActivated.emit(self._current)

    def _from_combo(self, row: int) -> None:
        if not self._filling:
            index = row - (1 if self.property("noneEnabled") else 0)
            self._select(self._nodes[index] if 0 <= index < len(self._nodes) else None)

    def _select(self, node) -> None:
        self._filling = True
        self._combo.setCurrentIndex(self._row(node))
        self._filling = False
        if node is not self._current:
            self._current = node
            for signal, value in (
                (self.currentNodeChanged, node),
                (self.currentNodeValidityChanged, node is not None),
                (self.currentNodeIDChanged, node.GetID() if node is not None else ""),
            ):
                if shiboken6.isValid(self):  # a slot may have deleted the panel
                    signal.emit(value)

    def _about_to_remove(self, node) -> None:
        if node in self._nodes:
            self.nodeAboutToBeRemoved.emit(node)
            self._refresh(gone=node)
