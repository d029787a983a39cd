"""The engine's command line and environment, and a client of it for each kind of caller."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from .client import EngineClient
from .paths import engine_root
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


def engine_environment() -> dict[str, str]:
    """Variables added to the environment of the engine's process."""
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
    }


def connect_engine(event_loop: bool) -> EngineClient:
    """A client of the engine; starts nothing yet.

    Parameters
    ----------
    event_loop
        Whether Qt's event loop runs and delivers; otherwise :meth:`.EngineClient.poll` has to be called.
    """
    process, timer = (QtProcess, QtTimer()) if event_loop else (SubprocessProcess, PollTimer())
    return EngineClient(process, engine_command("worker"), engine_environment(), timer)
