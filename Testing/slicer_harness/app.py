"""``slicer.app``: the one QApplication, with what qSlicerApplication shows to Python and nothing more."""

from __future__ import annotations

import os
import platform
import sys

from PySide6 import QtCore, QtWidgets

from .pythonqt.declare import constant, invokable, stored

SYSTEM, MACHINE = platform.system().lower(), platform.machine()

VERSION = (5, 13)
"""Of the Slicer whose MRML is in the pinned wheel."""


class qSlicerApplication(QtWidgets.QApplication):
    """Made once; ``MrmlSide`` and the managers are handed over by ``install``."""

    startupCompleted = QtCore.Signal()
    renderPaused = QtCore.Signal(bool)
    urlReceived = QtCore.Signal(str)
    mrmlSceneChanged = QtCore.Signal(object)
    cpp_signals = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    majorVersion = constant(int, VERSION[0])
    minorVersion = constant(int, VERSION[1])
    revision = constant(str, "31053")
    repositoryRevision = constant(str, "0" * 40)
    releaseType = constant(str, "Experimental")
    platform = constant(str, f"{SYSTEM}-{MACHINE}")
    arch = constant(str, MACHINE)
    os = constant(str, SYSTEM)
    isInstalled = constant(bool, True)
    mainApplicationName = constant(str, "Slicer")
    mainApplicationDisplayName = constant(str, "3D Slicer")
    documentationBaseUrl = constant(str, "https://slicer.readthedocs.io/en/latest/")
    documentationVersion = constant(str, "latest")
    documentationLanguage = constant(str, "en")
    applicationLocaleName = constant(str, "en_US")
    temporaryPath = stored(str, "")
    cachePath = stored(str, "")
    extensionsInstallPath = stored(str, "")
    defaultScenePath = stored(str, "")
    slicerHome = QtCore.Property(str, lambda self: self.folder)

    def __init__(self, folder: str):
        super().__init__([sys.executable])
        self.setApplicationName("Slicer")
        self.setOrganizationName("FAAnomalyTests")
        self.setOrganizationDomain("tests.invalid")
        for name in ("temporaryPath", "cachePath", "extensionsInstallPath", "defaultScenePath"):
            self.setProperty(name, folder)
        self.folder = folder
        self.startup_environment = dict(os.environ)
        self.mrml = self.io = self.manager = self.layout_manager = None
        self.testing = False
        self.render_pauses = 0

    @invokable
    def mrmlScene(self):
        return self.mrml.scene

    @invokable
    def applicationLogic(self):
        return self.mrml.application_logic

    @invokable
    def moduleLogic(self, name: str):
        return self.mrml.logics.get(name)

    @invokable
    def coreIOManager(self):
        return self.io

    @invokable
    def ioManager(self):
        return self.io

    @invokable
    def moduleManager(self):
        return self.manager

    @invokable
    def layoutManager(self):
        """None without a main window."""
        return self.layout_manager

    @invokable
    def setLayoutManager(self, manager) -> None:
        self.layout_manager = manager

    @invokable
    def testingEnabled(self) -> bool:
        return self.testing

    @invokable
    def settings(self):
        return self._settings()

    @invokable
    def userSettings(self):
        return self._settings()

    @invokable
    def revisionUserSettings(self):
        return self._settings()

    def _settings(self) -> QtCore.QSettings:
        self._settings_object = QtCore.QSettings()
        return self._settings_object

    @invokable
    def startupEnvironment(self):
        """The environment as it was before Slicer's launcher changed it."""
        environment = QtCore.QProcessEnvironment()
        for name, value in self.startup_environment.items():
            environment.insert(name, value)
        return environment

    @invokable
    def environment(self):
        return QtCore.QProcessEnvironment.systemEnvironment()

    @invokable
    def setEnvironmentVariable(self, name: str, value: str) -> None:
        os.environ[name] = value

    @invokable
    def translate(self, context: str, text: str) -> str:
        return QtCore.QCoreApplication.translate(context, text)

    @invokable
    def moduleDocumentationUrl(self, name: str) -> str:
        return f"{self.property('documentationBaseUrl')}user_guide/modules/{name.lower()}.html"

    @invokable
    def setRenderPaused(self, pause: bool) -> None:
        self.render_pauses += 1 if pause else -1
        if self.render_pauses < 0:
            raise AssertionError("rendering was resumed more often than paused")
        self.renderPaused.emit(self.render_pauses > 0)

    @invokable
    def pauseRender(self) -> None:
        self.setRenderPaused(True)

    @invokable
    def resumeRender(self) -> None:
        self.setRenderPaused(False)

    @invokable
    def logUsageEvent(self, component: str, event: str) -> None:
        """Without support for usage logging, as here, it does nothing in Slicer either."""

    @invokable
    def restart(self) -> None:
        raise AssertionError("the program restarted Slicer in the middle of a test")
