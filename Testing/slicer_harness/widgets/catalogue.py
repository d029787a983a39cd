"""Every stand-in, by the module in which Python code of Slicer finds it."""

from __future__ import annotations

from . import base, buttons, markups, nodes, numbers, ranges, segments, tables, texts

CTK = (
    buttons.ctkCheckablePushButton,
    buttons.ctkCollapsibleButton,
    buttons.ctkColorPickerButton,
    buttons.ctkDirectoryButton,
    buttons.ctkExpandButton,
    buttons.ctkMenuButton,
    buttons.ctkPushButton,
    numbers.ctkDoubleSlider,
    numbers.ctkDoubleSpinBox,
    numbers.ctkSliderWidget,
    ranges.ctkDoubleRangeSlider,
    ranges.ctkRangeWidget,
    texts.ctkCheckBox,
    texts.ctkComboBox,
    texts.ctkFittedTextBrowser,
    texts.ctkMessageBox,
    texts.ctkPathLineEdit,
)

SLICER = (
    base.qMRMLWidget,
    base.qSlicerWidget,
    buttons.qMRMLCollapsibleButton,
    markups.qSlicerMarkupsPlaceWidget,
    nodes.qMRMLNodeComboBox,
    numbers.qMRMLSliderWidget,
    numbers.qMRMLSpinBox,
    ranges.qMRMLRangeWidget,
    segments.qMRMLSegmentSelectorWidget,
    tables.qMRMLTableView,
)

ALL = {cls.__name__: cls for cls in (*CTK, *SLICER)}
