"""The class decorator ``parameterNodeWrapper``."""

from __future__ import annotations

import os
import weakref

import qt
import slicer.util
import vtk

from slicer_harness.pythonqt.errors import slot_errors

from .connectors import GuiConnector, createGuiConnector
from .packs import data_type
from .storage import Parameter, parameters, split_name

SlicerParameterNamePropertyName = "SlicerParameterName"

LEAKING = os.environ.get("SLICER_HARNESS_WRAPPER") == "5.10"
"""Whether it behaves like Slicer 5.10's: see the fixture ``leaking_wrapper``."""


class _Stored:
    """One parameter in one node; the value is remembered until the node says that it changed."""

    def __init__(self, parameter: Parameter, node, prefix: str):
        self.parameter, self.node, self.name = parameter, node, prefix + parameter.basename
        if not parameter.kind.has(node, self.name):
            parameter.kind.write(node, self.name, parameter.default.value)
        self.value, self.writing = self._load(), False
        me = weakref.ref(self)

        def modified(caller, event):
            stored = me()
            if stored is not None and not stored.writing:
                stored.value = stored._load()

        self.tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, modified)
        weakref.finalize(self, node.RemoveObserver, self.tag)

    def _load(self):
        if not self.parameter.kind.has(self.node, self.name):
            self.parameter.kind.write(self.node, self.name, self.parameter.default.value)
        return self.parameter.kind.read(self.node, self.name)

    def write(self, value) -> None:
        self.writing = True
        try:
            with slicer.util.NodeModify(self.node):  # observers see the new value at once
                self.parameter.kind.write(self.node, self.name, value)
                self.value = self._load()
        finally:
            self.writing = False


class _Wrapper:
    """Everything a wrapper class gets besides its parameters."""

    _is_parameter_node_wrapper = True

    def __init__(self, parameterNode, prefix: str | None = None):
        self.parameterNode = parameterNode
        self._stored = {
            name: _Stored(parameter, parameterNode, prefix or "") for name, parameter in self.allParameters.items()
        }
        self._guis: dict[int, tuple[dict[str, GuiConnector], int]] = {}
        self._next_tag, self._updating = 0, False

    def default(self, name: str):
        return self.allParameters[split_name(name)[0]].default

    def isCached(self, name: str) -> bool:
        data_type(self.allParameters, name)
        return True

    def getValue(self, name: str):
        data_type(self.allParameters, name)
        top, rest = split_name(name)
        value = getattr(self, top)
        return value if rest is None else value.getValue(rest)

    def setValue(self, name: str, value) -> None:
        data_type(self.allParameters, name)
        top, rest = split_name(name)
        if rest is None:
            setattr(self, top, value)
        else:
            getattr(self, top).setValue(rest, value)

    def connectGui(self, gui) -> int | None:
        """Tie every widget with the property SlicerParameterName to its parameter; the tag disconnects them."""
        widgets = (
            gui.findChildren(qt.QWidget) if getattr(gui, "isWidgetType", lambda: False)() else gui.__dict__.values()
        )
        named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
        tag = self.connectParametersToGui({name: widget for name, widget in named.items() if name})
        return None if LEAKING else tag

    def connectParametersToGui(self, mapping: dict) -> int:
        connectors = {
            name: widget
            if isinstance(widget, GuiConnector)
            else createGuiConnector(widget, data_type(self.allParameters, name))
            for name, widget in mapping.items()
        }
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(self._from_gui(name, connector))
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, _gui_updater(self))
        tag, self._next_tag = self._next_tag, self._next_tag + 1
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, tag: int) -> None:
        connectors, observer = self._guis.pop(tag, ({}, None))
        for connector in connectors.values():
            connector.onChanged(None)
        if observer is not None and not LEAKING:
            self.RemoveObserver(observer)

    def _from_gui(self, name: str, connector: GuiConnector):
        def changed():
            if not self._updating:
                with slicer.util.NodeModify(self):
                    self.setValue(name, connector.read())

        return changed

    def _to_gui(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            with slicer.util.NodeModify(self):
                for connectors, _ in list(self._guis.values()):
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._updating = False

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        return self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        return self.parameterNode.Modified()


def _gui_updater(wrapper: _Wrapper):
    """The observer that updates the widgets.

    A leaking one lives as long as the node. Slicer crashes when it is called after its wrapper was collected; here
    the collection itself is an error, while the node is in a scene.
    """
    if not LEAKING:
        return lambda caller, event: wrapper._to_gui()
    me = weakref.ref(wrapper)
    weakref.finalize(wrapper, _report_collection, wrapper.parameterNode).atexit = False

    def update(caller, event):
        living = me()
        if living is not None:
            living._to_gui()

    return update


def _report_collection(node) -> None:
    if node.GetScene() is not None:
        slot_errors.record(RuntimeError("a wrapper was collected whose observer its node still calls"))


def parameterNodeWrapper(classtype=None):
    """Class decorator: the annotated attributes are kept in the parameter node that the class is called with."""
    return _wrap if classtype is None else _wrap(classtype)


def _wrap(cls):
    known = parameters(cls)
    taken = [name for name in vars(_Wrapper) if not name.startswith("__")] + ["allParameters", "dataType"]
    clash = [name for name in taken if name in vars(cls)]
    if clash:
        raise ValueError(f"Cannot use reserved name '{clash[0]}' in a parameterNodeWrapper")
    for name in known:
        setattr(
            cls,
            name,
            property(
                lambda self, name=name: self._stored[name].value,
                lambda self, value, name=name: self._stored[name].write(value),
            ),
        )
    for name, thing in vars(_Wrapper).items():
        if name == "__init__" or not name.startswith("__"):
            setattr(cls, name, thing)
    cls.allParameters = known
    cls.dataType = staticmethod(lambda name: data_type(known, name))
    return cls


def isParameterNodeWrapper(classOrObj) -> bool:
    """Whether a class or an object is a wrapper."""
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)


def findChildWidgetForParameter(widget, parameter: str):
    """The widget that is tied to a parameter, or None."""
    return next(
        (
            child
            for child in widget.findChildren(qt.QWidget)
            if child.property(SlicerParameterNamePropertyName) == parameter
        ),
        None,
    )
