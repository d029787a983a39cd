"""Rules for code that runs inside 3D Slicer, held by reading it; each rule is one function.

A rule takes the syntax tree of a file and yields ``(line, what is wrong)``. What they guard against: PythonQt is not
PySide (properties are attributes, slots get as many arguments as they have places for, enumerations are no ``int``),
Slicer runs on Qt 5 and Qt 6, its users speak many languages, it has one thread for everything, and it bundles few
packages.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator

Finding = tuple[int, str]
Rule = Callable[[ast.AST], Iterator[Finding]]

PROPERTIES = {
    "alignment",
    "checkable",
    "checked",
    "collapsed",
    "color",
    "count",
    "currentColor",
    "currentIndex",
    "currentPath",
    "currentText",
    "decimals",
    "down",
    "enabled",
    "font",
    "height",
    "icon",
    "interval",
    "maximum",
    "maximumValue",
    "minimum",
    "minimumValue",
    "nodeTypes",
    "objectName",
    "palette",
    "placeholderText",
    "plainText",
    "pos",
    "readOnly",
    "rect",
    "rowCount",
    "columnCount",
    "singleStep",
    "size",
    "sizeHint",
    "styleSheet",
    "suffix",
    "text",
    "title",
    "toolTip",
    "value",
    "visible",
    "width",
    "windowTitle",
}
"""Names that PythonQt gives as a value and PySide as a method."""

SHOWN_ATTRIBUTES = {
    "acknowledgementText",
    "format",
    "helpText",
    "informativeText",
    "placeholderText",
    "specialValueText",
    "statusTip",
    "text",
    "title",
    "toolTip",
    "whatsThis",
    "windowTitle",
}
SHOWN_CALLS = {
    "FAError",
    "addAction",
    "addButton",
    "addItem",
    "addItems",
    "addTab",
    "appendPlainText",
    "confirmOkCancelDisplay",
    "confirmRetryCloseDisplay",
    "confirmYesNoDisplay",
    "critical",
    "delayDisplay",
    "errorDisplay",
    "getExistingDirectory",
    "getOpenFileName",
    "getSaveFileName",
    "getText",
    "infoDisplay",
    "information",
    "messageBox",
    "question",
    "setHeaderLabels",
    "setHorizontalHeaderLabels",
    "setInformativeText",
    "setItemText",
    "setPlaceholderText",
    "setPlainText",
    "setStatusTip",
    "setText",
    "setTitle",
    "setToolTip",
    "setWindowTitle",
    "showMessage",
    "showStatusMessage",
    "warning",
    "warningDisplay",
}
TRANSLATORS = {"_", "tr", "translate"}
WORD = re.compile(r"[^\W\d_]{3,}")
"""Three letters in a row are a word; a unit or a bracket is none."""

BUNDLED = {"numpy", "scipy", "SimpleITK", "vtk", "vtkmodules", "slicer", "qt", "ctk", "mrml", "sitkUtils", "packaging"}
OUR_OWN = {"FAAnomalyLib", "FAAnomalySlicer"}
UNWANTED = {
    "imp": "not in Python 3.12; use importlib",
    "torch": "only the engine's own process may load it",
    "nibabel": "only the engine's own process may load it",
    "skimage": "only the engine's own process may load it",
    "psutil": "Slicer does not bring it",
    "pandas": "Slicer does not bring it",
    "PySide6": "not what Slicer uses",
    "PyQt5": "not what Slicer uses",
}
"""Packages that are wrong wherever they are imported, and why."""

BLOCKING = {
    "waitForFinished",
    "waitForStarted",
    "waitForReadyRead",
    "waitForBytesWritten",
    "time.sleep",
    "os.system",
    "subprocess.run",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.getoutput",
}
GONE = {"QRegExp", "QTextCodec", "QDesktopWidget", "QStringRef", "QMatrix"}
"""In Qt 6 they are gone or in a library that Slicer does not bring."""


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a chain of names, or the empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def called(node: ast.Call) -> str:
    """The last name of what is called: ``connect`` of ``button.clicked.connect(f)``."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def int_of_an_enumeration(tree: ast.AST) -> Iterator[Finding]:
    for node in calls(tree):
        if called(node) == "int" and node.args and dotted(node.args[0]).startswith(("qt.", "ctk.")):
            yield node.lineno, f"int({dotted(node.args[0])}): an enumeration need not be a number"


def default_argument_on_a_signal(tree: ast.AST) -> Iterator[Finding]:
    for node in calls(tree):
        if called(node) == "connect":
            for value in node.args:
                if isinstance(value, ast.Lambda) and (value.args.defaults or value.args.kw_defaults):
                    yield node.lineno, "the signal's value lands in a lambda's default argument; use partial"


def property_called(tree: ast.AST) -> Iterator[Finding]:
    for node in calls(tree):
        if (
            isinstance(node.func, ast.Attribute)
            and node.func.attr in PROPERTIES
            and not (node.args or node.keywords)
            and dotted(node.func.value) not in sys.stdlib_module_names
        ):
            yield node.lineno, f".{node.func.attr}(): a property is an attribute in PythonQt"


def unsafe_class(tree: ast.AST) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if dotted(node) in ("qt.Signal", "qt.Slot", "qt.Property"):
            yield node.lineno, f"{dotted(node)} crashes in PythonQt; use signal.Signal"
        elif isinstance(node, ast.Attribute) and node.attr in GONE:
            yield node.lineno, f"{node.attr} is not in Qt 6"
        elif dotted(node) == "qt.QApplication.desktop":
            yield node.lineno, "QApplication.desktop is not in Qt 6"


def isinstance_of_a_widget(tree: ast.AST) -> Iterator[Finding]:
    for node in calls(tree):
        if called(node) == "isinstance" and len(node.args) == 2:
            kinds = node.args[1].elts if isinstance(node.args[1], ast.Tuple) else [node.args[1]]
            for kind in map(dotted, kinds):
                if kind.startswith(("qt.", "ctk.", "slicer.qMRML", "slicer.qSlicer")):
                    yield node.lineno, f"isinstance(..., {kind}) may be False in PythonQt for such a widget"


def signal_by_overload(tree: ast.AST) -> Iterator[Finding]:
    for node in calls(tree):
        if called(node) in ("connect", "disconnect"):
            if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Subscript):
                yield node.lineno, "PythonQt has no signal[type]"
            for value in node.args[:1]:
                if isinstance(value, ast.Constant) and value.value == "currentIndexChanged(QString)":
                    yield node.lineno, "currentIndexChanged(QString) is not in Qt 6"


def words(node: ast.AST) -> Iterator[str]:
    """String literals with a word in them that no translator sees; numbers' formats and markup do not count."""
    if isinstance(node, ast.Call) and dotted(node.func) in TRANSLATORS:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if WORD.search(re.sub(r"<[^>]*>|&\w+;", "", node.value)):
            yield node.value
    elif isinstance(node, ast.FormattedValue):
        yield from words(node.value)
    elif isinstance(node, (ast.Subscript, ast.Compare)):
        return
    elif isinstance(node, ast.Call) and called(node) == "format":
        yield from words(node.func)  # what is put in is a value or a name
    else:
        for child in ast.iter_child_nodes(node):
            yield from words(child)


def untranslated(tree: ast.AST) -> Iterator[Finding]:
    for node in ast.walk(tree):
        shown: list[ast.AST] = []
        if isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Attribute) and target.attr in SHOWN_ATTRIBUTES for target in targets):
                shown = [node.value]
        elif isinstance(node, ast.Call) and called(node) in SHOWN_CALLS and dotted(node.func)[:8] != "logging.":
            # What comes after the text of an item is data, and an error begins with its code.
            first, last = {"addItem": (0, 1), "FAError": (1, None)}.get(called(node), (0, None))
            shown = [*node.args[first:last], *(keyword.value for keyword in node.keywords)]
        for text in (text for value in shown for text in words(value)):
            yield node.lineno, f"{text!r} is shown and not translated"


def untranslatable(tree: ast.AST) -> Iterator[Finding]:
    for node in calls(tree):
        if dotted(node.func) in TRANSLATORS:
            for value in node.args:
                if not (isinstance(value, ast.Constant) and isinstance(value.value, str)):
                    yield node.lineno, "only a plain literal is found by the translators' tools; use .format()"


def at_file_scope(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the file is imported."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and not (
            isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING")
        ):
            yield from at_file_scope(node)


def imported(node: ast.AST) -> set[str]:
    """Top names of the packages that a statement imports; none for other nodes and for files of the own package."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {node.module.split(".")[0]} if isinstance(node, ast.ImportFrom) and not node.level else set()


def import_with_the_file(tree: ast.AST) -> Iterator[Finding]:
    for node in at_file_scope(tree):
        for name in sorted(imported(node) - sys.stdlib_module_names - BUNDLED - OUR_OWN):
            yield node.lineno, f"{name} is imported with the file, and Slicer need not have it"


def unwanted_import(tree: ast.AST) -> Iterator[Finding]:
    for node in ast.walk(tree):
        for name in sorted(imported(node) & UNWANTED.keys()):
            yield node.lineno, f"{name}: {UNWANTED[name]}"


def blocking(tree: ast.AST) -> Iterator[Finding]:
    for node in calls(tree):
        no_time = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
        if (called(node) in BLOCKING or dotted(node.func) in BLOCKING) and not no_time:
            yield node.lineno, f"{dotted(node.func) or called(node)} blocks Slicer"


def changed_environment(tree: ast.AST) -> Iterator[Finding]:
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, (ast.Assign, ast.Delete)) else []
        for target in targets:
            if isinstance(target, ast.Subscript) and dotted(target.value) == "os.environ":
                yield node.lineno, "the environment is Slicer's, not ours; give a process its own"


def shared_default_of_export(tree: ast.AST) -> Iterator[Finding]:
    for node in calls(tree):
        if called(node) == "exportNode" and "properties" not in {keyword.arg for keyword in node.keywords}:
            yield node.lineno, "exportNode keeps the last file format in its default argument; pass properties={}"


RULES: list[Rule] = [
    int_of_an_enumeration,
    default_argument_on_a_signal,
    property_called,
    unsafe_class,
    isinstance_of_a_widget,
    signal_by_overload,
    untranslated,
    untranslatable,
    import_with_the_file,
    unwanted_import,
    blocking,
    changed_environment,
    shared_default_of_export,
]
