"""One job in a terminal: progress on standard error, a summary on standard output."""

from __future__ import annotations

import argparse
import time

from .progress_bar import ProgressLine
from .request_options import request_from
from .signals import cancel_on_signals
from .text_summary import summary


def run_and_report(method: str, args: argparse.Namespace) -> int:
    """Run ``detect`` or ``inpaint`` as *args* say and print what was found."""
    from ..pipeline.jobs import run_job

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
    from ..pipeline.detector import Detector

    return Detector()
