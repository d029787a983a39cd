"""One job in a terminal: progress on standard error, a summary on standard output."""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING

from .progress_bar import ProgressBar
from .request_options import request_from
from .signals import cancel_on_signals, stopped_at_once
from .streams import discard, say
from .text_summary import text_summary

if TYPE_CHECKING:
    from ..pipeline.jobs import DetectorProtocol
    from ..runtime.progress import CancelToken


def run_in_terminal(method: str, args: argparse.Namespace) -> int:
    """Run a job and print its result.

    Parameters
    ----------
    method
        ``detect`` or ``inpaint``.
    args
        Parsed options, see :func:`~FAAnomalyLib.cli.request_options.add_request_options`.

    Returns
    -------
    int
        Exit status 0.

    Raises
    ------
    FAError
        Whatever the job raises.
    """
    from ..pipeline.jobs import run_job

    started = time.monotonic()
    request = request_from(args)
    folder = request.output or ""
    bar = ProgressBar()
    try:
        with cancel_on_signals() as cancel:
            result = run_job(method, request, partial(_make_detector, cancel), progress=bar, cancel=cancel)
    finally:
        bar.close()
    if args.json:
        print(result.result_json())
        return 0
    _print_summary(text_summary(result, folder, time.monotonic() - started), folder)
    return 0


def _print_summary(summary: str, folder: str) -> None:
    """The results are in files: a standard output that takes nothing does not make the run fail."""
    try:
        print(summary, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard("stdout")
        say(f"The summary could not be printed ({error.strerror or error}); the results are in {folder}")


def _make_detector(cancel: CancelToken) -> DetectorProtocol:
    with stopped_at_once(cancel):
        from ..pipeline.detector import Detector

    return Detector()
