"""One engine, and the private folder through which volumes travel to it and back."""

from __future__ import annotations

import slicer

from ..events.timer import Timer
from ..scene.input_export import InputExport
from ..worker_client.launcher import connect_engine
from ..worker_client.qt_process import QtTimer
from ..worker_client.subprocess_process import PollTimer
from ..worker_client.workspace import Workspace


class EngineConnection:
    """The engine's client and what its jobs share.

    Parameters
    ----------
    event_loop
        Whether Qt's event loop delivers; otherwise :meth:`poll` has to be called.

    Attributes
    ----------
    client, timer, workspace, inputs
        See the classes.
    """

    def __init__(self, event_loop: bool) -> None:
        self.client = connect_engine(event_loop, slicer.app)
        self.timer: Timer = QtTimer() if event_loop else PollTimer()
        self.workspace = Workspace(slicer.app.temporaryPath)
        self.inputs = InputExport(self.workspace, self.timer)

    def poll(self, seconds: float) -> None:
        """Deliver output, waiting at most *seconds* for it; without effect where an event loop does it."""
        self.client.poll(seconds)
        self.timer.poll()

    def close(self) -> None:
        """End the engine and remove the folder. Does not wait."""
        self.client.shutdown()
        self.inputs.forget()
        self.workspace.close()
