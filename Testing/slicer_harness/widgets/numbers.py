"""Sliders and spin boxes of CTK and their MRML descendants."""

from __future__ import annotations

import enum

from PySide6 import QtCore, QtWidgets

from ..pythonqt.declare import constant, invokable, passed, stored
from .base import SCENE_SLOT

LARGEST = 2**31 - 1


class ctkDoubleSpinBox(QtWidgets.QWidget):
    """A spin box for a real number."""

    class SetMode(enum.Enum):
        SetAlways = 0
        SetIfDifferent = 1

    class DecimalsOption(enum.Flag):
        FixedDecimals = 0
        DecimalsByShortcuts = 1
        DecimalsByKey = 2
        DecimalsByValue = 4
        InsertDecimals = 8
        ReplaceDecimals = 16
        DecimalsAsMax = 32
        DecimalsAsMin = 64

    valueChanged = QtCore.Signal(float)
    editingFinished = QtCore.Signal()
    decimalsChanged = QtCore.Signal(int)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._box.setKeyboardTracking(False)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self.valueChanged)
        self._box.editingFinished.connect(self.editingFinished)
        self.setFocusProxy(self._box)

    minimum = passed(float, "_box", "minimum")
    maximum = passed(float, "_box", "maximum")
    singleStep = passed(float, "_box", "singleStep")
    value = passed(float, "_box", "value")
    decimals = passed(int, "_box", "decimals")
    prefix = passed(str, "_box", "prefix")
    suffix = passed(str, "_box", "suffix")
    readOnly = passed(bool, "_box", "readOnly")
    frame = passed(bool, "_box", "frame")
    cleanText = QtCore.Property(str, lambda self: self._box.cleanText())
    invertedControls = stored(bool, False)
    isSettingValue = constant(bool, False)
    decimalsOption = stored(int, 0)
    sizeHintPolicy = stored(int, 0)

    @invokable
    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    @invokable
    def setValueIfDifferent(self, value: float) -> None:
        self._box.setValue(value)

    @invokable
    def setDecimals(self, decimals: int) -> None:
        self._box.setDecimals(decimals)

    @invokable
    def setReadOnly(self, read_only: bool) -> None:
        self._box.setReadOnly(read_only)

    @invokable
    def stepUp(self) -> None:
        self._box.stepUp()

    @invokable
    def stepDown(self) -> None:
        self._box.stepDown()


class qMRMLSpinBox(ctkDoubleSpinBox):
    """A spin box that may show a unit of the scene."""

    cpp_slots = SCENE_SLOT
    quantity = stored(str, "")
    unitAwareProperties = stored(int, 0x07)
    _scene = None

    @invokable
    def setMRMLScene(self, scene) -> None:
        self._scene = scene

    @invokable
    def mrmlScene(self):
        return self._scene

    @invokable
    def setQuantity(self, name: str) -> None:
        self.setProperty("quantity", name)


class ctkDoubleSlider(QtWidgets.QWidget):
    """A slider for a real number."""

    valueChanged = QtCore.Signal(float)
    sliderMoved = QtCore.Signal(float)
    sliderPressed = QtCore.Signal()
    sliderReleased = QtCore.Signal()
    rangeChanged = QtCore.Signal(float, float)

    def __init__(self, *arguments):
        super().__init__(next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None))
        direction = next((a for a in arguments if isinstance(a, QtCore.Qt.Orientation)), QtCore.Qt.Vertical)
        self._slider = QtWidgets.QSlider(direction, self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self._limits, self._step, self._value = (0.0, 99.0), 1.0, 0.0
        self._rescale()
        self._slider.sliderPressed.connect(self.sliderPressed)
        self._slider.sliderReleased.connect(self.sliderReleased)
        self._slider.sliderMoved.connect(self._moved)
        self._slider.valueChanged.connect(self._accept)
        self.setFocusProxy(self._slider)

    def _real(self, tick: int) -> float:
        return min(max(self._limits[0] + tick * self._step, self._limits[0]), self._limits[1])

    def _rescale(self) -> None:
        span = self._limits[1] - self._limits[0]
        ticks = min(span / self._step, LARGEST) if self._step > 0 and span < float("inf") else LARGEST
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, round(ticks))
        self._place()
        self._slider.blockSignals(blocked)

    def _place(self) -> None:
        offset = (self._value - self._limits[0]) / self._step
        self._slider.setValue(round(offset) if abs(offset) < LARGEST else 0)

    def _moved(self, tick: int) -> None:
        self.sliderMoved.emit(self._real(tick))

    def _accept(self, tick: int) -> None:
        value = self._real(tick)
        if value != self._value:
            self._value = value
            self.valueChanged.emit(value)

    @invokable
    def setValue(self, value: float) -> None:
        value = min(max(float(value), self._limits[0]), self._limits[1])
        if value != self._value:
            self._value = value
            blocked = self._slider.blockSignals(True)
            self._place()
            self._slider.blockSignals(blocked)
            self.valueChanged.emit(value)

    def _set_limits(self, minimum: float, maximum: float) -> None:
        if (minimum, maximum) != self._limits:
            self._limits = (minimum, max(minimum, maximum))
            self._rescale()
            self.rangeChanged.emit(*self._limits)
            self.setValue(self._value)

    def _set_step(self, step: float) -> None:
        self._step = step
        self._rescale()

    minimum = QtCore.Property(
        float, lambda self: self._limits[0], lambda self, value: self._set_limits(value, max(value, self._limits[1]))
    )
    maximum = QtCore.Property(
        float, lambda self: self._limits[1], lambda self, value: self._set_limits(min(value, self._limits[0]), value)
    )
    value = QtCore.Property(float, lambda self: self._value, setValue)
    sliderPosition = QtCore.Property(float, lambda self: self._value, setValue)
    singleStep = QtCore.Property(float, lambda self: self._step, _set_step)
    pageStep = stored(float, 10.0)
    tickInterval = stored(float, 0.0)
    tracking = passed(bool, "_slider", "tracking")
    handleToolTip = stored(str, "")
    invertedAppearance = passed(bool, "_slider", "invertedAppearance")
    invertedControls = passed(bool, "_slider", "invertedControls")
    orientation = QtCore.Property(
        QtCore.Qt.Orientation,
        lambda self: self._slider.orientation(),
        lambda self, value: self._slider.setOrientation(value),
    )

    @invokable
    def setOrientation(self, orientation) -> None:
        self._slider.setOrientation(orientation)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a spin box beside it."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider = ctkDoubleSlider(QtCore.Qt.Horizontal, self)
        self._box = ctkDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self._start, self._changing, self._quiet = 0.0, False, False
        self._box.setProperty("minimum", 0.0)
        self._box.setProperty("maximum", 99.0)
        self._slider.valueChanged.connect(self._from_slider)
        self._box.valueChanged.connect(self._from_box)
        self._slider.sliderPressed.connect(self._begin)
        self._slider.sliderReleased.connect(self._end)
        self.setFocusProxy(self._slider)

    def _begin(self) -> None:
        if not self.property("tracking"):
            self._changing, self._start = True, self.property("value")

    def _end(self) -> None:
        if self._changing:
            self._changing = False
            if self._start != self.property("value"):
                self.valueChanged.emit(self.property("value"))

    def _from_slider(self, value: float) -> None:
        if not self._quiet:
            self._quiet = True
            self._box.setValue(value)
            self._quiet = False
            self._announce(self._box.property("value"))

    def _from_box(self, value: float) -> None:
        if not self._quiet:
            self._quiet = True
            self._slider.setValue(value)
            self._quiet = False
            self._announce(value)

    def _announce(self, value: float) -> None:
        (self.valueIsChanging if self._changing else self.valueChanged).emit(value)

    @invokable
    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    @invokable
    def setDecimals(self, decimals: int) -> None:
        self._box.setDecimals(decimals)
        self.decimalsChanged.emit(decimals)

    @invokable
    def setSpinBoxVisible(self, visible: bool) -> None:
        self._box.setVisible(visible)

    @invokable
    def reset(self) -> None:
        self.setValue(0.0)

    def _limit(self, name: str, value: float) -> None:
        """Both parts get the limit before either announces a value that it moved."""
        before = self.property("value")
        self._quiet = True
        self._slider.setProperty(name, value)
        self._box.setProperty(name, value)
        self._quiet = False
        if self.property("value") != before:
            self._announce(self.property("value"))

    def _set_step(self, step: float) -> None:
        self._quiet = True
        self._slider.setProperty("singleStep", step)
        self._box.setProperty("singleStep", step)
        self._quiet = False

    minimum = QtCore.Property(
        float, lambda self: self._slider.property("minimum"), lambda self, value: self._limit("minimum", value)
    )
    maximum = QtCore.Property(
        float, lambda self: self._slider.property("maximum"), lambda self, value: self._limit("maximum", value)
    )
    value = QtCore.Property(float, lambda self: self._box.property("value"), setValue)
    decimals = QtCore.Property(int, lambda self: self._box.property("decimals"), setDecimals)
    singleStep = QtCore.Property(float, lambda self: self._slider.property("singleStep"), _set_step)
    pageStep = passed(float, "_slider", "pageStep")
    prefix = passed(str, "_box", "prefix")
    suffix = passed(str, "_box", "suffix")
    tickInterval = passed(float, "_slider", "tickInterval")
    tracking = stored(bool, True)
    spinBoxVisible = QtCore.Property(bool, lambda self: not self._box.isHidden(), setSpinBoxVisible)
    popupSlider = stored(bool, False)
    synchronizeSiblings = stored(int, 0)
    invertedAppearance = passed(bool, "_slider", "invertedAppearance")
    invertedControls = passed(bool, "_slider", "invertedControls")


class qMRMLSliderWidget(ctkSliderWidget):
    """A slider that may show a unit of the scene."""

    cpp_slots = SCENE_SLOT
    quantity = stored(str, "")
    unitAwareProperties = stored(int, 0x07)
    _scene = None

    @invokable
    def setMRMLScene(self, scene) -> None:
        self._scene = scene

    @invokable
    def mrmlScene(self):
        return self._scene

    @invokable
    def setQuantity(self, name: str) -> None:
        self.setProperty("quantity", name)
