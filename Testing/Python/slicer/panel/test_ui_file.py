"""The panel's form: Slicer can build it, every control explains itself, and none is forgotten by the code."""

from __future__ import annotations

import ast

import pytest

from support.drivers import form as forms
from support.paths import ROOT

MODULE = ROOT / "FAAnomaly"
PATH = MODULE / "Resources" / "UI" / "FAAnomaly.ui"

BUTTONS = {"QPushButton", "QToolButton", "QCheckBox", "QRadioButton", "ctkCheckablePushButton", "ctkMenuButton"}
LABELLED = {
    "QComboBox",
    "QSpinBox",
    "QDoubleSpinBox",
    "QSlider",
    "QLineEdit",
    "QPlainTextEdit",
    "QTextEdit",
    "QTableWidget",
    "QTableView",
    "QListWidget",
    "QProgressBar",
    "ctkSliderWidget",
    "ctkDoubleSpinBox",
    "ctkRangeWidget",
    "ctkComboBox",
    "ctkPathLineEdit",
    "ctkDirectoryButton",
    "qMRMLNodeComboBox",
    "qMRMLSegmentSelectorWidget",
    "qMRMLSliderWidget",
    "qMRMLSpinBox",
    "qMRMLRangeWidget",
    "qMRMLTableView",
    "qSlicerMarkupsPlaceWidget",
}
PLACES = {
    "QWidget",
    "QFrame",
    "QGroupBox",
    "QTabWidget",
    "QStackedWidget",
    "QScrollArea",
    "QSplitter",
    "QLabel",
    "ctkCollapsibleButton",
    "ctkCollapsibleGroupBox",
    "qMRMLWidget",
    "Line",
}
KNOWN = BUTTONS | LABELLED | PLACES
"""Classes that Slicer has; all of them were looked up in the headers of Qt, CTK and Slicer."""


@pytest.fixture(scope="module")
def form():
    return forms.read(PATH)


@pytest.fixture(scope="module")
def trees():
    """The syntax trees of the module's files."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULE.rglob("*.py")}


def controls(form) -> list[forms.Widget]:
    return [widget for widget in form.widgets if widget.kind in BUTTONS | LABELLED]


def of_mrml(widget: forms.Widget) -> bool:
    return widget.kind.startswith(("qMRML", "qSlicer"))


def test_slicer_has_every_class_and_the_form_declares_those_that_are_not_qts(form):
    assert {widget.kind for widget in form.widgets} <= KNOWN
    used = {widget.kind for widget in form.widgets if not widget.kind.startswith("Q") and widget.kind != "Line"}
    assert used == set(form.declared)


def test_names_are_unique(form):
    names = [widget.name for widget in form.widgets]
    assert len(names) == len(set(names)) > 50


def test_the_form_is_one_that_knows_the_scene(form):
    assert form.named(form.root).kind == "qMRMLWidget"


def test_every_mrml_widget_gets_the_scene(form):
    wired = {
        connection.receiver
        for connection in form.connections
        if (connection.sender, connection.signal, connection.slot)
        == (form.root, "mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)")
    }
    wanted = {widget.name for widget in form.widgets if of_mrml(widget) and widget.name != form.root}
    assert wired == wanted and len(wanted) >= 3


def test_every_connection_joins_widgets_of_the_form(form):
    names = {widget.name for widget in form.widgets}
    assert {name for connection in form.connections for name in (connection.sender, connection.receiver)} <= names


def test_every_control_has_a_tooltip(form):
    mute = [widget.name for widget in controls(form) if len(widget.text("toolTip")) < 8]
    assert not mute and len(controls(form)) > 25


def test_every_control_has_a_label_or_its_own_text(form):
    befriended = {widget.properties.get("buddy") for widget in form.widgets if widget.kind == "QLabel"}
    nameless = []
    for widget in controls(form):
        if widget.kind in BUTTONS:
            # A button that is hidden until it has something to offer gets its text then.
            named = widget.text("text") or widget.properties.get("visible") == "false"
        else:
            # A second control behind one label says its name to screen readers.
            named = widget.name in befriended or widget.text("accessibleName")
        nameless += [] if named else [widget.name]
    assert not nameless


def test_every_buddy_is_a_control(form):
    names = {widget.name for widget in controls(form)}
    labels = [widget for widget in form.widgets if widget.kind == "QLabel" and "buddy" in widget.properties]
    assert {label.properties["buddy"] for label in labels} <= names and len(labels) > 10
    assert all(label.text("text").endswith(":") for label in labels)


def test_what_is_shown_can_be_translated(form):
    for widget in form.widgets:
        for name, value in widget.properties.items():
            if isinstance(value, forms.Text) and value.value:
                assert value.translated == (name not in ("SlicerParameterName", "objectName")), (widget.name, name)


def fields(trees) -> dict[str, set[str]]:
    """Class -> names of its annotated fields, of the parameter node and of the packs that it may hold."""
    found = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and {
                ast.unparse(decorator).split("(")[0].split(".")[-1] for decorator in node.decorator_list
            } & {"parameterNodeWrapper"}:
                found[node.name] = {line.target.id for line in node.body if isinstance(line, ast.AnnAssign)}
    return found


def test_every_bound_parameter_exists(form, trees):
    ((_, names),) = fields(trees).items()
    bound = [widget.text("SlicerParameterName") for widget in form.widgets if widget.text("SlicerParameterName")]
    assert set(bound) <= names and len(bound) == len(set(bound)) > 10


def test_limits_agree_with_the_parameter_node(form, trees):
    """A spin box or a slider offers no value that the parameter refuses."""
    tree = trees[MODULE / "FAAnomaly.py"]
    limits = {
        line.target.id: within(line.annotation)
        for line in ast.walk(tree)
        if isinstance(line, ast.AnnAssign) and "WithinRange" in ast.unparse(line.annotation)
    }
    checked = 0
    for widget in form.widgets:
        name = widget.text("SlicerParameterName")
        if name in limits and widget.kind in LABELLED:
            # Qt's own limits where the form sets none.
            low = float(widget.properties.get("minimum", 0))
            high = float(widget.properties.get("maximum", 99))
            assert limits[name][0] <= low < high <= limits[name][1], name
            checked += 1
    assert checked >= 4


def within(annotation: ast.AST) -> tuple[float, float]:
    """The limits in ``Annotated[..., WithinRange(low, high)]``."""
    call = next(node for node in ast.walk(annotation) if isinstance(node, ast.Call))
    low, high = (eval(compile(ast.Expression(value), "limit", "eval")) for value in call.args)
    return low, high


def on_the_form(trees) -> set[str]:
    """Names that the code reads from ``ui`` or ``self._ui`` or a form."""
    return {
        node.attr
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[-1].lstrip("_") == "ui"
    }


def test_every_control_is_used(form, trees):
    used = on_the_form(trees)
    idle = [
        widget.name for widget in controls(form) if widget.name not in used and not widget.text("SlicerParameterName")
    ]
    assert not idle


def test_the_code_asks_for_no_widget_that_is_not_there(form, trees):
    assert on_the_form(trees) <= {widget.name for widget in form.widgets}
