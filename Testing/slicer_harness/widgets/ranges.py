"""Widgets of CTK for an interval."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets

from ..pythonqt.declare import invokable, stored
from .base import SCENE_SLOT
from .numbers import ctkDoubleSpinBox


class _Range(QtWidgets.QWidget):
    """Two values within limits, the first never above the second; shown as two spin boxes."""

    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)
    valuesChanged = QtCore.Signal(float, float)
    rangeChanged = QtCore.Signal(float, float)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._low, self._high = ctkDoubleSpinBox(self), ctkDoubleSpinBox(self)
        self._limits, self._values, self._quiet = (0.0, 99.0), (0.0, 99.0), False
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for box in (self._low, self._high):
            layout.addWidget(box)
            box.valueChanged.connect(self._from_boxes)
        self._show()

    def _from_boxes(self, value: float) -> None:
        if not self._quiet:
            self.setValues(self._low.property("value"), self._high.property("value"))

    def _show(self) -> None:
        self._quiet = True
        for box, value in zip((self._low, self._high), self._values, strict=True):
            box.setProperty("minimum", self._limits[0])
            box.setProperty("maximum", self._limits[1])
            box.setProperty("value", value)
        self._quiet = False

    @invokable
    def setRange(self, low: float, high: float) -> None:
        if (low, high) != self._limits:
            self._limits = (low, max(low, high))
            self.rangeChanged.emit(*self._limits)
            self.setValues(*self._values)
            self._show()

    @invokable
    def setValues(self, low: float, high: float) -> None:
        before = self._values
        low, high = (min(max(value, self._limits[0]), self._limits[1]) for value in sorted((low, high)))
        if (low, high) != before:
            self._values = (low, high)
            self._show()
            if low != before[0]:
                self.minimumValueChanged.emit(low)
            if high != before[1]:
                self.maximumValueChanged.emit(high)
            self.valuesChanged.emit(low, high)

    @invokable
    def setMinimumValue(self, value: float) -> None:
        self.setValues(value, max(value, self._values[1]))

    @invokable
    def setMaximumValue(self, value: float) -> None:
        self.setValues(min(value, self._values[0]), value)

    minimum = QtCore.Property(
        float, lambda self: self._limits[0], lambda self, value: self.setRange(value, self._limits[1])
    )
    maximum = QtCore.Property(
        float, lambda self: self._limits[1], lambda self, value: self.setRange(self._limits[0], value)
    )
    minimumValue = QtCore.Property(float, lambda self: self._values[0], setMinimumValue)
    maximumValue = QtCore.Property(float, lambda self: self._values[1], setMaximumValue)
    singleStep = stored(float, 1.0)
    tickInterval = stored(float, 0.0)
    tracking = stored(bool, True)
    symmetricMoves = stored(bool, False)


class ctkDoubleRangeSlider(_Range):
    """Without the spin boxes in Slicer."""

    orientation = stored(QtCore.Qt.Orientation, QtCore.Qt.Horizontal)


class ctkRangeWidget(_Range):
    """A range slider between two spin boxes."""

    @invokable
    def setDecimals(self, decimals: int) -> None:
        self._low.setDecimals(decimals)
        self._high.setDecimals(decimals)

    @invokable
    def reset(self) -> None:
        self.setValues(*self._limits)

    decimals = QtCore.Property(int, lambda self: self._low.property("decimals"), setDecimals)
    prefix = stored(str, "")
    suffix = stored(str, "")


class qMRMLRangeWidget(ctkRangeWidget):
    """A range that may show a unit of the scene."""

    cpp_slots = SCENE_SLOT
    quantity = stored(str, "")

    @invokable
    def setMRMLScene(self, scene) -> None:
        self._scene = scene
