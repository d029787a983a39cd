"""The stand-in for slicer.parameterNodeWrapper, alone and tied to widgets."""

from __future__ import annotations

import slicer_harness

slicer_harness.require()

import gc
from enum import Enum
from pathlib import Path
from typing import Annotated

import ctk
import pytest
import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import (
    Choice,
    Decimals,
    Default,
    WithinRange,
    isParameterPack,
    parameterNodeWrapper,
    parameterPack,
)


class Mode(Enum):
    FAST = 1
    SLOW = 2

    def label(self) -> str:
        return self.name.capitalize()


@parameterPack
class Box:
    width: Annotated[int, WithinRange(1, 9)] = 3
    name: str = "box"


@parameterNodeWrapper
class Parameters:
    volume: vtkMRMLScalarVolumeNode
    mode: Mode = Mode.SLOW
    threshold: Annotated[float, WithinRange(0, 10), Decimals(1)] = 5.0
    steps: Annotated[int, WithinRange(0, 1000)] = 4
    flag: bool = True
    text: Annotated[str, Default("hello")]
    size: Annotated[str, Choice(["4", "8"])] = "4"
    folder: Path
    box: Box


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


@pytest.fixture
def parameters(node) -> Parameters:
    return Parameters(node)


def test_defaults_are_written_into_the_node(parameters, node):
    assert (
        parameters.mode,
        parameters.threshold,
        parameters.steps,
        parameters.flag,
        parameters.text,
        parameters.size,
        parameters.folder,
        parameters.volume,
    ) == (Mode.SLOW, 5.0, 4, True, "hello", "4", Path(), None)
    stored = {name: node.GetParameter(name) for name in ("mode", "threshold", "flag", "box.width")}
    assert stored == {"mode": "SLOW", "threshold": "5.0", "flag": "True", "box.width": "3"}


def test_what_is_written_is_read_by_another_wrapper(parameters, node, scene):
    parameters.volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    parameters.mode, parameters.flag, parameters.folder = Mode.FAST, False, Path("/tmp")
    parameters.box.width = 7
    other = Parameters(node)
    assert (other.volume, other.mode, other.flag) == (parameters.volume, Mode.FAST, False)
    assert (other.folder, other.box.width) == (Path("/tmp"), 7)
    assert node.GetNodeReferenceID("volume") == parameters.volume.GetID()


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("threshold", 11, ValueError),
        ("threshold", "5", TypeError),
        ("threshold", None, ValueError),
        ("steps", 2.5, TypeError),
        ("mode", "FAST", TypeError),
        ("flag", 1, TypeError),
        ("text", None, ValueError),
        ("size", "5", ValueError),
        ("volume", "vtkMRMLScalarVolumeNode1", TypeError),
        ("folder", "/tmp", TypeError),
    ],
)
def test_a_value_of_another_kind_is_refused(parameters, name, value, error):
    before = getattr(parameters, name)
    with pytest.raises(error):
        setattr(parameters, name, value)
    assert getattr(parameters, name) == before


def test_a_default_that_does_not_fit_is_refused(node):
    @parameterNodeWrapper
    class Wrong:
        steps: Annotated[int, WithinRange(1, 10)]

    with pytest.raises(ValueError, match="within range"):
        Wrong(node)


def test_an_unknown_type_is_refused():
    with pytest.raises(Exception, match="does not know|Unable to create serializer"):

        @parameterNodeWrapper
        class Wrong:
            steps: set


def test_reserved_names_are_refused():
    with pytest.raises(ValueError, match="reserved"):

        @parameterNodeWrapper
        class Wrong:
            steps: int

            def connectGui(self):
                pass


def test_values_follow_the_node(parameters, node):
    node.SetParameter("steps", "9")
    assert parameters.steps == 9
    calls = []
    parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: calls.append(parameters.steps))
    with slicer.util.NodeModify(parameters):
        parameters.steps = 1
        parameters.flag = False
        assert parameters.steps == 1
    assert calls == [1]


def test_a_removed_node_is_none(parameters, scene):
    parameters.volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    scene.RemoveNode(parameters.volume)
    assert parameters.volume is None


def test_packs_check_and_compare():
    assert isParameterPack(Box)
    assert Box() == Box(3, "box") != Box(4)
    assert Box(width=4).getValue("width") == 4
    with pytest.raises(ValueError, match="within range"):
        Box(width=10)
    with pytest.raises(TypeError, match="unexpected"):
        Box(height=1)


def tied(widget, name: str):
    widget.setProperty("SlicerParameterName", name)
    return widget


@pytest.fixture
def panel(scene):
    """One widget for each parameter."""
    widget = qt.QWidget()
    layout = qt.QVBoxLayout(widget)
    parts = {
        "volume": slicer.qMRMLNodeComboBox(),
        "mode": qt.QComboBox(),
        "threshold": ctk.ctkSliderWidget(),
        "steps": qt.QSpinBox(),
        "flag": qt.QCheckBox(),
        "text": qt.QLineEdit(),
        "size": qt.QComboBox(),
        "folder": ctk.ctkPathLineEdit(),
        "box.width": qt.QSpinBox(),
        "box.name": qt.QLineEdit(),
    }
    for name, part in parts.items():
        layout.addWidget(tied(part, name))
    parts["volume"].noneEnabled = True
    parts["volume"].setMRMLScene(scene)
    return widget, parts


def test_widgets_show_the_parameters(parameters, panel):
    widget, parts = panel
    parameters.connectGui(widget)
    assert parts["volume"].nodeTypes == ("vtkMRMLScalarVolumeNode",)
    assert [parts["mode"].itemText(index) for index in range(2)] == ["Fast", "Slow"]
    assert (parts["threshold"].minimum, parts["threshold"].maximum, parts["threshold"].decimals) == (0, 10, 1)
    assert (parts["mode"].currentText, parts["threshold"].value, parts["steps"].value) == ("Slow", 5, 4)
    assert (parts["flag"].checked, parts["text"].text, parts["size"].currentText) == (True, "hello", "4")
    assert (parts["box.width"].value, parts["box.name"].text) == (3, "box")


def test_widgets_and_parameters_follow_each_other(parameters, panel, scene, monkeypatch):
    monkeypatch.setattr("slicer.parameterNodeWrapper.wrapper.LEAKING", False)  # whose connectGui returns no tag
    widget, parts = panel
    tag = parameters.connectGui(widget)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    parts["volume"].setCurrentNode(volume)
    parts["mode"].currentIndex = 0
    parts["threshold"].value = 2.5
    parts["steps"].value = 7
    parts["flag"].checked = False
    parts["text"].text = "x"
    parts["size"].currentIndex = 1
    parts["folder"].currentPath = "/tmp"
    parts["box.width"].value = 5
    assert (parameters.volume, parameters.mode, parameters.threshold) == (volume, Mode.FAST, 2.5)
    assert (parameters.steps, parameters.flag, parameters.text) == (7, False, "x")
    assert (parameters.size, parameters.folder, parameters.box.width) == ("8", Path("/tmp"), 5)
    parameters.threshold, parameters.volume, parameters.mode = 8.5, None, Mode.SLOW
    assert (parts["threshold"].value, parts["volume"].currentNode(), parts["mode"].currentIndex) == (8.5, None, 1)
    parameters.disconnectGui(tag)
    parts["steps"].value = 1
    parameters.threshold = 1.5
    assert (parameters.steps, parts["threshold"].value) == (7, 8.5)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: qt.QPlainTextEdit(), "text"),
        (lambda: qt.QSpinBox(), "threshold"),
        (lambda: qt.QLineEdit(), "mode"),
        (lambda: slicer.qMRMLSegmentSelectorWidget(), "volume"),
        (lambda: qt.QComboBox(), "text"),
    ],
)
def test_a_widget_that_does_not_fit_is_refused(parameters, make, name):
    with pytest.raises(RuntimeError, match="Unable to create GUI connector|requires the Choice"):
        parameters.connectParametersToGui({name: make()})


def test_a_slider_needs_limits(node):
    @parameterNodeWrapper
    class Open:
        value: float

    with pytest.raises(RuntimeError, match="unbounded"):
        Open(node).connectParametersToGui({"value": ctk.ctkSliderWidget()})


def test_an_unknown_parameter_is_refused(parameters):
    with pytest.raises(ValueError, match="Cannot find a param"):
        parameters.connectParametersToGui({"thresold": qt.QSpinBox()})
    with pytest.raises(ValueError, match="no member|Cannot find"):
        parameters.setValue("box.height", 3)


def test_a_leaking_wrapper_must_not_be_collected_before_its_node(leaking_wrapper, node, panel, slot_errors):
    _, parts = panel
    parameters = Parameters(node)
    tag = parameters.connectParametersToGui({"steps": parts["steps"]})
    parameters.disconnectGui(tag)
    parameters.threshold = 2.0
    del parameters
    gc.collect()
    assert "collected" in str(slot_errors.take(RuntimeError))
    while len(slot_errors):
        slot_errors.take(RuntimeError)
