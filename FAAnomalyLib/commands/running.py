"""One job in a terminal: progress on standard error, a summary on standard output."""

from __future__ import annotations

import argparse
import time

from .interrupt import cancel_on_signals
from .options import request_from
from .progress_line import ProgressLine
from .summary import summary


def run_and_report(method: str, args: argparse.Namespace) -> int:
    """Run ``detect`` or ``inpaint`` as *args* say and print what was found."""
    from ..job import run_job  # needs numpy, which --help must not

    started = time.monotonic()
    line = ProgressLine()
    try:
        with cancel_on_signals() as cancel:
            result = run_job(method, request_from(args), _detector, progress=line, cancel=cancel)
    finally:
        line.close()
    print(result.result_json() if args.json else summary(result, args.output, time.monotonic() - started))
    return 0


def _detector():
    from ..detector import Detector

    return Detector()
