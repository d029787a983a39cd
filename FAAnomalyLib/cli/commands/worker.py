"""``faanomaly worker``: the background process behind the Slicer panel; see docs/worker-protocol.md."""

from __future__ import annotations

import argparse
import os
import signal
from typing import TYPE_CHECKING, NoReturn

from ...worker import server
from ...worker.stdio_channel import StdioChannel

if TYPE_CHECKING:
    from ...pipeline.jobs import DetectorProtocol


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options of its own."""


def run(args: argparse.Namespace) -> int:
    """Serve standard input until it ends."""
    # Volumes of patients are in the output folder: whatever this process creates is readable by its user only.
    os.umask(0o077)
    channel = StdioChannel()
    worker = server.WorkerServer(_make_detector, channel.send)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        worker.serve(channel.lines())
    except KeyboardInterrupt:
        pass
    if not worker.stop(server.GRACE_SECONDS):
        os._exit(0)  # the job is in a long call; it checks its token before it writes anything
    return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _make_detector() -> DetectorProtocol:
    from ...pipeline.detector import Detector

    return Detector()
