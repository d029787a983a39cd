"""``faanomaly``: finds the command, runs it, and turns whatever happens into an exit status."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import importlib
import logging
import os
import sys
import traceback
import warnings
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from .._version import __version__
from ..errors import EXIT_STATUS, FAError
from ..runtime.error_translation import as_fa_error
from ..runtime.waiting_threads import sleep_while_waiting_where_busy
from .commands import COMMANDS
from .paths import expand_home
from .streams import discard, open_standard_streams, say

PROGRAM = "faanomaly"


class CommandLineParser(argparse.ArgumentParser):
    """An argument parser that raises ``FAError`` where argparse prints its usage and exits."""

    def error(self, message: str) -> NoReturn:
        """Raise ``FAError('bad-request')``."""
        raise FAError("bad-request", message[:1].upper() + message[1:], "", f"See {self.prog} --help")


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line.

    Parameters
    ----------
    chosen
        Name of the only command whose options are added. The modules of the others are not imported.
    """
    common = CommandLineParser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks and the libraries' warnings"
    )
    parser = CommandLineParser(
        prog=PROGRAM,
        description="Anomalies in brain FA maps, by inpainting with a diffusion "
        "model. For research; nothing here is a diagnosis.",
        parents=[common],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, help_line) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=help_line,
            description=f"{help_line[:1].upper()}{help_line[1:]}.",
            parents=[common],
            allow_abbrev=False,
        )
        if name == chosen:
            implementation = _load(module)
            implementation.add_arguments(command)
            command.set_defaults(run=implementation.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command line.

    Parameters
    ----------
    argv
        Words after the program's name; ``sys.argv`` by default.

    Returns
    -------
    int
        Exit status, see :data:`FAAnomalyLib.errors.EXIT_STATUS`. An error is one line on standard error.
    """
    argv = sys.argv[1:] if argv is None else argv
    open_standard_streams()
    # Slicer's plug-ins for ITK, built for another ITK, would be loaded into SimpleITK.
    os.environ.pop("ITK_AUTOLOAD_PATH", None)
    sleep_while_waiting_where_busy()
    debug = "--debug" in argv
    if not debug:
        _silence_libraries()
    try:
        args = build_parser(next((word for word in argv if not word.startswith("-")), None)).parse_args(argv)
        expand_home(args)
        status = args.run(args)
        sys.stdout.flush()
        return status
    except SystemExit as leaving:  # argparse after --help and --version
        return leaving.code if isinstance(leaving.code, int) else EXIT_STATUS["bug"]
    except BrokenPipeError:
        # The reader of a pipe left early (| head).
        discard("stdout")
        return 0
    except BaseException as error:
        if debug:
            say(traceback.format_exc())
        failure = _stdout_failure(error) or as_fa_error(error)
        say(f"{PROGRAM}: {failure}")
        return failure.exit_status


def program() -> NoReturn:
    """:func:`main` as a process, which ends at once."""
    end_process(main())


def end_process(status: int) -> NoReturn:
    """End the process without taking torch and its threads down, which lasts half a second.

    A cancelled run would seem to go on for so long. What was registered for the end is done; the streams are flushed.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # main has told already of a stream that takes nothing
            stream.flush()
    os._exit(status)


def _stdout_failure(error: BaseException) -> FAError | None:
    """The error for a standard output that takes nothing any more; None where *error* has another cause."""
    if not isinstance(error, OSError) or error.filename is not None:
        return None
    # Only printing raises it in a command itself: files are written on the floors below.
    innermost = traceback.extract_tb(error.__traceback__)[-1].filename
    if Path(__file__).parent not in Path(innermost).parents:
        return None
    discard("stdout")
    return FAError("bad-input", "Cannot write to standard output", error.strerror or "", "Send it elsewhere")


def _load(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            raise FAError("missing", f"This installation lacks {module}", "", "Install FAAnomaly again") from error
        raise


def _silence_libraries() -> None:
    # An error is one line. Warnings that matter to the user are the engine's own, and are in the result.
    warnings.simplefilter("ignore")
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)
