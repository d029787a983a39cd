"""The engine's command line and environment, and a client of it for each kind of caller."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from FAAnomalyLib._version import __version__
from FAAnomalyLib.errors import FAError

from .client import EngineClient
from .failure_messages import error_of_other_engine
from .paths import engine_root
from .process import Process
from .qt_process import QtProcess, QtTimer
from .subprocess_process import PollTimer, SubprocessProcess

SLICERS_PYTHON = "PythonSlicer"


def find_python() -> str:
    """The interpreter for the engine: Slicer's own, or the running one where that is a plain Python.

    Raises
    ------
    FAError
        ``missing`` when there is none.
    """
    beside = shutil.which(SLICERS_PYTHON, path=os.path.dirname(sys.executable)) if sys.executable else None
    python = shutil.which(SLICERS_PYTHON) or beside
    if python is None and Path(sys.executable or "").name.lower().startswith("python"):
        python = sys.executable
    if python is None:
        raise FAError(
            "missing",
            _("Slicer's Python was not found"),
            _("{name} is neither in PATH nor beside {program}").format(
                name=SLICERS_PYTHON, program=sys.executable or "Slicer"
            ),
            _("Install Slicer again"),
        )
    return python


def engine_command(*arguments: str) -> list[str]:
    """The command line of ``faanomaly`` with *arguments*."""
    return [find_python(), "-m", "FAAnomalyLib", *arguments]


def engine_environment() -> dict[str, str | None]:
    """Variables of the engine's process that differ from this process' own; None removes one."""
    # The engine is imported from the same folder as here, so both sides have one version.
    paths = [str(engine_root()), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        # Slicer's working folder may hold a file with the name of a module.
        "PYTHONSAFEPATH": "1",
        # Reports a crash on standard error: Slicer's launcher hides it.
        "PYTHONFAULTHANDLER": "1",
        # SimpleITK would load the plugins of Slicer's own ITK, which is another one, and may crash.
        "ITK_AUTOLOAD_PATH": None,
    }


def refuse_other_engine(hello: dict) -> FAError | None:
    """The error for an engine that is not the one that this process imports; None for the right one.

    A ``faanomaly`` that was installed into Slicer with pip could be found before it. A worker that does not say where
    it comes from is trusted.
    """
    folder, version = hello.get("folder"), hello.get("version")
    here = engine_root()
    same_place = folder is None or any(_same_folder(str(folder), place) for place in (here, here / "FAAnomalyLib"))
    if same_place and version in (None, __version__):
        return None
    return error_of_other_engine(version, folder, __version__, here)


def _same_folder(one: str, other: Path) -> bool:
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def connect_engine(event_loop: bool, application: Any = None) -> EngineClient:
    """A client of the engine; starts nothing yet.

    Parameters
    ----------
    event_loop
        Whether Qt's event loop runs and delivers; otherwise :meth:`.EngineClient.poll` has to be called.
    application
        ``slicer.app``, where there is one.
    """
    timer = QtTimer() if event_loop else PollTimer()

    def process() -> Process:
        return QtProcess(application) if event_loop else SubprocessProcess()

    return EngineClient(process, engine_command("worker"), engine_environment(), timer, refuse=refuse_other_engine)
