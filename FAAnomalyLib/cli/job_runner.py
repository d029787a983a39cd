"""One job in a terminal: progress on standard error, a summary on standard output."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from .progress_bar import ProgressBar
from .request_options import request_from
from .signals import cancel_on_signals
from .text_summary import text_summary

if TYPE_CHECKING:
    from ..pipeline.jobs import DetectorProtocol


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
    bar = ProgressBar()
    try:
        with cancel_on_signals() as cancel:
            result = run_job(method, request_from(args), _make_detector, progress=bar, cancel=cancel)
    finally:
        bar.close()
    print(result.result_json() if args.json else text_summary(result, args.output, time.monotonic() - started))
    return 0


def _make_detector() -> DetectorProtocol:
    from ..pipeline.detector import Detector

    return Detector()
