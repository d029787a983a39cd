"""Stand-ins for CTK's and Slicer's widgets, and the .ui loader."""

from __future__ import annotations

import slicer_harness

slicer_harness.require()

import gc

import ctk
import numpy as np
import pytest
import qt
import slicer

from slicer_harness.pythonqt.declare import cpp_signals, cpp_slots
from slicer_harness.ui_loader import UiError
from slicer_harness.widgets.catalogue import ALL

pytestmark = pytest.mark.usefixtures("scene")


@pytest.fixture
def selector(scene):
    """A selector of scalar volumes without "None"; ``selector.seen`` cannot be: the list comes beside it."""
    combo, seen = slicer.qMRMLNodeComboBox(), []
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.setMRMLScene(scene)
    combo.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    return combo, seen


@pytest.mark.parametrize("name", ALL)
def test_every_stand_in_can_be_made_and_has_its_declared_members(name):
    module = ctk if name.startswith("ctk") else slicer
    widget = getattr(module, name)()
    assert widget.className() == name
    assert widget.isWidgetType()
    cls = ALL[name]
    for attribute in (*cpp_signals(cls).values(), *cpp_slots(cls).values()):
        assert hasattr(cls, attribute), attribute


def test_a_selector_without_scene_is_disabled_and_remembers_what_was_asked_for(scene):
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    combo = slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.noneEnabled = True
    combo.setCurrentNode(node)
    assert not combo.enabled
    assert combo.currentNode() is None
    combo.setMRMLScene(scene)
    assert combo.enabled
    assert combo.currentNode() is node
    assert combo.currentNodeID == node.GetID()


def test_a_selector_takes_the_first_node_and_follows_the_scene(scene, selector):
    combo, seen = selector
    first = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "first")
    second = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "second")
    scene.AddNewNodeByClass("vtkMRMLTextNode")
    assert (combo.nodeCount(), combo.currentNode(), seen) == (2, first, [first])
    combo.setCurrentNode(second)
    scene.RemoveNode(second)
    assert (combo.currentNode(), seen) == (first, [first, second, first])
    scene.RemoveNode(first)
    assert (combo.currentNode(), combo.nodeCount(), seen[-1]) == (None, 0, None)


def test_a_selector_with_none_stays_at_none(scene, selector):
    combo, seen = selector
    combo.noneEnabled = True
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert (combo.currentNode(), seen) == (None, [])
    combo.setCurrentNode(node)
    slicer.mrmlScene.Clear()
    assert (combo.currentNode(), seen) == (None, [node, None])


def test_a_selector_filters_by_class_attribute_and_visibility(scene, selector):
    combo, _ = selector
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    assert combo.nodeCount() == 1
    combo.hideChildNodeTypes = ["vtkMRMLLabelMapVolumeNode"]
    assert combo.nodeCount() == 0
    hidden = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert combo.nodeCount() == 1
    hidden.SetHideFromEditors(True)
    assert combo.nodeCount() == 0
    combo.showHidden = True
    assert combo.nodeCount() == 1
    combo.addAttribute("vtkMRMLScalarVolumeNode", "kind", "fa")
    assert combo.nodeCount() == 0
    hidden.SetAttribute("kind", "fa")
    assert combo.nodeCount() == 1


def test_a_selector_shows_a_new_name(scene, selector):
    combo, _ = selector
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "old")
    node.SetName("new")
    assert combo.findChild("QComboBox").currentText == "new"


def test_a_selector_makes_nodes(scene, selector):
    combo, seen = selector
    combo.baseName = "Result"
    node = combo.addNode()
    assert node.GetName() == "Result"
    assert seen == [node]
    assert combo.addNode("vtkMRMLTextNode") is None


def test_a_deleted_selector_leaves_the_scene(scene, selector):
    combo, seen = selector
    combo.delete()
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert seen == []


def test_slider_and_spin_box_of_a_slider_widget_agree():
    slider, seen = ctk.ctkSliderWidget(), []
    slider.minimum, slider.maximum, slider.singleStep, slider.decimals = 1, 100, 0.1, 1
    slider.connect("valueChanged(double)", seen.append)
    slider.value = 5.5
    slider.value = 5.5
    slider.value = 200
    assert seen == [5.5, 100]
    slider.maximum = 50
    assert (slider.value, seen[-1]) == (50, 50)
    slider.findChild("QSlider").setValue(0)
    assert (slider.value, seen[-1]) == (1, 1)
    with pytest.raises(AttributeError):
        slider.setSingleStep(1)  # no slot of the real class


def test_a_collapsed_button_hides_its_contents():
    button = ctk.ctkCollapsibleButton()
    seen, layout = [], qt.QVBoxLayout(button)
    shown, hidden = qt.QLabel("a"), qt.QLabel("b")
    layout.addWidget(shown)
    layout.addWidget(hidden)
    hidden.hide()
    button.show()
    button.connect("contentsCollapsed(bool)", seen.append)
    button.collapsed = True
    assert (shown.visible, button.checked, seen) == (False, False, [True])
    button.checked = True
    assert (shown.visible, hidden.visible, button.collapsed, seen) == (True, False, False, [True, False])


def test_a_button_that_is_collapsed_from_the_start_can_be_opened():
    """As where a form names it collapsed: its contents come afterwards."""
    button = ctk.ctkCollapsibleButton()
    button.collapsed = True
    layout, inside = qt.QVBoxLayout(button), qt.QLabel("a")
    layout.addWidget(inside)
    button.show()
    slicer_harness.pump(0.05)
    assert not inside.visible
    button.collapsed = False
    assert inside.visible


def test_a_range_widget_keeps_its_order():
    widget, seen = ctk.ctkRangeWidget(), []
    widget.setRange(-5, 5)
    widget.connect("valuesChanged(double,double)", lambda low, high: seen.append((low, high)))
    widget.setValues(3, -2)
    widget.minimumValue = 4
    assert (widget.minimumValue, widget.maximumValue) == (4, 4)
    assert seen == [(-2, 3), (4, 4)]


def test_a_path_field():
    field, seen = ctk.ctkPathLineEdit(), []
    field.connect("currentPathChanged(QString)", seen.append)
    field.currentPath = "/tmp/x"
    assert seen == ["/tmp/x"]


def test_a_segment_selector_follows_the_segments(scene):
    selector, seen = slicer.qMRMLSegmentSelectorWidget(), []
    selector.setMRMLScene(scene)
    selector.connect("currentSegmentChanged(QString)", seen.append)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert selector.currentNode() is node
    node.GetSegmentation().AddEmptySegment("a", "A")
    node.GetSegmentation().AddEmptySegment("b", "B")
    assert selector.segmentIDs() == ("a", "b")
    assert selector.currentSegmentID() == "a"
    selector.setCurrentSegmentID("b")
    node.GetSegmentation().RemoveSegment("b")
    assert (selector.currentSegmentID(), seen) == ("a", ["a", "b", "a"])


def test_a_place_widget_starts_and_ends_placing(scene):
    widget, seen = slicer.qSlicerMarkupsPlaceWidget(), []
    widget.setMRMLScene(scene)
    widget.connect("activeMarkupsPlaceModeChanged(bool)", seen.append)
    widget.placeModeEnabled = True
    assert not widget.placeModeEnabled
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    widget.setCurrentNode(roi)
    widget.placeButton().click()
    selection = slicer.app.applicationLogic().GetSelectionNode()
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert selection.GetActivePlaceNodeID() == roi.GetID()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    assert (widget.placeModeEnabled, seen) == (False, [True, False])


def test_a_table_view_shows_a_table_node(scene):
    node = scene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(node, (np.arange(3.0), np.arange(3.0)), ["a", "b"])
    view = slicer.qMRMLTableView()
    view.setMRMLTableNode(node)
    assert view.tableModel().rowCount() == 3
    node.RemoveAllColumns()
    node.Modified()
    assert view.tableModel().columnCount() == 0


UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0"><class>Form</class>
<widget class="qMRMLWidget" name="Form"><layout class="QVBoxLayout">
<item><widget class="{cls}" name="input">{prop}
<property name="SlicerParameterName" stdset="0"><string>inputVolume</string></property></widget></item>
<item><widget class="qMRMLNodeComboBox" name="forgotten"/></item>
</layout></widget>
<customwidgets><customwidget><class>qMRMLNodeComboBox</class><extends>QWidget</extends>
<header>qMRMLNodeComboBox.h</header></customwidget></customwidgets>
<connections><connection><sender>{sender}</sender><signal>{signal}</signal><receiver>input</receiver>
<slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""


def load(tmp_path, cls="qMRMLNodeComboBox", prop="", sender="Form", signal="mrmlSceneChanged(vtkMRMLScene*)"):
    path = tmp_path / "form.ui"
    path.write_text(UI.format(cls=cls, prop=prop, sender=sender, signal=signal), encoding="utf-8")
    return slicer.util.loadUI(str(path))


def test_a_form_hands_the_scene_to_what_it_connects_and_to_nothing_else(scene, tmp_path):
    form = load(tmp_path, prop='<property name="noneEnabled"><bool>true</bool></property>')
    ui = slicer.util.childWidgetVariables(form)
    form.setMRMLScene(scene)
    assert ui.input.mrmlScene() is scene
    assert ui.forgotten.mrmlScene() is None
    assert ui.input.noneEnabled
    assert ui.input.property("SlicerParameterName") == "inputVolume"
    assert type(ui.input) is slicer.qMRMLNodeComboBox


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"cls": "qMRMLNodeCombo"}, "no widget class"),
        ({"prop": '<property name="noneEnable"><bool>true</bool></property>'}, "no property noneEnable"),
        ({"signal": "mrmlSceneChange(vtkMRMLScene*)"}, "signal"),
        ({"signal": "mrmlSceneChanged()"}, "signal"),
        ({"sender": "Formm"}, "no object"),
        ({"cls": "QLabel"}, "slot"),
    ],
)
def test_a_form_with_a_mistake_is_refused(tmp_path, keywords, says):
    with pytest.raises(UiError, match=says):
        load(tmp_path, **keywords)


def test_a_widget_that_nobody_has_goes_and_leaves_the_scene(scene):
    combo, seen = slicer.qMRMLNodeComboBox(), []
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.setMRMLScene(scene)
    combo.currentNodeChanged.connect(seen.append)
    combo.connect("destroyed()", lambda: seen.append("destroyed"))
    del combo
    gc.collect()
    assert seen == ["destroyed"]
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert seen == ["destroyed"]
