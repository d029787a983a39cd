"""``faanomaly detect``."""

from __future__ import annotations

import argparse

from ..job_runner import run_in_terminal
from ..request_options import add_request_options
from ..thesis_runner import THESIS, add_thesis_options, refuse_thesis_options, run_thesis_in_terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_request_options(parser, region_needed=False)
    add_thesis_options(parser)
    parser.add_argument(
        "--method",
        metavar="NAME",
        help="use a comparator of evaluate instead of the detector; --model is then the folder that train --method "
        "made, and holds its thresholds",
    )


def run(args: argparse.Namespace) -> int:
    """Analyse the volume and write the results."""
    if args.procedure == THESIS:
        return run_thesis_in_terminal(args)
    refuse_thesis_options(args)
    if args.method:
        from ..method_runner import detect_with_method

        return detect_with_method(args)
    return run_in_terminal("detect", args)
