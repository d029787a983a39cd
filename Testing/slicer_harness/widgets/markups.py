"""``qSlicerMarkupsPlaceWidget``: the button that starts placing a markup."""

from __future__ import annotations

import enum

from PySide6 import QtCore, QtGui, QtWidgets

from ..pythonqt.declare import invokable, stored
from .base import qSlicerWidget
from .scene_observer import weakly


class qSlicerMarkupsPlaceWidget(qSlicerWidget):
    """Its place button puts the application's interaction node into place mode for the current markups node."""

    class PlaceMultipleMarkupsType(enum.Enum):
        ShowPlaceMultipleMarkupsOption = 0
        HidePlaceMultipleMarkupsOption = 1
        ForcePlaceSingleMarkup = 2
        ForcePlaceMultipleMarkups = 3

    ShowPlaceMultipleMarkupsOption = PlaceMultipleMarkupsType.ShowPlaceMultipleMarkupsOption
    HidePlaceMultipleMarkupsOption = PlaceMultipleMarkupsType.HidePlaceMultipleMarkupsOption
    ForcePlaceSingleMarkup = PlaceMultipleMarkupsType.ForcePlaceSingleMarkup
    ForcePlaceMultipleMarkups = PlaceMultipleMarkupsType.ForcePlaceMultipleMarkups

    activeMarkupsPlaceModeChanged = QtCore.Signal(bool)
    activeMarkupsFiducialPlaceModeChanged = QtCore.Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node, self._tag, self._interaction = None, None, None
        self._place = QtWidgets.QToolButton(self)
        self._place.setText("Place")
        self._place.setCheckable(True)
        self._place.setEnabled(False)
        self._delete = QtWidgets.QToolButton(self)
        self._delete.setText("Delete")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._place)
        layout.addWidget(self._delete)
        self._place.clicked.connect(self.setPlaceModeEnabled)
        self._delete.clicked.connect(self.deleteAllPoints)
        self._was_placing = False

    buttonsVisible = QtCore.Property(
        bool, lambda self: not self._place.isHidden(), lambda self, visible: self.setButtonsVisible(visible)
    )
    deleteAllControlPointsOptionVisible = stored(bool, True)
    unsetLastControlPointOptionVisible = stored(bool, False)
    unsetAllControlPointsOptionVisible = stored(bool, False)
    placeMultipleMarkups = stored(object, ShowPlaceMultipleMarkupsOption)
    placeModePersistency = stored(bool, False)
    nodeColor = stored(QtGui.QColor, QtGui.QColor())
    defaultNodeColor = stored(QtGui.QColor, QtGui.QColor())
    currentNodeActive = QtCore.Property(
        bool, lambda self: self._is_active(), lambda self, active: self.setCurrentNodeActive(active)
    )
    placeModeEnabled = QtCore.Property(
        bool, lambda self: self._is_placing(), lambda self, on: self.setPlaceModeEnabled(on)
    )

    @invokable
    def setMRMLScene(self, scene) -> None:
        if self._interaction is not None:
            self._interaction.RemoveObserver(self._tag)
        self._interaction = None
        super().setMRMLScene(scene)
        if scene is not None:
            self._interaction = self.interactionNode()
            self._tag = self._interaction.AddObserver("ModifiedEvent", weakly(self._follow))

    @invokable
    def interactionNode(self):
        return self._scene.GetFirstNodeByClass("vtkMRMLInteractionNode")

    @invokable
    def selectionNode(self):
        return self._scene.GetFirstNodeByClass("vtkMRMLSelectionNode")

    @invokable
    def currentNode(self):
        return self._node

    @invokable
    def currentMarkupsNode(self):
        return self._node

    @invokable
    def setCurrentNode(self, node) -> None:
        if node is not self._node:
            self.setPlaceModeEnabled(False)
            self._node = node
            self._place.setEnabled(node is not None)

    @invokable
    def setCurrentNodeActive(self, active: bool) -> None:
        if self._node is None:
            return
        selection = self.selectionNode()
        if active:
            selection.SetReferenceActivePlaceNodeClassName(self._node.GetClassName())
            selection.SetActivePlaceNodeID(self._node.GetID())
        elif self._is_active():
            selection.SetActivePlaceNodeID(None)

    @invokable
    def setPlaceModeEnabled(self, on: bool) -> None:
        if self._scene is None or self._node is None:
            return
        interaction = self.interactionNode()
        if on:
            self.setCurrentNodeActive(True)
            interaction.SetPlaceModePersistence(
                1 if self.property("placeMultipleMarkups") is self.ForcePlaceMultipleMarkups else 0
            )
            interaction.SetCurrentInteractionMode(interaction.Place)
        elif self._is_placing():
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
        self._follow()

    @invokable
    def setButtonsVisible(self, visible: bool) -> None:
        self._place.setVisible(visible)
        self._delete.setVisible(visible)

    @invokable
    def setPlaceMultipleMarkups(self, option) -> None:
        self.setProperty("placeMultipleMarkups", option)

    @invokable
    def setPlaceModePersistency(self, on: bool) -> None:
        self.setProperty("placeModePersistency", on)

    @invokable
    def setDefaultNodeColor(self, colour) -> None:
        self.setProperty("defaultNodeColor", colour)

    @invokable
    def setNodeColor(self, colour) -> None:
        self.setProperty("nodeColor", colour)

    @invokable
    def placeButton(self) -> QtWidgets.QToolButton:
        return self._place

    @invokable
    def deleteButton(self) -> QtWidgets.QToolButton:
        return self._delete

    @invokable
    def deleteAllPoints(self) -> None:
        if self._node is not None:
            self._node.RemoveAllControlPoints()

    @invokable
    def deleteLastPoint(self) -> None:
        if self._node is not None and self._node.GetNumberOfControlPoints():
            self._node.RemoveNthControlPoint(self._node.GetNumberOfControlPoints() - 1)

    def _is_active(self) -> bool:
        return self._node is not None and self.selectionNode().GetActivePlaceNodeID() == self._node.GetID()

    def _is_placing(self) -> bool:
        if self._scene is None or not self._is_active():
            return False
        interaction = self.interactionNode()
        return interaction.GetCurrentInteractionMode() == interaction.Place

    def _follow(self) -> None:
        placing = self._is_placing()
        self._place.setChecked(placing)
        if placing != self._was_placing:
            self._was_placing = placing
            self.activeMarkupsPlaceModeChanged.emit(placing)
