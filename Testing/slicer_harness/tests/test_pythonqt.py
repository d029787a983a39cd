"""The harness refuses what PythonQt refuses, and what it would only print."""

from __future__ import annotations

import slicer_harness

slicer_harness.require()

import pytest
import qt
import slicer

from slicer_harness.pythonqt.dialogs import UnexpectedDialog

pytestmark = pytest.mark.usefixtures("scene")


def test_properties_are_attributes():
    button = qt.QPushButton("go")
    assert (button.text, button.enabled, button.visible) == ("go", True, False)
    button.enabled = False
    assert not button.isEnabled()
    box = qt.QComboBox()
    box.addItem("a")
    assert (box.count, box.currentIndex, box.currentText) == (1, 0, "a")


def test_a_property_is_no_method():
    with pytest.raises(TypeError, match="not callable"):
        qt.QLabel("x").text()
    with pytest.raises(TypeError, match="not callable"):
        qt.QSpinBox().value()


def test_getters_and_setters_that_are_no_properties_stay_methods():
    widget = qt.QWidget()
    layout = qt.QVBoxLayout(widget)
    assert widget.layout() is layout
    assert layout.count() == 0
    edit = qt.QPlainTextEdit()
    edit.setPlainText("x")
    assert edit.toPlainText() == "x"


@pytest.mark.parametrize(("name", "value"), [("tooltip", "x"), ("myNumber", 1), ("clickd", None)])
def test_no_new_attributes_on_cpp_objects(name, value):
    with pytest.raises(AttributeError, match="creating new attributes on C\\+\\+ objects is not allowed"):
        setattr(qt.QPushButton(), name, value)


def test_methods_signals_and_read_only_properties_cannot_be_overwritten():
    button = qt.QPushButton()
    for name in ("setText", "clicked", "width"):
        with pytest.raises(AttributeError, match="can not be overwritten|not writable"):
            setattr(button, name, 1)


def test_an_unknown_attribute_is_refused():
    with pytest.raises(AttributeError, match="QLabel has no attribute named 'setTooltip'"):
        qt.QLabel().setTooltip("x")


@pytest.mark.parametrize(
    ("widget", "name", "value"),
    [
        ("QSpinBox", "value", "3"),
        ("QLabel", "text", None),
        ("QDoubleSpinBox", "value", "a"),
        ("QLabel", "pixmap", None),
    ],
)
def test_a_property_refuses_another_type(widget, name, value):
    with pytest.raises(AttributeError, match="does not accept"):
        setattr(getattr(qt, widget)(), name, value)


def test_properties_convert_as_in_pythonqt():
    spin, label, check = qt.QSpinBox(), qt.QLabel(), qt.QCheckBox()
    spin.value = 3.9
    label.text = 5
    check.checked = "anything"
    assert (spin.value, label.text, check.checked) == (3, "5", True)


def test_enumerations_that_pyside_cannot_read_as_properties():
    slider = qt.QSlider()
    slider.orientation = qt.Qt.Horizontal
    assert slider.orientation == qt.Qt.Horizontal


def test_name_and_children():
    widget = qt.QWidget()
    label = qt.QLabel("hello", widget)
    label.name = "greeting"
    assert label.objectName == "greeting"
    assert widget.greeting is label
    assert widget.findChild(qt.QLabel, "greeting") is label
    assert widget.findChildren("QLabel") == (label,)
    assert widget.children() == (label,)
    assert label.className() == "QLabel"
    assert label.inherits("QFrame")
    widget.setProperty("SlicerParameterName", "x")
    assert widget.property("SlicerParameterName") == "x"
    assert widget.SlicerParameterName == "x"


def test_a_deleted_object_is_refused():
    label = qt.QLabel("x")
    label.delete()
    with pytest.raises(ValueError, match="destroyed QLabel"):
        label.text = "y"


def test_no_keyword_arguments():
    with pytest.raises(TypeError, match="keyword"):
        qt.QPushButton(text="x")
    with pytest.raises(TypeError, match="keyword"):
        qt.QPushButton().setText(text="x")


@pytest.mark.parametrize("name", ["Signal", "Slot", "Property", "QRegExp", "QDesktopWidget", "QNoSuchClass", "os"])
def test_qt_has_neither_pysides_inventions_nor_what_qt_6_dropped(name):
    with pytest.raises(AttributeError):
        getattr(qt, name)


@pytest.mark.parametrize("signature", ["cliked(bool)", "clicked(int)", "clicked", "toggled()"])
def test_an_unknown_signal_is_refused(signature):
    button = qt.QPushButton()
    with pytest.raises(ValueError, match="signal|signature"):
        button.connect(signature, print)
    with pytest.raises(ValueError, match="signal|signature"):
        button.disconnect(signature, print)


def test_a_signal_that_only_qt_6_has_is_refused():
    with pytest.raises(ValueError, match="does not exist"):
        qt.QCheckBox().connect("checkStateChanged(Qt::CheckState)", print)
    with pytest.raises(ValueError, match="does not exist"):
        qt.QCheckBox().checkStateChanged.connect(print)


def test_a_slot_must_be_callable():
    with pytest.raises(TypeError, match="not callable"):
        qt.QPushButton().clicked.connect(None)


def test_a_signal_that_differs_between_qt_5_and_6_must_be_named_with_its_arguments():
    process = qt.QProcess()
    with pytest.raises(ValueError, match="Qt 5"):
        process.finished.connect(print)
    assert process.connect("finished(int,QProcess::ExitStatus)", print)


def test_slots_get_as_many_arguments_as_they_take():
    calls = []

    class Panel:
        def nothing(self):
            calls.append("nothing")

        def with_default(self, checked="default"):
            calls.append(checked)

        def everything(self, *arguments):
            calls.append(arguments)

    panel, button = Panel(), qt.QPushButton()
    button.checkable = True
    button.connect("clicked(bool)", panel.nothing)
    button.connect("clicked(bool)", panel.with_default)
    button.connect("clicked(bool)", panel.everything)
    button.clicked.connect(lambda trap="mine": calls.append(trap))
    button.connect("clicked()", lambda: calls.append("none"))
    button.click()
    assert calls == ["nothing", True, (True,), True, "none"]


def test_disconnecting():
    calls, button = [], qt.QPushButton()

    def slot():
        calls.append(1)

    button.clicked.connect(slot)
    assert button.clicked.disconnect(slot)
    assert not button.clicked.disconnect(slot)
    button.click()
    assert calls == []


def test_a_method_of_another_object_as_slot():
    edit, label = qt.QLineEdit(), qt.QLabel()
    edit.connect("textChanged(QString)", label.setText)
    edit.text = "x"
    assert label.text == "x"
    assert edit.connect("textChanged(QString)", label, "setWindowTitle(QString)")
    edit.text = "y"
    assert label.windowTitle == "y"
    with pytest.raises(ValueError, match="slot"):
        edit.connect("textChanged(QString)", label, "setTitle(QString)")


def test_an_exception_in_a_slot_is_kept(slot_errors):
    def slot():
        raise KeyError("inside")

    button = qt.QPushButton()
    button.clicked.connect(slot)
    button.click()
    assert slot_errors.take(KeyError).args == ("inside",)


def test_an_exception_in_an_observer_is_kept(scene, slot_errors):
    def observer(caller, event):
        raise RuntimeError("inside")

    tag = scene.AddObserver(scene.NodeAddedEvent, observer)
    scene.AddNewNodeByClass("vtkMRMLTextNode")
    scene.RemoveObserver(tag)
    assert slot_errors.take(RuntimeError)


def test_timers():
    calls = []
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.connect("timeout()", lambda: calls.append("timer"))
    timer.start(1)
    qt.QTimer.singleShot(1, lambda: calls.append("single shot"))
    slicer_harness.pump_until(lambda: len(calls) == 2)
    with pytest.raises(AttributeError):
        timer.singleShot = True


def test_python_classes_derived_from_qt():
    class Clicks(qt.QLabel):
        def __init__(self, parent=None):
            super().__init__(parent)
            self.clicks = 0

        def mousePressEvent(self, event):
            self.clicks += 1
            super().mousePressEvent(event)

    parent = qt.QWidget()
    label = Clicks(parent)
    event = qt.QMouseEvent(
        qt.QEvent.MouseButtonPress,
        qt.QPointF(1, 1),
        qt.QPointF(1, 1),
        qt.Qt.LeftButton,
        qt.Qt.LeftButton,
        qt.Qt.NoModifier,
    )
    qt.QApplication.sendEvent(label, event)
    assert label.clicks == 1
    assert parent.children() == (label,)
    with pytest.raises(AttributeError, match="can not be overwritten"):
        label.update = 3


def test_an_event_filter():
    seen = []

    class Filter(qt.QObject):
        def eventFilter(self, watched, event):
            seen.append(watched)
            return False

    watcher, label = Filter(), qt.QLabel()
    label.installEventFilter(watcher)
    label.text = "x"
    qt.QApplication.sendEvent(label, qt.QEvent(qt.QEvent.ToolTipChange))
    assert seen[-1] is label


def test_an_unannounced_dialog_is_refused(slot_errors):
    box = qt.QMessageBox()
    box.text = "Really?"
    with pytest.raises(UnexpectedDialog, match="Really"):
        box.exec_()
    with pytest.raises(UnexpectedDialog, match="Save as"):
        qt.QFileDialog.getSaveFileName(None, "Save as")
    assert slot_errors.take(UnexpectedDialog)
    assert slot_errors.take(UnexpectedDialog)


def test_an_announced_dialog_is_answered(dialogs):
    dialogs.answer("Really", qt.QMessageBox.Yes)
    dialogs.answer("Save as", "/tmp/x.csv")
    dialogs.answer("Name", lambda dialog: (setattr(dialog.findChild(qt.QLineEdit), "text", "x"), dialog.accept()))
    box = qt.QMessageBox()
    box.text = "Really?"
    box.setStandardButtons(qt.QMessageBox.Yes | qt.QMessageBox.No)
    assert box.exec_() == qt.QMessageBox.Yes
    assert qt.QFileDialog.getSaveFileName(None, "Save as") == "/tmp/x.csv"
    dialog = qt.QDialog()
    dialog.windowTitle = "Name"
    edit = qt.QLineEdit(dialog)
    assert dialog.exec_() == qt.QDialog.Accepted
    assert edit.text == "x"
    assert dialogs.shown == ["Really?", "Save as", "Name"]


def test_message_boxes_of_slicer_need_a_main_window(main_window, dialogs):
    dialogs.answer("went wrong", qt.QMessageBox.Ok)
    slicer.util.errorDisplay("It went wrong.")
    assert "It went wrong." in dialogs.shown[0]


def test_stand_ins_show_only_what_the_real_class_shows():
    combo = slicer.qMRMLNodeComboBox()
    with pytest.raises(AttributeError):
        combo.setNodeTypes(["vtkMRMLTextNode"])  # neither slot nor invokable: Python does not see it
    with pytest.raises(AttributeError):
        combo._combo  # noqa: B018
    with pytest.raises(AttributeError):
        combo.nodeType = "vtkMRMLTextNode"
    assert not isinstance(combo, qt.QWidget)


def test_the_application_has_no_more_than_the_real_one():
    for name in ("mainWindow", "foo", "mrml", "folder"):
        with pytest.raises(AttributeError):
            getattr(slicer.app, name)
    with pytest.raises(AttributeError):
        slicer.app.foo = 1
    assert slicer.app.layoutManager() is None


def test_slicer_itself_has_no_functions_of_util():
    assert not hasattr(slicer, "arrayFromVolume")
    assert hasattr(slicer.util, "arrayFromVolume")
