"""``faanomaly inpaint``."""

from __future__ import annotations

import argparse

from ..job_runner import run_in_terminal
from ..request_options import add_request_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_request_options(parser, region_needed=True)


def run(args: argparse.Namespace) -> int:
    """Fill the region and write the results."""
    return run_in_terminal("inpaint", args)
