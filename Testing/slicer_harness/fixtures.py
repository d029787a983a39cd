"""Fixtures for tests of the Slicer side; ``conftest.py`` hands them to every test file.

A test file that imports ``slicer``, ``qt`` or a room of ``FAAnomalySlicer`` at its top begins with::

    import slicer_harness
    slicer_harness.require()        # a fake Slicer is running from here on; skips the file where the wheels are missing

Fixtures
--------
``scene``
    The application's ``vtkMRMLScene``, empty. After the test every opened module is closed, the scene is cleared, and
    the test fails when a slot or a VTK observer raised, a modal dialog appeared that nobody had announced, or an
    announced one did not appear. Every test of the Slicer side uses it, directly or through another fixture.
``slot_errors``
    The exceptions that slots raised, which real Slicer only prints. A test that means to provoke one takes it:
    ``error = slot_errors.take(ValueError)``.
``dialogs``
    Answers to modal dialogs. ``dialogs.answer("part of the text", qt.QMessageBox.Yes)`` announces one; a file dialog is
    answered by a path. ``dialogs.shown`` lists the texts that appeared, in order. An unannounced dialog raises instead
    of blocking for ever.
``open_module``
    ``widget = open_module("FAAnomaly")`` loads ``FAAnomaly/FAAnomaly.py`` as Slicer's module factory does, makes its
    widget, calls ``setup()`` and ``enter()`` and returns the scripted widget (``widget.ui`` ..., ``widget.logic``).
    A path of another module file is accepted too. ``open_module.module("FAAnomaly")`` loads it without a widget.
``main_window``
    A main window, so that ``slicer.util.errorDisplay`` and the other message boxes appear (and must be announced);
    without one, as by default, Slicer only logs them.
``testing_mode``
    ``slicer.app.testingEnabled()`` is true, as under ``Slicer --testing``.
``layout``
    ``slicer.app.layoutManager()``, which without this fixture is None as under ``--no-main-window``: Red, Green and
    Yellow slice widgets with real slice nodes, composite nodes and displayable managers.
``settings``
    An empty ``qt.QSettings`` of this test's own.
``leaking_wrapper``
    ``slicer.parameterNodeWrapper`` behaves like that of Slicer 5.10: ``connectGui`` returns no tag, ``disconnectGui``
    leaves an observer at the node, and a wrapper that is collected before its node fails the test, where Slicer
    crashes. ``SLICER_HARNESS_WRAPPER=5.10`` in the environment does the same to every test.
``pip``
    The stand-in for ``slicer.packaging``: ``pip.requests`` lists what was asked for; nothing is ever installed.
``pytorch_extension``
    Makes ``PyTorchUtils`` importable and returns it; ``pytorch_extension.calls`` lists the installations.

Functions of ``slicer_harness``
-------------------------------
``pump_until(predicate, seconds=10)``
    Runs the event loop until ``predicate()`` is true; fails after that time.
``with event_gap() as gap:``
    Records how long the event loop was kept waiting: a 5 ms timer runs, ``gap.longest`` is the longest time between
    two ticks, in seconds. The block must pump the loop itself.
``grab(widget, path)``
    A screenshot of a widget (after the pending events), as PNG.
``render_slices(path, views=("Red", "Green", "Yellow"), position=None, size=(400, 400))``
    The slice views with the layers of their composite nodes, drawn by Slicer's own displayable managers, side by side.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from .start import HERE, REPOSITORY, application, install, open_layout, unavailable


@pytest.fixture
def scene():
    reason = unavailable()
    if reason:
        pytest.skip(reason)
    install()
    from .pythonqt.dialogs import dialogs
    from .pythonqt.errors import hook, slot_errors

    slot_errors.clear()
    dialogs.clear()
    sys.excepthook = hook
    running = application()
    running.mrml.clear()
    yield running.mrml.scene
    _close_modules(running)
    _close_windows()
    gc.collect()  # widgets that nobody has any more go now, not while the scene is being cleared
    running.mrml.clear()
    running.application.layout_manager = None
    report, unused = slot_errors.report(), dialogs.unused()
    slot_errors.clear()
    dialogs.clear()
    if running.application.render_pauses:
        running.application.render_pauses = 0
        pytest.fail("rendering was paused and not resumed")
    if report:
        pytest.fail(f"Slicer would only have printed this:\n{report}")
    if unused:
        pytest.fail(f"announced dialogs that never appeared: {unused}")


def _close_modules(running) -> None:
    import slicer

    manager = running.application.manager
    for name, module in list(manager.known.items()):
        if hasattr(module, "widgetRepresentation"):
            if module.widget is not None and module.widget.entered:
                module.widget.exit()
            manager.remove(slicer, name)


def _close_windows() -> None:
    from PySide6 import QtWidgets

    from .event_loop import pump

    for window in QtWidgets.QApplication.topLevelWidgets():
        window.close()
    pump()


@pytest.fixture
def slot_errors(scene):
    from .pythonqt import errors

    return errors.slot_errors


@pytest.fixture
def dialogs(scene):
    from .pythonqt import dialogs

    return dialogs.dialogs


class ModuleOpener:
    """``open_module``: see the top of this file."""

    def __init__(self, running):
        self._running = running

    def module(self, name: str = "FAAnomaly"):
        """The module's wrapper, loaded but without a panel: what ``slicer.modules.<name>`` is."""
        import slicer

        from .module_manager import qSlicerScriptedLoadableModule

        path = Path(name) if str(name).endswith(".py") else REPOSITORY / name / f"{name}.py"
        manager = self._running.application.manager
        if path.stem not in manager.known:
            module = qSlicerScriptedLoadableModule(slicer, path, self._running.mrml, self._running.application)
            manager.add(slicer, module)
            self._tell_of_startup()
        return getattr(slicer.modules, path.stem.lower())

    def _tell_of_startup(self) -> None:
        """Slicer emits this once: who has heard it does not hear it again when a later test opens a module."""
        import slicer

        self._running.application.startupCompleted.emit()
        slicer.app.disconnect("startupCompleted()")

    def __call__(self, name: str = "FAAnomaly"):
        representation = self.module(name).widgetRepresentation()
        representation.enter()
        return representation.self()


@pytest.fixture
def open_module(scene):
    return ModuleOpener(application())


@pytest.fixture
def layout(scene):
    manager = open_layout()
    return manager


@pytest.fixture
def main_window(scene):
    from PySide6 import QtWidgets

    from .pythonqt.wrapping import wrap

    window = QtWidgets.QMainWindow()
    window.setObjectName("qSlicerMainWindow")
    yield wrap(window)
    window.deleteLater()


@pytest.fixture
def testing_mode(scene):
    application().application.testing = True
    yield
    application().application.testing = False


@pytest.fixture
def settings(scene):
    import qt

    stored = qt.QSettings()
    stored.clear()
    yield stored
    stored.clear()


@pytest.fixture
def leaking_wrapper(scene, monkeypatch):
    from slicer.parameterNodeWrapper import wrapper

    if hasattr(wrapper, "LEAKING"):  # Slicer's own files are as they are
        monkeypatch.setattr(wrapper, "LEAKING", True)


@pytest.fixture
def pip(scene):
    packaging = pytest.importorskip("slicer.packaging", reason="Slicer 5.10 has none")
    packaging.requests.clear()
    yield packaging
    packaging.requests.clear()
    packaging.installing = None


@pytest.fixture
def pytorch_extension(scene, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE / "pytorch_files"))
    monkeypatch.delitem(sys.modules, "PyTorchUtils", raising=False)
    import PyTorchUtils

    PyTorchUtils.calls.clear()
    yield PyTorchUtils
    PyTorchUtils.installing = None
    sys.modules.pop("PyTorchUtils", None)
