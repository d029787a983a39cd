"""Buttons of CTK."""

from __future__ import annotations

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

from ..pythonqt.declare import invokable, stored

ARROW = 16


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A heading that hides and shows the widgets below it."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, *arguments):
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        parent = arguments[-1] if arguments and not isinstance(arguments[-1], str) else None
        super().__init__(parent)
        self._collapsed = False
        self._hidden_by_us: set[int] = set()
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)
        self.setContentsMargins(0, self._heading_height(), 0, 0)
        self.toggled.connect(self._open)

    collapsedHeight = stored(int, 10)
    flat = stored(bool, False)
    contentsLineWidth = stored(int, 1)
    contentsMidLineWidth = stored(int, 0)
    contentsFrameShape = stored(int, 0)
    contentsFrameShadow = stored(int, 0)
    buttonTextAlignment = stored(int, 0)
    indicatorAlignment = stored(int, 0)

    def _is_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, _is_collapsed, _set_collapsed)

    def _open(self, opened: bool) -> None:
        self._collapse(not opened)

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        for child in self._contents():
            if collapsed and not child.isHidden():
                self._hidden_by_us.add(_address(child))
                child.setVisible(False)
            elif not collapsed and _address(child) in self._hidden_by_us:
                child.setVisible(True)
        if not collapsed:
            self._hidden_by_us.clear()
        self.updateGeometry()
        self.update()
        self.contentsCollapsed.emit(collapsed)

    def _contents(self) -> list[QtWidgets.QWidget]:
        return [child for child in self.children() if isinstance(child, QtWidgets.QWidget) and not child.isWindow()]

    def childEvent(self, event) -> None:
        """Widgets that are added while it is collapsed stay hidden until it is opened."""
        super().childEvent(event)
        # Not at ChildAdded: a child that is asked for in its constructor is a plain QWidget to PySide6 for ever.
        if event.type() == QtCore.QEvent.ChildPolished and self._collapsed:
            child = event.child()
            if isinstance(child, QtWidgets.QWidget) and not child.isHidden():
                self._hidden_by_us.add(_address(child))
                child.setVisible(False)

    def _heading_height(self) -> int:
        return self.fontMetrics().height() + 8

    def sizeHint(self) -> QtCore.QSize:
        heading = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text()) + 3 * ARROW, self._heading_height())
        if self._collapsed or self.layout() is None:
            return heading
        return heading.expandedTo(self.layout().totalSizeHint())

    def minimumSizeHint(self) -> QtCore.QSize:
        if self._collapsed or self.layout() is None:
            return QtCore.QSize(0, self._heading_height())
        return QtCore.QSize(0, self._heading_height()).expandedTo(self.layout().totalMinimumSize())

    def hitButton(self, position) -> bool:
        return position.y() < self._heading_height()

    def paintEvent(self, event) -> None:
        painter = QtWidgets.QStylePainter(self)
        heading = QtCore.QRect(0, 0, self.width(), self._heading_height())
        button = QtWidgets.QStyleOptionButton()
        button.initFrom(self)
        button.rect = heading
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, button)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, (heading.height() - ARROW) // 2, ARROW, ARROW)
        painter.drawPrimitive(
            QtWidgets.QStyle.PE_IndicatorArrowRight if self._collapsed else QtWidgets.QStyle.PE_IndicatorArrowDown,
            arrow,
        )
        painter.drawText(
            heading.adjusted(ARROW + 14, 0, 0, 0), QtCore.Qt.AlignVCenter | QtCore.Qt.TextShowMnemonic, self.text()
        )


class qMRMLCollapsibleButton(ctkCollapsibleButton):
    """One that hands the scene on."""

    mrmlSceneChanged = QtCore.Signal(object)
    cpp_signals = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
    cpp_slots = {"setMRMLScene(vtkMRMLScene*)": "setMRMLScene"}

    @invokable
    def setMRMLScene(self, scene) -> None:
        self.mrmlSceneChanged.emit(scene)


class ctkPushButton(QtWidgets.QPushButton):
    """A push button with alignments."""

    buttonTextAlignment = stored(int, 0)
    iconAlignment = stored(int, 0)
    elideMode = stored(int, 0)


class ctkCheckablePushButton(ctkPushButton):
    """A push button with a check box on it."""

    checkBoxToggled = QtCore.Signal(bool)
    indicatorAlignment = stored(int, 0)
    checkBoxControlsButton = stored(bool, True)
    checkBoxControlsButtonToggleState = stored(bool, True)
    checkBoxUserCheckable = stored(bool, True)
    checkState = stored(QtCore.Qt.CheckState, QtCore.Qt.Unchecked, "_checked_or_not")

    def _checked_or_not(self) -> None:
        on = self.property("checkState") == QtCore.Qt.Checked
        if self.property("checkBoxControlsButtonToggleState"):
            self.setCheckable(on)
        self.checkBoxToggled.emit(on)


class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a menu at its side."""


class ctkExpandButton(QtWidgets.QToolButton):
    """An arrow."""

    mirrorOnExpand = stored(bool, False)
    orientation = stored(QtCore.Qt.Orientation, QtCore.Qt.Horizontal)


class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button that shows and chooses a colour."""

    colorChanged = QtCore.Signal(QtGui.QColor)
    colorNameChanged = QtCore.Signal(str)
    displayColorName = stored(bool, True)
    color = stored(QtGui.QColor, QtGui.QColor(), "_changed")

    def _changed(self) -> None:
        self.colorChanged.emit(self.property("color"))
        self.colorNameChanged.emit(self.property("colorName"))

    colorName = QtCore.Property(
        str,
        lambda self: self.property("color").name(),
        lambda self, name: self.setProperty("color", QtGui.QColor(name)) and None,
    )

    @invokable
    def setColor(self, colour) -> None:
        self.setProperty("color", colour)


class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows and chooses a folder."""

    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)
    caption = stored(str, "")
    text = stored(str, "")
    directory = stored(str, "", "_changed")

    def __init__(self, *arguments):
        super().__init__(next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None))
        self._button = QtWidgets.QPushButton(self)
        QtWidgets.QHBoxLayout(self).addWidget(self._button)
        self.layout().setContentsMargins(0, 0, 0, 0)

    def _changed(self) -> None:
        self._button.setText(self.property("directory"))
        self.directoryChanged.emit(self.property("directory"))


def _address(widget: QtWidgets.QWidget) -> int:
    return shiboken6.getCppPointer(widget)[0]
