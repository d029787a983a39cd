"""Widgets that know the scene."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets

from ..pythonqt.declare import invokable

SCENE_SLOT = {"setMRMLScene(vtkMRMLScene*)": "setMRMLScene"}
SCENE_SIGNAL = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}


class qSlicerWidget(QtWidgets.QWidget):
    """Has a scene and says when it got another one; its children follow only where a .ui file connects them."""

    mrmlSceneChanged = QtCore.Signal(object)
    cpp_signals = SCENE_SIGNAL
    cpp_slots = SCENE_SLOT

    _scene = None

    @invokable
    def setMRMLScene(self, scene) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    @invokable
    def mrmlScene(self):
        return self._scene


class qMRMLWidget(QtWidgets.QWidget):
    """As qSlicerWidget, in the library of MRML widgets."""

    mrmlSceneChanged = QtCore.Signal(object)
    cpp_signals = SCENE_SIGNAL
    cpp_slots = SCENE_SLOT

    _scene = None

    @invokable
    def setMRMLScene(self, scene) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    @invokable
    def mrmlScene(self):
        return self._scene
