"""Modules: ``slicer.modules``, the module manager, and the C++ halves of scripted modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt.declare import invokable, stored
from .pythonqt.wrapping import wrap
from .widgets.base import qSlicerWidget


class qSlicerModuleManager(QtCore.QObject):
    """Names and objects of the modules."""

    moduleLoaded = QtCore.Signal(str)
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def __init__(self, application):
        super().__init__(application)
        self.known: dict[str, QtCore.QObject] = {}

    @invokable
    def modulesNames(self) -> list[str]:
        return list(self.known)

    @invokable
    def module(self, name: str):
        return self.known.get(name)

    def add(self, slicer, module) -> None:
        name = module.property("name")
        self.known[name] = module
        setattr(slicer.modules, name.lower(), wrap(module))
        setattr(slicer.moduleNames, name, name)
        self.moduleLoaded.emit(name)

    def remove(self, slicer, name: str) -> None:
        """Unload a module as Slicer does when it ends."""
        self.moduleAboutToBeUnloaded.emit(name)
        module = self.known.pop(name)
        for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
            if hasattr(slicer.modules, attribute):
                delattr(slicer.modules, attribute)
        delattr(slicer.moduleNames, name)
        module.close()


class qSlicerAbstractModule(QtCore.QObject):
    """A module of Slicer's own, of which there is only the logic."""

    def __init__(self, name: str, mrml, application, source: str = ""):
        super().__init__(application)
        self.module_name, self.mrml, self.source = name, mrml, source

    name = QtCore.Property(str, lambda self: self.module_name)
    path = QtCore.Property(str, lambda self: self.source)

    @invokable
    def logic(self):
        return self.mrml.logics.get(self.module_name)

    @invokable
    def mrmlScene(self):
        return self.mrml.scene

    def close(self) -> None:
        """Nothing to let go of."""


class qSlicerScriptedLoadableModule(qSlicerAbstractModule):
    """The C++ object that a scripted module's ``self.parent`` is."""

    title = stored(str, "")
    categories = stored("QStringList", [])
    contributors = stored("QStringList", [])
    associatedNodeTypes = stored("QStringList", [])
    helpText = stored(str, "")
    acknowledgementText = stored(str, "")
    extensions = stored("QVariantMap", {})
    icon = stored(QtGui.QIcon, QtGui.QIcon())
    hidden = stored(bool, False)
    dependencies = stored("QStringList", [])
    index = stored(int, -1)
    widgetRepresentationCreationEnabled = stored(bool, True)

    def __init__(self, slicer, source: Path, mrml, application):
        super().__init__(source.stem, mrml, application, str(source))
        self.slicer, self.widget = slicer, None
        python = load_source(source)
        instance = getattr(python, source.stem)(wrap(self))
        setattr(slicer.modules, f"{source.stem}Instance", instance)
        if hasattr(instance, "setup"):
            instance.setup()

    @invokable
    def widgetRepresentation(self):
        """The panel; made when it is first asked for."""
        if self.widget is None:
            self.widget = qSlicerScriptedLoadableModuleWidget(self.slicer, self)
            self.widget.setup()
        return self.widget

    @invokable
    def createNewWidgetRepresentation(self):
        widget = qSlicerScriptedLoadableModuleWidget(self.slicer, self)
        widget.setup()
        return widget

    def close(self) -> None:
        if self.widget is not None:
            self.widget.deleteLater()
            self.widget = None


class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The widget that a scripted panel's ``self.parent`` is."""

    def __init__(self, slicer, module: qSlicerScriptedLoadableModule):
        super().__init__()
        self.slicer, self.of, self.entered = slicer, module, False
        self.setObjectName(f"{module.module_name}ModuleWidget")
        QtWidgets.QVBoxLayout(self)
        self.setMRMLScene(module.mrml.scene)
        self._instantiate()

    moduleName = QtCore.Property(str, lambda self: self.of.module_name)
    isEntered = QtCore.Property(bool, lambda self: self.entered)

    def _instantiate(self) -> None:
        name = self.of.module_name
        python = sys.modules.get(name) or load_source(Path(self.of.source))
        self.python = getattr(python, f"{name}Widget")(wrap(self))
        setattr(self.slicer.modules, f"{name}Widget", self.python)

    def setup(self) -> None:
        self.python.setup()

    @invokable
    def self(self):
        return self.python

    @invokable
    def reload(self) -> None:
        self._instantiate()
        self.setup()

    @invokable
    def enter(self) -> None:
        self.entered = True
        self._call("enter")

    @invokable
    def exit(self) -> None:
        self.entered = False
        self._call("exit")

    @invokable
    def module(self):
        return self.of

    @invokable
    def setEditedNode(self, node, role: str = "", context: str = "") -> bool:
        return bool(self._call("setEditedNode", node, role, context))

    def _call(self, name: str, *arguments):
        method = getattr(self.python, name, None)
        return method(*arguments) if method is not None else None


def load_source(source: Path):
    """Import a scripted module's file under its own name, with its folder on sys.path, as Slicer's factory does."""
    known = sys.modules.get(source.stem)
    if known is not None and Path(known.__file__) == source:
        return known
    if str(source.parent) not in sys.path:
        sys.path.append(str(source.parent))
    specification = importlib.util.spec_from_file_location(source.stem, source)
    python = importlib.util.module_from_spec(specification)
    sys.modules[source.stem] = python
    try:
        specification.loader.exec_module(python)
    except BaseException:
        del sys.modules[source.stem]
        raise
    return python
