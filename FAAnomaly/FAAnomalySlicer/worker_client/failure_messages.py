"""Messages for the end of the engine's process: the cause and what to do about it."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from slicer.i18n import tr as _

from FAAnomalyLib.errors import EXIT_STATUS, FAError

from .process import ProcessExit

LAST_LINES = 3
LINE_LENGTH = 200
SIGKILL, SIGILL = 9, 4
MAX_SIGNALS = 65
SHELL_OFFSET = 128
"""A shell that waited for a killed process exits with this plus the number of the signal."""
OUT_OF_MEMORY_STATUS = (0xC0000017, 0xC000012D)
"""Exit statuses of Windows when memory is short."""
LAUNCHER_MESSAGE = "exit abnormally"
"""Printed by Slicer's launcher when its process was killed or crashed; the exit status is then always 1."""
CRASH_MESSAGE = "Fatal Python error"
"""Printed by Python when it crashes (``PYTHONFAULTHANDLER``); a killed Python prints nothing."""
OUT_OF_MEMORY_MESSAGE = re.compile(r"out of memory|bad_alloc|MemoryError|cannot allocate memory", re.IGNORECASE)
ENGINE_MISSING_MESSAGE = re.compile(r"No module named '?FAAnomalyLib")


def error_of_answer(answer: dict) -> FAError:
    """The :class:`~FAAnomalyLib.errors.FAError` in an ``error`` answer; an unknown code is a ``bug``."""
    code, what, why, fix = (str(answer.get(name) or "") for name in ("code", "what", "why", "fix"))
    return FAError(code if code in EXIT_STATUS else "bug", what or _("The engine failed without a reason"), why, fix)


def error_of_exit(process_exit: ProcessExit, log: Sequence[str]) -> FAError:
    """The error of a job whose engine ended without an answer.

    Parameters
    ----------
    process_exit
        How it ended.
    log
        The last lines of its standard error, oldest first.
    """
    if process_exit.kind == "failed-to-start":
        return FAError(
            "missing",
            _("The engine could not be started"),
            process_exit.reason,
            _("Install Slicer and FAAnomaly again, and check that no virus scanner blocks PythonSlicer"),
        )
    text = "\n".join(log)
    number = _signal_number(process_exit, text)
    if number == SIGKILL or OUT_OF_MEMORY_MESSAGE.search(text) or _unsigned(process_exit.code) in OUT_OF_MEMORY_STATUS:
        code, what = "out-of-memory", _("The engine was ended by the system, most likely because memory ran out")
        fix = _("Close other programs, choose fewer samples or a smaller region, or run on the CPU")
    elif ENGINE_MISSING_MESSAGE.search(text):
        code, what, fix = "missing", _("The engine is not installed"), _("Install FAAnomaly again")
    elif number == SIGILL:
        code, what = "missing", _("The engine met a processor instruction that this computer lacks")
        fix = _("Install a version of PyTorch that fits this processor, in the module PyTorch Utils")
    else:
        code, what = _code_of_status(process_exit), _("The engine ended before it answered")
        fix = _("Try again; if it happens again, report it with the text of 'Copy diagnostics'")
    return FAError(code, what, _why(process_exit, number, log), fix)


def error_of_start_timeout(seconds: float, log: Sequence[str]) -> FAError:
    """The error of a job whose engine has sent no hello within *seconds* of its start."""
    return FAError(
        "bug",
        _("The engine did not start"),
        _join(_("it has said nothing for {seconds:.0f} seconds").format(seconds=seconds), log),
        _("Check that no virus scanner holds up PythonSlicer, then try again"),
    )


def error_of_protocol(theirs: object, version: object, ours: int) -> FAError:
    """The error of a job whose engine speaks protocol *theirs*."""
    return FAError(
        "missing",
        _("The engine and the panel do not fit each other"),
        _("FAAnomalyLib {version} speaks protocol {theirs}, the panel {ours}").format(
            version=version, theirs=theirs, ours=ours
        ),
        _("Install FAAnomaly again and restart Slicer"),
    )


def error_of_other_engine(version: object, folder: object, our_version: str, our_folder: object) -> FAError:
    """The error of a job whose engine is another one than the panel's, as one that pip has installed."""
    return FAError(
        "missing",
        _("Another FAAnomaly was started than the one of this panel"),
        _("it is {version} in {folder}, the panel's is {our_version} in {our_folder}").format(
            version=version, folder=folder, our_version=our_version, our_folder=our_folder
        ),
        _("In Slicer's Python console: slicer.util.pip_uninstall('faanomaly'); then restart Slicer"),
    )


def _signal_number(process_exit: ProcessExit, text: str) -> int | None:
    code = process_exit.code
    if code is None:
        return None
    if -MAX_SIGNALS < code < 0:
        return -code
    if SHELL_OFFSET < code < SHELL_OFFSET + MAX_SIGNALS:
        return code - SHELL_OFFSET
    return SIGKILL if LAUNCHER_MESSAGE in text and CRASH_MESSAGE not in text else None


def _code_of_status(process_exit: ProcessExit) -> str:
    if process_exit.kind == "exit":
        for code in ("missing", "out-of-memory"):
            if process_exit.code == EXIT_STATUS[code]:
                return code
    return "bug"


def _why(process_exit: ProcessExit, number: int | None, log: Sequence[str]) -> str:
    if number is not None:
        try:
            how = _("ended by signal {name}").format(name=signal.Signals(number).name)
        except ValueError:
            how = _("ended by signal {name}").format(name=number)
    elif process_exit.code is None:
        how = process_exit.reason
    else:
        shown = process_exit.code if 0 <= process_exit.code < 256 else f"0x{_unsigned(process_exit.code):08X}"
        how = _("exit status {status}").format(status=shown)
    return _join(how, log)


def _unsigned(code: int | None) -> int | None:
    return None if code is None else code & 0xFFFFFFFF  # Qt gives the large numbers of Windows as negative ones


def _join(how: str, log: Sequence[str]) -> str:
    last = [line.strip()[:LINE_LENGTH] for line in log if line.strip()][-LAST_LINES:]
    return _("{how}; its last words were: {words}").format(how=how, words=" | ".join(last)) if last else how
