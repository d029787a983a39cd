"""How the engine is started from here, and a client of it for each kind of caller."""

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
    found = shutil.which(SLICERS_PYTHON) or beside
    if found is None and Path(sys.executable or "").name.lower().startswith("python"):
        found = sys.executable
    if found is None:
        raise FAError(
            "missing",
            _("Slicer's Python was not found"),
            _("{name} is neither in PATH nor beside {program}").format(
                name=SLICERS_PYTHON, program=sys.executable or "Slicer"
            ),
            _("Install Slicer again"),
        )
    return found


def engine_command(*arguments: str) -> list[str]:
    """The command line of ``faanomaly`` with *arguments*."""
    return [find_python(), "-m", "FAAnomalyLib", *arguments]


def engine_environment() -> dict[str, str]:
    """What the engine's process gets besides this process' environment."""
    # One version on both sides.
    paths = [str(engine_root()), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        # Slicer's working folder may hold a file called like a module.
        "PYTHONSAFEPATH": "1",
        # Says on standard error where a crash happened: Slicer's launcher hides even that there was one.
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
