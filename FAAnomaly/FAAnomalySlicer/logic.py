"""Starts runs for ``FAAnomalyLogic``, blocking or in the background, on engines that keep running between them."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import slicer
import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from .events.signal import Signal
from .runs.connection import EngineConnection
from .runs.detection_run import CANCELLED, DetectionRun, RunOptions
from .runs.live_preview import LivePreview
from .scene.result_list import ResultNodes


class RunManager(slicer.util.VTKObservationMixin):
    """Starts runs, one at a time in the background, and owns the engines.

    Parameters
    ----------
    connect
        Makes a :class:`~.runs.connection.EngineConnection`; its argument is whether Qt's event loop runs.

    Attributes
    ----------
    log
        Emits the engine's log, a line at a time.
    running
        The run in the background, ``None`` when there is none.
    last_request
        The engine's request of the last run in the background.
    """

    def __init__(self, connect: Callable[[bool], EngineConnection] = EngineConnection) -> None:
        super().__init__()
        self.log = Signal()
        self.running: DetectionRun | None = None
        self.last_request: dict = {}
        self._connect = connect
        self._connections: dict[bool, EngineConnection] = {}
        # Engines end with this object: a script's FAAnomalyLogic() is often not kept.
        weakref.finalize(self, _close, self._connections)

    def connection(self, event_loop: bool) -> EngineConnection:
        """The engine for callers with or without an event loop; made on the first call, not started yet."""
        if event_loop not in self._connections:
            connection = self._connections[event_loop] = self._connect(event_loop)
            connection.client.log.connect(self.log.emit)
        return self._connections[event_loop]

    def start(self, volumeNode, **choices) -> DetectionRun:
        """Begin a run and return at once; needs a running event loop, as Slicer with a window has one.

        Parameters
        ----------
        volumeNode
            Scalar volume with FA, or a diffusion tensor volume whose FA is then computed.
        choices
            ``roi``, ``segment``, ``threshold``, ``signs``, ``previous`` as in :class:`~.runs.detection_run.RunOptions`,
            and the fields of :class:`~FAAnomalyLib.request.DetectRequest` except paths: ``model``, ``mask_type``,
            ``mask_size``, ``sampler``, ``steps``, ``samples``, ``seed``, ``device``, ``scale``.

        Raises
        ------
        FAError
            ``bad-request`` when it cannot start: another run is in progress, or the choices are invalid.
        """
        if self.running is not None:
            raise FAError(
                "bad-request", _("A run is going on"), _("there is one at a time"), _("Wait for its end or cancel it")
            )
        detection = DetectionRun(make_run_options(volumeNode, **choices), self.connection(event_loop=True))
        detection.begin()
        self.running = detection
        detection.finished.connect(self._on_finished)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._on_scene_closes)
        return detection

    def live_preview(self) -> LivePreview:
        """A live preview on the engine of the background runs."""
        return LivePreview(self.connection(event_loop=True))

    def run(
        self, volumeNode, progress: Callable[[float, str, float | None], None] | None = None, **choices
    ) -> ResultNodes:
        """Run, wait for the end and return the result nodes; needs no event loop and no window.

        Parameters
        ----------
        volumeNode, choices
            As for :meth:`start`.
        progress
            Called with ``(fraction, stage, eta_seconds)``.

        Raises
        ------
        FAError
            With a code, what is wrong, why, and what to do about it.
        """
        connection = self.connection(event_loop=False)
        detection = DetectionRun(make_run_options(volumeNode, **choices), connection)
        if progress is not None:
            detection.progress.connect(progress)
        detection.begin()
        try:
            while not detection.over:
                connection.poll(0.02)
        except BaseException:  # Ctrl+C above all: no process stays behind
            detection.cancel()
            connection.close()
            raise
        return detection.outcome()

    def close(self) -> None:
        """Cancel the run in progress and end the engines; a later run starts them again."""
        if self.running is not None:
            self.running.cancel()
        _close(self._connections)

    def _on_scene_closes(self, caller, event) -> None:
        if self.running is not None:
            self.running.cancel()

    def _on_finished(self, detection: DetectionRun) -> None:
        self.running, self.last_request = None, detection.request
        self.removeObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._on_scene_closes)
        if detection.state == CANCELLED:
            # A cancelled run frees the computer.
            self.connection(event_loop=True).client.shutdown()


def make_run_options(
    volumeNode, *, roi=None, segment=None, threshold="auto", signs="both", previous=None, **options
) -> RunOptions:
    """An :class:`~.runs.detection_run.RunOptions` of a script's keywords."""
    return RunOptions(volumeNode, roi, segment, threshold, signs, previous, options)


def _close(connections: dict[bool, EngineConnection]) -> None:
    for connection in connections.values():
        connection.close()
