"""What runs inside Slicer keeps to what PythonQt, Qt 5 and Qt 6, translators and one thread allow."""

from __future__ import annotations

import ast

import pytest

from support.drivers import slicer_idioms as rules
from support.paths import ROOT

TREES = {
    path.relative_to(ROOT / "FAAnomaly").as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "FAAnomaly").rglob("*.py"))
    if "__pycache__" not in path.parts
}

CAUGHT = [
    (rules.int_of_an_enumeration, "int(qt.Qt.Horizontal)"),
    (rules.int_of_an_enumeration, "x = [int(qt.QProcess.CrashExit)]"),
    (rules.default_argument_on_a_signal, "button.clicked.connect(lambda row=row: show(row))"),
    (rules.default_argument_on_a_signal, "button.connect('clicked(bool)', lambda *, row=row: show(row))"),
    (rules.property_called, "x = slider.value()"),
    (rules.property_called, "if self.ui.roiButton.checked(): pass"),
    (rules.property_called, "self.label.text().strip()"),
    (rules.property_called, "combo.currentIndex()"),
    (rules.unsafe_class, "class A(qt.QObject):\n    done = qt.Signal(str)"),
    (rules.unsafe_class, "@qt.Slot()\ndef f(): pass"),
    (rules.unsafe_class, "qt.QRegExp('a')"),
    (rules.unsafe_class, "qt.QTextCodec.codecForName('utf8')"),
    (rules.unsafe_class, "qt.QDesktopWidget().screenGeometry"),
    (rules.unsafe_class, "qt.QApplication.desktop().width"),
    (rules.isinstance_of_a_widget, "isinstance(widget, qt.QWidget)"),
    (rules.isinstance_of_a_widget, "isinstance(widget, (str, slicer.qMRMLNodeComboBox))"),
    (rules.signal_by_overload, "combo.currentIndexChanged[int].connect(f)"),
    (rules.signal_by_overload, "combo.connect('currentIndexChanged(QString)', f)"),
    (rules.untranslated, "self.ui.label.text = 'Nothing found'"),
    (rules.untranslated, "self.ui.label.text = f'{count} regions found'"),
    (rules.untranslated, "button.toolTip += '<b>Find</b> anomalies'"),
    (rules.untranslated, "label.text = _('Found') if found else 'Nothing'"),
    (rules.untranslated, "dialog.windowTitle = 'FA ' + 'Anomaly'"),
    (rules.untranslated, "slicer.util.errorDisplay('It failed', windowTitle=_('Failed'))"),
    (rules.untranslated, "slicer.util.showStatusMessage('Done', 2000)"),
    (rules.untranslated, "qt.QMessageBox.question(parent, _('Install'), 'Install it?')"),
    (rules.untranslated, "label.text = 'Found {n}'.format(n=n)"),
    (rules.untranslated, "combo.addItem('Whole brain')"),
    (rules.untranslated, "label.setText('Done')"),
    (rules.untranslated, "raise FAError('missing', 'The sample is not installed', path, _('Install it'))"),
    (rules.untranslatable, "_(f'{count} regions')"),
    (rules.untranslatable, "_(words)"),
    (rules.untranslatable, "_('Nothing ' + 'found')"),
    (rules.untranslatable, "_('{n} regions'.format(n=n))"),
    (rules.import_with_the_file, "import torch"),
    (rules.import_with_the_file, "import numpy, pandas as pd"),
    (rules.import_with_the_file, "from nibabel.affines import apply_affine"),
    (rules.import_with_the_file, "try:\n    import psutil\nexcept ImportError:\n    psutil = None"),
    (rules.import_with_the_file, "class A:\n    import skimage"),
    (rules.import_with_the_file, "import PyTorchUtils"),
    (rules.unwanted_import, "def onReload(self):\n    import imp"),
    (rules.unwanted_import, "def f():\n    import torch.nn"),
    (rules.unwanted_import, "def f():\n    from torch import nn"),
    (rules.blocking, "self.process.waitForFinished(3000)"),
    (rules.blocking, "process.waitForStarted()"),
    (rules.blocking, "time.sleep(0.1)"),
    (rules.blocking, "subprocess.run(['nvidia-smi'])"),
    (rules.changed_environment, "os.environ['OMP_NUM_THREADS'] = '1'"),
    (rules.changed_environment, "del os.environ['PYTHONHOME']"),
    (rules.shared_default_of_export, "slicer.util.exportNode(node, path)"),
]

FINE = """
from __future__ import annotations
import itertools, time
import numpy as np
import qt, slicer, vtk
from slicer.i18n import tr as _
from typing import TYPE_CHECKING
from FAAnomalyLib.errors import FAError
from .signal import Signal
if TYPE_CHECKING:
    import PyTorchUtils

class Panel:
    def __init__(self, ui):
        ui.applyButton.connect("clicked(bool)", self.onApply)
        ui.applyButton.clicked.connect(self.onApply)
        ui.slider.valueChanged.connect(lambda value: self.move(value))
        ui.label.text = _("{count} regions").format(count=len(self.regions), program="Slicer")
        ui.label.text = ", ".join(lines) + f" {seconds:.0f} s"
        ui.label.text = str(error)
        ui.label.toolTip = "<br>".join([_("Choose a volume"), _("Wait")])
        ui.label.text = self.names["mean"] if kind == "decreased" else ""
        ui.combo.addItem(_("Whole brain"), "whole")
        ui.progressBar.value = int(100 * fraction)
        self.state = "running"
        logging.warning("no sample")
        raise FAError("missing", _("The sample is not installed"), str(path), _("Install it"))

    def onApply(self, checked=False):
        import PyTorchUtils
        started = time.monotonic()
        if self.ui.combo.currentIndex == 0 and not self.ui.combo.isEnabled() and "a,b".count(","):
            slicer.util.exportNode(node, path, properties={})
        numbers = itertools.count()
        process.waitForBytesWritten(0)
        environment = {**os.environ, "PYTHONUTF8": "1"}
        return isinstance(error, FAError) and self.ui.selector.currentNode().GetName()
"""


def test_the_rules_see_what_they_are_for():
    missed = []
    for rule, code in CAUGHT:
        findings = list(rule(ast.parse(code)))
        if not findings or not all(line <= len(code.splitlines()) and words for line, words in findings):
            missed.append(f"{rule.__name__}: {code}")
    assert not missed, "\n" + "\n".join(missed)


def test_every_rule_is_proven():
    assert {rule for rule, _ in CAUGHT} == set(rules.RULES)


def test_the_rules_let_sound_code_pass():
    findings = [f"{rule.__name__}:{line} {words}" for rule in rules.RULES for line, words in rule(ast.parse(FINE))]
    assert not findings, "\n" + "\n".join(findings)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_module_keeps_to_the_rule(rule):
    findings = [f"{name}:{line} {words}" for name, tree in TREES.items() for line, words in rule(tree)]
    assert len(TREES) > 10 and not findings, "\n" + "\n".join(findings)
