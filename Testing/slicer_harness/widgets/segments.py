"""``qMRMLSegmentSelectorWidget``: chooses a segmentation node and a segment in it."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets

from ..pythonqt.declare import invokable, passed, stored
from .base import qMRMLWidget
from .nodes import qMRMLNodeComboBox
from .scene_observer import weakly

EVENTS = ("SegmentAdded", "SegmentRemoved", "SegmentModified")


class qMRMLSegmentSelectorWidget(qMRMLWidget):
    """Two combo boxes; the second follows the segments of the node in the first."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeValidityChanged = QtCore.Signal(bool)
    currentSegmentChanged = QtCore.Signal(str)
    segmentSelectionChanged = QtCore.Signal("QStringList")
    nodeAboutToBeEdited = QtCore.Signal(object)
    cpp_signals = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "currentNodeValidityChanged",
        "nodeAboutToBeEdited(vtkMRMLNode*)": "nodeAboutToBeEdited",
    }
    cpp_slots = {"setCurrentNode(vtkMRMLNode*)": "setCurrentNode"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._nodes_box = qMRMLNodeComboBox(self)
        self._nodes_box.setProperty("nodeTypes", ["vtkMRMLSegmentationNode"])
        self._nodes_box.setProperty("addEnabled", False)
        self._segments = QtWidgets.QComboBox(self)
        layout = QtWidgets.QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._nodes_box, 0, 0)
        layout.addWidget(self._segments, 1, 0)
        self._node, self._tags, self._chosen = None, [], ""
        self._nodes_box.currentNodeChanged.connect(self._on_node)
        self._nodes_box.currentNodeChanged.connect(self.currentNodeChanged)
        self._nodes_box.currentNodeValidityChanged.connect(self.currentNodeValidityChanged)
        self._segments.currentIndexChanged.connect(self._on_segment)

    noneEnabled = QtCore.Property(
        bool, lambda self: self._nodes_box.property("noneEnabled"), lambda self, enabled: self._set_none(enabled)
    )
    editEnabled = passed(bool, "_nodes_box", "editEnabled")
    selectNodeUponCreation = passed(bool, "_nodes_box", "selectNodeUponCreation")
    segmentationNodeSelectorVisible = QtCore.Property(
        bool, lambda self: self._nodes_box.isVisible(), lambda self, visible: self._nodes_box.setVisible(visible)
    )
    horizontalLayout = stored(bool, False, "_lay_out")
    multiSelection = QtCore.Property(bool, lambda self: False, lambda self, several: self._refuse(several))

    def _refuse(self, several: bool) -> None:
        if several:
            raise NotImplementedError("the harness's segment selector chooses one segment")

    def _lay_out(self) -> None:
        row, column = (0, 1) if self.property("horizontalLayout") else (1, 0)
        self.layout().addWidget(self._segments, row, column)

    def _set_none(self, enabled: bool) -> None:
        self._nodes_box.setProperty("noneEnabled", enabled)
        self._fill()

    @invokable
    def setMRMLScene(self, scene) -> None:
        self._nodes_box.setMRMLScene(scene)
        super().setMRMLScene(scene)

    @invokable
    def currentNode(self):
        return self._nodes_box.currentNode()

    @invokable
    def currentNodeID(self) -> str:
        return self._nodes_box.property("currentNodeID")

    @invokable
    def setCurrentNode(self, node) -> None:
        self._nodes_box.setCurrentNode(node)

    @invokable
    def setCurrentNodeID(self, identifier: str) -> None:
        self._nodes_box.setCurrentNodeID(identifier)

    @invokable
    def currentSegmentID(self) -> str:
        return self._chosen

    @invokable
    def segmentIDs(self) -> list[str]:
        return [self._segments.itemData(row) for row in range(self._segments.count()) if self._segments.itemData(row)]

    @invokable
    def setCurrentSegmentID(self, identifier: str) -> None:
        row = self._segments.findData(identifier)
        if row >= 0:
            self._segments.setCurrentIndex(row)
        elif not identifier and self.property("noneEnabled"):
            self._segments.setCurrentIndex(0)

    def _on_node(self, node) -> None:
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._tags.clear()
        self._node = node
        if node is not None:
            import slicer

            self._tags += [
                node.AddObserver(getattr(slicer.vtkSegmentation, event), weakly(self._fill)) for event in EVENTS
            ]
        self._fill()

    def _fill(self) -> None:
        blocked = self._segments.blockSignals(True)
        self._segments.clear()
        segmentation = self._node.GetSegmentation() if self._node is not None else None
        identifiers = list(segmentation.GetSegmentIDs()) if segmentation is not None else []
        if identifiers and self.property("noneEnabled"):
            self._segments.addItem("None", "")
        for identifier in identifiers:
            self._segments.addItem(segmentation.GetSegment(identifier).GetName(), identifier)
        self._segments.setVisible(bool(identifiers))
        self._segments.setCurrentIndex(-1)
        self._segments.blockSignals(blocked)
        if self._chosen in identifiers or (self._chosen == "" and self.property("noneEnabled")):
            blocked = self._segments.blockSignals(True)
            self._segments.setCurrentIndex(self._segments.findData(self._chosen))
            self._segments.blockSignals(blocked)
        elif identifiers:
            self._segments.setCurrentIndex(1 if self.property("noneEnabled") else 0)

    def _on_segment(self, row: int) -> None:
        if self._node is not None and row >= 0:
            self._chosen = self._segments.itemData(row)
            self.currentSegmentChanged.emit(self._chosen)
