"""``slicer.app.layoutManager()``: Red, Green and Yellow slice widgets over real slice logics."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt.declare import constant, invokable, stored

VIEWS = {"Red": ("Axial", (243, 74, 51)), "Green": ("Coronal", (110, 176, 75)), "Yellow": ("Sagittal", (237, 213, 76))}
"""Name -> orientation and colour."""
OTHER = ("Axial", (200, 200, 200))
"""Of views of further layouts."""


class qMRMLSliceWidget(QtWidgets.QWidget):
    """One slice view."""

    sliceViewName = QtCore.Property(str, lambda self: self.name)
    sliceViewLabel = QtCore.Property(str, lambda self: self.name[0])

    def __init__(self, view):
        super().__init__()
        self.view, self.name = view, view.name
        self.area, self.controller = qMRMLSliceView(self), qMRMLSliceControllerWidget(self)

    @invokable
    def mrmlSliceNode(self):
        return self.view.slice_node

    @invokable
    def mrmlAbstractViewNode(self):
        return self.view.slice_node

    @invokable
    def mrmlSliceCompositeNode(self):
        return self.view.composite_node

    @invokable
    def sliceLogic(self):
        return self.view.logic

    @invokable
    def logic(self):
        return self.view.logic

    @invokable
    def sliceView(self):
        return self.area

    @invokable
    def sliceController(self):
        return self.controller

    @invokable
    def fitSliceToBackground(self) -> None:
        self.view.logic.FitSliceToBackground()

    @invokable
    def setSliceOrientation(self, orientation: str) -> None:
        self.view.slice_node.SetOrientation(orientation)

    sliceOrientation = QtCore.Property(str, lambda self: self.view.slice_node.GetOrientation(), setSliceOrientation)


class qMRMLSliceControllerWidget(QtWidgets.QWidget):
    """The bar above a slice view."""

    def __init__(self, widget: qMRMLSliceWidget):
        super().__init__(widget)
        self.view = widget.view

    @invokable
    def mrmlSliceNode(self):
        return self.view.slice_node

    @invokable
    def fitSliceToBackground(self) -> None:
        self.view.logic.FitSliceToBackground()

    @invokable
    def setSliceOffsetValue(self, offset: float) -> None:
        self.view.logic.SetSliceOffset(offset)

    @invokable
    def setSliceVisible(self, visible: bool) -> None:
        self.view.slice_node.SetSliceVisible(visible)

    @invokable
    def setSliceLink(self, linked: bool) -> None:
        self.view.composite_node.SetLinkedControl(linked)


class qMRMLSliceView(QtWidgets.QWidget):
    """The picture of a slice view; it is drawn by ``render_slices`` only."""

    def __init__(self, widget: qMRMLSliceWidget):
        super().__init__(widget)
        self.view, self.renders = widget.view, 0

    @invokable
    def mrmlSliceNode(self):
        return self.view.slice_node

    @invokable
    def scheduleRender(self) -> None:
        self.renders += 1

    @invokable
    def forceRender(self) -> None:
        self.renders += 1


class qSlicerLayoutManager(QtCore.QObject):
    """The three slice views of the layout that Slicer starts with; no 3D, table or plot views."""

    layoutChanged = QtCore.Signal(int)

    threeDViewCount = constant(int, 0)
    tableViewCount = constant(int, 0)
    plotViewCount = constant(int, 0)
    layout = stored(int, 3, "_changed")

    def __init__(self, mrml, views: dict):
        super().__init__()
        self.mrml = mrml
        self.widgets = {name: qMRMLSliceWidget(view) for name, view in views.items()}
        for name, widget in self.widgets.items():
            widget.setObjectName(f"qMRMLSliceWidget{name}")
            widget.setPalette(QtGui.QPalette(QtGui.QColor(*VIEWS.get(name, OTHER)[1])))

    def _changed(self) -> None:
        self.layoutChanged.emit(self.property("layout"))

    @invokable
    def mrmlScene(self):
        return self.mrml.scene

    @invokable
    def setLayout(self, layout: int) -> None:
        self.setProperty("layout", layout)

    @invokable
    def sliceViewNames(self) -> list[str]:
        return list(self.widgets)

    @invokable
    def sliceWidget(self, name: str):
        return self.widgets.get(name)

    @invokable
    def mrmlSliceLogics(self):
        return self.mrml.slice_logics

    @invokable
    def mrmlViewLogics(self):
        return self.mrml.view_logics

    @invokable
    def resetSliceViews(self) -> None:
        for widget in self.widgets.values():
            widget.fitSliceToBackground()

    @invokable
    def resetThreeDViews(self) -> None:
        """There are none."""

    @invokable
    def setRenderPaused(self, pause: bool) -> None:
        QtCore.QCoreApplication.instance().setRenderPaused(pause)

    @invokable
    def pauseRender(self) -> None:
        self.setRenderPaused(True)

    @invokable
    def resumeRender(self) -> None:
        self.setRenderPaused(False)
