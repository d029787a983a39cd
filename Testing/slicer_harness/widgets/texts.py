"""Combo boxes, check boxes, message boxes and text fields of CTK."""

from __future__ import annotations

from pathlib import Path

from PySide6 import QtCore, QtGui, QtWidgets

from ..pythonqt.declare import invokable, stored


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for "nothing chosen"."""

    defaultIcon = stored(QtGui.QIcon, QtGui.QIcon())
    elideMode = stored(int, 0)
    scrollWheelEffect = stored(int, 1)

    defaultText = QtCore.Property(
        str, lambda self: self.placeholderText(), lambda self, text: self.setPlaceholderText(text)
    )
    forceDefault = stored(bool, False)
    currentUserDataAsString = QtCore.Property(
        str, lambda self: str(self.currentData() or ""), lambda self, data: self.setCurrentUserDataAsString(data)
    )

    @invokable
    def setCurrentUserDataAsString(self, data: str) -> None:
        self.setCurrentIndex(self.findData(data))


class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box with an icon of one's own."""

    indicatorIcon = stored(QtGui.QIcon, QtGui.QIcon())
    indicatorIconSize = stored(QtCore.QSize, QtCore.QSize())


class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that can be told not to come again."""

    dontShowAgain = stored(bool, False)
    dontShowAgainSettingsKey = stored(str, "")
    dontShowAgainVisible = stored(bool, False)

    @invokable
    def setDontShowAgain(self, never: bool) -> None:
        self.setProperty("dontShowAgain", never)


class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text browser as high as its text."""

    collapsed = stored(bool, True)
    disableMouseScroll = stored(bool, False)
    showDetailsText = stored(str, "")
    hideDetailsText = stored(str, "")

    @invokable
    def setCollapsibleText(self, text: str) -> None:
        self.setText(text)

    @invokable
    def setCollapsibleHtml(self, text: str) -> None:
        self.setHtml(text)


class ctkPathLineEdit(QtWidgets.QWidget):
    """A field for a path with a history and a browse button."""

    Dirs, Files, Drives, NoSymLinks = 0x001, 0x002, 0x004, 0x008
    Readable, Writable, Executable = 0x010, 0x020, 0x040

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    def __init__(self, *arguments):
        super().__init__(next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None))
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setEditable(True)
        self._combo.setInsertPolicy(QtWidgets.QComboBox.NoInsert)
        self._browse = QtWidgets.QToolButton(self)
        self._browse.setText("...")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo, 1)
        layout.addWidget(self._browse)
        self._combo.editTextChanged.connect(self.currentPathChanged)
        self._browse.clicked.connect(self.browse)
        self.setFocusProxy(self._combo)

    label = stored(str, "")
    filters = stored(int, 0x007)
    options = stored(int, 0)
    settingKey = stored(str, "")
    nameFilters = stored("QStringList", [])
    minimumContentsLength = stored(int, 17)
    sizeAdjustPolicy = stored(int, 2)
    showHistoryButton = stored(bool, True)
    showBrowseButton = QtCore.Property(
        bool, lambda self: not self._browse.isHidden(), lambda self, visible: self._browse.setVisible(visible)
    )
    currentPath = QtCore.Property(
        str, lambda self: self._combo.currentText(), lambda self, path: self.setCurrentPath(path)
    )

    @invokable
    def setCurrentPath(self, path: str) -> None:
        self._combo.setEditText(path)

    @invokable
    def comboBox(self) -> QtWidgets.QComboBox:
        return self._combo

    @invokable
    def addCurrentPathToHistory(self) -> None:
        path = self._combo.currentText()
        if path and self._combo.findText(path) < 0:
            self._combo.insertItem(0, path)
            self._combo.setEditText(path)

    @invokable
    def browse(self) -> None:
        from ..pythonqt.dialogs import dialogs

        name = "getExistingDirectory" if not self.property("filters") & self.Files else "getOpenFileName"
        path = dialogs.static_function(QtWidgets.QFileDialog, name)(self.property("label") or "Select a file")
        if path:
            self.setCurrentPath(str(Path(path)))
