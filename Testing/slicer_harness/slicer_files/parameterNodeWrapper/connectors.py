"""Which widgets can show which types, and how."""

from __future__ import annotations

import dataclasses
import enum
import logging
import pathlib

import ctk
import qt
import slicer

from . import values
from .storage import PATHS, NodeKind, kind_of, split

SMALLEST, LARGEST = -(2**31), 2**31 - 1


@dataclasses.dataclass
class Decimals:
    """Decimals of a spin box or slider."""

    value: int


@dataclasses.dataclass
class SingleStep:
    """Step of a spin box or slider."""

    value: float


class GuiConnector:
    """A widget as a holder of one value: a property that is read and written, a signal that tells of changes."""

    def __init__(self, widget, signal: str, prop: str):
        self._widget, self._signal, self._property, self._callback = widget, signal, prop, None

    def widget(self):
        return self._widget

    def onChanged(self, callback) -> None:
        """Call *callback* when the user changes the value; None ends it."""
        if self._callback is None and callback is not None and self._signal:
            getattr(self._widget, self._signal).connect(self.changed)
        elif self._callback is not None and callback is None and self._signal:
            getattr(self._widget, self._signal).disconnect(self.changed)
        self._callback = callback

    def changed(self) -> None:
        if self._callback is not None:
            self._callback()

    def read(self):
        return getattr(self._widget, self._property)

    def write(self, value) -> None:
        if value != getattr(self._widget, self._property):  # leaves the cursor of a text field where it is
            setattr(self._widget, self._property, value)


class NumberConnector(GuiConnector):
    """A slider or spin box; its limits come from the annotations."""

    def __init__(self, widget, type_, extras, whole_ticks: bool, needs_limits: bool):
        super().__init__(widget, "valueChanged", "value")
        self._type = type_
        found = {type(extra): extra for extra in extras}
        if not whole_ticks and type(widget) is not ctk.ctkDoubleSlider:
            if type_ is int:
                widget.decimals = 0
            elif Decimals in found:
                widget.decimals = found[Decimals].value
        if SingleStep in found:
            widget.singleStep = found[SingleStep].value
        within = found.get(values.WithinRange)
        low = within.minimum if within else getattr(found.get(values.Minimum), "minimum", None)
        high = within.maximum if within else getattr(found.get(values.Maximum), "maximum", None)
        if needs_limits and (low is None or high is None):
            raise RuntimeError(f"Cannot have a connection to {widget.className()} where the type is unbounded.")
        open_low, open_high = (SMALLEST, LARGEST) if whole_ticks else (float("-inf"), float("inf"))
        widget.minimum = open_low if low is None else low
        widget.maximum = open_high if high is None else high

    def read(self):
        return self._type(self._widget.value)


class ChoiceConnector(GuiConnector):
    """A combo box with one entry for each choice."""

    def __init__(self, widget, choices, labels):
        super().__init__(widget, "currentIndexChanged", "currentIndex")
        self._choices = list(choices)
        widget.clear()
        for label in labels:
            widget.addItem(label)

    def read(self):
        return self._choices[self._widget.currentIndex]

    def write(self, value) -> None:
        self._widget.currentIndex = self._choices.index(value)


class TextConnector(GuiConnector):
    """A text edit's plain text."""

    def __init__(self, widget):
        super().__init__(widget, "textChanged", "")

    def read(self) -> str:
        return self._widget.toPlainText()

    def write(self, value: str) -> None:
        self._widget.setPlainText(value)


class PathConnector(GuiConnector):
    """A field for a path."""

    def __init__(self, widget, signal: str, prop: str, type_):
        super().__init__(widget, signal, prop)
        self._type = type_

    def read(self) -> pathlib.PurePath:
        return self._type(super().read())

    def write(self, value) -> None:
        super().write(str(value))


class NodeConnector(GuiConnector):
    """A node selector, which from now on offers the parameter's class and no other."""

    def __init__(self, widget, type_):
        super().__init__(widget, "currentNodeChanged", "")
        widget.nodeTypes = [type_().GetClassName()]

    def read(self):
        return self._widget.currentNode()

    def write(self, value) -> None:
        self._widget.setCurrentNode(value)


class RangeConnector(GuiConnector):
    """A range widget; its limits come from RangeBounds."""

    def __init__(self, widget, type_, extras):
        super().__init__(widget, "valuesChanged", "")
        self._type = type_
        bounds = next((extra for extra in extras if isinstance(extra, values.RangeBounds)), None)
        if bounds is None:
            raise RuntimeError("Cannot have a connection to a range widget where the float is unbounded.")
        widget.setRange(bounds.minimum, bounds.maximum)

    def read(self):
        return self._type(self._widget.minimumValue, self._widget.maximumValue)

    def write(self, value) -> None:
        self._widget.setValues(value.minimum, value.maximum)


def createGuiConnector(widget, datatype) -> GuiConnector:
    """The connector for a widget and an annotated type; RuntimeError when they do not go together.

    The widget's exact class decides: Slicer takes no subclasses.
    """
    from .packs import FloatRange

    type_, extras = split(datatype)
    cls = type(widget)
    if type_ is bool and cls in (qt.QCheckBox, ctk.ctkCheckBox):
        return GuiConnector(widget, "stateChanged", "checked")
    if type_ is bool and cls is qt.QPushButton:
        if not widget.checkable:
            logging.warning("Making push button checkable for conversion to bool: %s", widget)
            widget.checkable = True
        return GuiConnector(widget, "toggled", "checked")
    if type_ is bool and cls is ctk.ctkCheckablePushButton:
        return GuiConnector(widget, "toggled", "checked")
    if type_ is int and cls in (qt.QSlider, qt.QSpinBox):
        return NumberConnector(widget, int, extras, True, cls is qt.QSlider)
    if type_ in (int, float) and cls in (
        qt.QDoubleSpinBox,
        ctk.ctkSliderWidget,
        slicer.qMRMLSliderWidget,
        ctk.ctkDoubleSlider,
        ctk.ctkDoubleSpinBox,
        slicer.qMRMLSpinBox,
    ):
        return NumberConnector(widget, type_, extras, False, cls in (ctk.ctkSliderWidget, slicer.qMRMLSliderWidget))
    if cls in (qt.QComboBox, ctk.ctkComboBox):
        if isinstance(type_, type) and issubclass(type_, enum.Enum):
            return ChoiceConnector(widget, type_, [_label(member) for member in type_])
        choice = next((extra for extra in extras if isinstance(extra, values.Choice)), None)
        if type_ in (int, float, str, bool) and choice is not None:
            return ChoiceConnector(widget, choice.choices, map(str, choice.choices))
    if type_ is str and cls is qt.QLineEdit:
        return GuiConnector(widget, "textChanged", "text")
    if type_ is str and cls is qt.QLabel:
        return GuiConnector(widget, "", "text")
    if type_ is str and cls is qt.QTextEdit:
        return TextConnector(widget)
    if type_ in PATHS and cls is ctk.ctkPathLineEdit:
        return PathConnector(widget, "currentPathChanged", "currentPath", type_)
    if type_ in PATHS and cls is ctk.ctkDirectoryButton:
        return PathConnector(widget, "directoryChanged", "directory", type_)
    if cls is slicer.qMRMLNodeComboBox and isinstance(kind_of(type_), NodeKind):
        return NodeConnector(widget, type_)
    if type_ is FloatRange and cls in (ctk.ctkRangeWidget, ctk.ctkDoubleRangeSlider, slicer.qMRMLRangeWidget):
        return RangeConnector(widget, type_, extras)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{datatype}' to widget type '{cls}'.")


def _label(member) -> str:
    return member.label() if hasattr(member, "label") else member.name
