"""``faanomaly detect``."""

from __future__ import annotations

import argparse

from ..job_runner import run_in_terminal
from ..request_options import add_request_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_request_options(parser, region_needed=False)


def run(args: argparse.Namespace) -> int:
    """Analyse the volume and write the results."""
    return run_in_terminal("detect", args)
