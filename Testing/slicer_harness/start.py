"""Starts the fake Slicer, once per process."""

from __future__ import annotations

import atexit
import gc
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
REAL_FILES = "SLICER_PYTHON_FILES"
"""Environment variable: a folder with Slicer's own ScriptedLoadableModule.py and so on, used instead of ours."""

ALIASES = {
    "vtkITK": "vtkITK",
    "vtkITKPython": "vtkITK",
    "vtkTeem": "vtkTeem",
    "vtkTeemPython": "vtkTeem",
    "vtkSegmentationCore": "vtkSegmentationCore",
    "vtkSegmentationCorePython": "vtkSegmentationCore",
    "MRMLCorePython": "MRMLCore",
    "MRMLLogicPython": "MRMLLogic",
}
"""Modules that Slicer has at the top level -> their names in the wheel."""

_running = None


class Running:
    """What belongs to the running application."""

    def __init__(self, folder: str, mrml, application):
        self.folder, self.mrml, self.application, self.views = folder, mrml, application, {}


def unavailable() -> str | None:
    """Why the fake Slicer cannot run here, or None."""
    missing = [name for name in ("slicer_core", "PySide6") if importlib.util.find_spec(name) is None]
    if missing:
        return f"not installed here: {', '.join(missing)} (extra [test]; there are wheels for Linux only)"
    try:
        from PySide6 import QtWidgets  # noqa: F401
    except ImportError as error:  # a system library such as libEGL.so.1 is missing
        return f"PySide6 cannot be loaded: {error}"
    return None


def require() -> None:
    """Start it, or skip the test file that calls this at its top."""
    import pytest

    reason = unavailable()
    if reason:
        pytest.skip(reason, allow_module_level=True)
    install()


def application():
    """The running application's parts: ``mrml``, ``application``, ``folder``."""
    if _running is None:
        raise RuntimeError("call slicer_harness.require() first")
    return _running


def install() -> None:
    """Make ``slicer``, ``qt`` and ``ctk`` importable, with a running application and an empty scene."""
    global _running
    if _running is not None:
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    import slicer
    from PySide6 import QtCore, QtWidgets

    if QtWidgets.QApplication.instance() is not None:
        raise RuntimeError("there is a QApplication already; Slicer's must be the only one")
    from .app import qSlicerApplication
    from .core_io import qSlicerIOManager
    from .module_manager import qSlicerAbstractModule, qSlicerModuleManager
    from .pythonqt import errors
    from .pythonqt.wrapping import wrap
    from .scene import LOGICS, MrmlSide
    from .subject_hierarchy import keep_items

    folder = tempfile.mkdtemp(prefix="slicer-harness-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
    QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, folder)

    _tidy_namespace(slicer)
    for alias, name in ALIASES.items():
        sys.modules[alias] = importlib.import_module(f"slicer_core.{name}")
    slicer.__path__.append(str(HERE / "slicer_files"))
    if os.environ.get(REAL_FILES):
        slicer.__path__.insert(0, os.environ[REAL_FILES])
    sys.path += [str(HERE / "modules_files"), str(REPOSITORY / "FAAnomaly")]

    raw = qSlicerApplication(folder)
    mrml = MrmlSide(slicer, folder)
    keep_items(slicer, mrml.scene)
    raw.mrml, raw.io, raw.manager = mrml, qSlicerIOManager(slicer, mrml, raw), qSlicerModuleManager(raw)
    slicer.app, slicer.mrmlScene = wrap(raw), mrml.scene
    for name in ("modules", "moduleNames"):
        setattr(slicer, name, ModuleType(f"slicer.{name}"))
        sys.modules[f"slicer.{name}"] = getattr(slicer, name)
    _make_widget_modules(slicer)
    for name in LOGICS | {"Colors": ""}:
        raw.manager.add(slicer, qSlicerAbstractModule(name, mrml, raw))
    sys.excepthook = errors.hook
    # What exists now stays for good: without it each collection of a test's widgets would look through all of VTK.
    gc.collect()
    gc.freeze()
    _running = Running(folder, mrml, raw)


NOT_IN_SLICER = ("vtkITK", "vtkTeem")
"""Modules of the top level whose classes the wheel shows in ``slicer`` as well, where Slicer has none of them."""


def _tidy_namespace(slicer) -> None:
    """The wheel puts everything of slicer.util and of all its libraries into slicer itself; Slicer does not."""
    for name in vars(slicer.util):
        if not name.startswith("_") and getattr(slicer, name, None) is getattr(slicer.util, name):
            delattr(slicer, name)
    for library in NOT_IN_SLICER:
        module = importlib.import_module(f"slicer_core.{library}")
        for name in [name for name in vars(module) if name.startswith("vtk")]:
            if getattr(slicer, name, None) is getattr(module, name):
                delattr(slicer, name)
        if hasattr(slicer, library):
            delattr(slicer, library)
    import slicer.util  # noqa: F401  the module itself stays


def _make_widget_modules(slicer) -> None:
    from .pythonqt.module import QtModule
    from .pythonqt.wrapping import class_for
    from .ui_loader import QUiLoader
    from .widgets.catalogue import CTK, SLICER

    qt, ctk = QtModule("qt"), ModuleType("ctk")
    qt.QUiLoader = class_for(QUiLoader)
    for cls in CTK:
        setattr(ctk, cls.__name__, class_for(cls))
    for cls in SLICER:
        setattr(slicer, cls.__name__, class_for(cls))
    sys.modules["qt"], sys.modules["ctk"] = qt, ctk


def slice_view(name: str):
    """The slice view of this name; made when it is first asked for."""
    from .layout import OTHER, VIEWS
    from .slice_views import SliceView

    running = application()
    if name not in running.views:
        running.views[name] = SliceView(running.mrml, name, VIEWS.get(name, OTHER)[0])
    return running.views[name]


def open_layout(*others: str):
    """A layout manager with the three slice views; ``slicer.app.layoutManager()`` returns it from now on.

    *others* are views of further layouts, which Slicer's manager has as well once such a layout was shown.
    """
    from .layout import VIEWS, qSlicerLayoutManager
    from .pythonqt.wrapping import wrap

    running = application()
    views = {name: slice_view(name) for name in (*VIEWS, *others)}
    for name, (orientation, _) in VIEWS.items():
        views[name].slice_node.SetOrientation(orientation)  # whoever had them before may have turned them
    running.application.layout_manager = qSlicerLayoutManager(running.mrml, views)
    return wrap(running.application.layout_manager)
