"""The live preview, "healthy lens" on the panel: healthy tissue is shown inside a box while the box is dragged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import slicer.util

from ..events.scheduling import Steps, Stopped, in_background, next_emission, run_in_steps
from ..events.signal import Signal
from ..scene.geometry import InputRecord, record_input, write_roi
from ..scene.result_nodes import read_volume
from ..worker_client.job import Job
from .connection import EngineConnection

NO_DRAWS = {"sampler": "mean", "steps": 0, "samples": 1}
"""A preview draws nothing, whatever the next run does."""


@dataclass(frozen=True, eq=False)
class PreviewRequest:
    """Where the box is and how it is inpainted.

    Attributes
    ----------
    volumeNode, roiNode
        Scalar volume and ``vtkMRMLMarkupsROINode``.
    options
        Fields of :class:`~FAAnomalyLib.request.DetectRequest`.
    """

    volumeNode: Any
    roiNode: Any
    options: dict


class LivePreview:
    """Inpaints the box again whenever it has moved: one request in flight at most, and the newest position wins.

    Parameters
    ----------
    connection
        The engine, shared with the runs of the panel.

    Attributes
    ----------
    filled
        Emits ``(array, record)``: float32 (k, j, i) with the expected FA in the box and the input around it, and the
        :class:`~..scene.geometry.InputRecord` of the volume.
    failed
        Emits the exception, most often an ``FAError``; the next move tries again.
    idle
        Emitted when a request has ended and no other follows.
    busy
        Whether a request is in flight.
    """

    def __init__(self, connection: EngineConnection) -> None:
        self.filled, self.failed, self.idle = Signal(), Signal(), Signal()
        self.busy = False
        self._connection = connection
        self._wanted: PreviewRequest | None = None
        self._job: Job | None = None
        self._stopped = True

    def show(self, volumeNode, roiNode, options: dict) -> None:
        """Inpaint the box where it is now, as soon as the request in flight has ended."""
        self._stopped = False
        self._wanted = PreviewRequest(volumeNode, roiNode, options)
        self._next()

    def stop(self) -> None:
        """Forget what was asked for and cancel the request in flight; :attr:`idle` follows when there is one."""
        self._stopped, self._wanted = True, None
        if self._job is not None:
            self._job.cancel()

    def _next(self) -> None:
        wanted = self._wanted
        if self.busy or wanted is None:
            return
        self.busy, self._wanted = True, None
        run_in_steps(self._steps(wanted), self._connection.timer, lambda: self._stopped).when_done(self._end)

    def _steps(self, wanted: PreviewRequest) -> Steps[None]:
        """One request, from the position of the box to the voxels inside it."""
        connection, workspace = self._connection, self._connection.workspace
        folder = workspace.new_folder()
        try:
            with workspace.writing():
                write_roi(wanted.roiNode, wanted.volumeNode, folder / "roi.mrk.json")
            record = record_input(wanted.volumeNode)
            path = yield connection.inputs.write(wanted.volumeNode, record)
            files = {"input": str(path), "roi": str(folder / "roi.mrk.json"), "output": str(folder / "result")}
            job = self._job = connection.client.submit("preview", {**wanted.options, **NO_DRAWS, **files})
            yield next_emission(job.finished)
            self._job = None
            result = job.answer()["files"]["expected"]
            array = yield in_background(lambda: read_volume(result, record), connection.timer)
            self.filled.emit(array, record)
        finally:
            if workspace.root is not None:
                workspace.remove(folder)

    def _end(self, value: None, error: Exception | None) -> None:
        self.busy, self._job = False, None
        if error is not None and not isinstance(error, Stopped) and not self._stopped:
            self.failed.emit(error)
        self._next()
        if not self.busy:
            self.idle.emit()


class PreviewPicture:
    """The volume node that shows the preview; it is not saved and is removed with the preview."""

    def __init__(self) -> None:
        self.node: Any = None
        self._input_id: str | None = None

    def show(self, array: np.ndarray, record: InputRecord) -> None:
        """Put *array* (k, j, i) where the input of *record* lies."""
        volume = slicer.mrmlScene.GetNodeByID(record.node_id)
        if volume is None:
            return
        if self.node is None or self._input_id != record.node_id:
            self.remove()
            self._make(volume)
        self.node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(record.ijk_to_ras))
        self.node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        slicer.util.updateVolumeFromArray(self.node, array)

    def remove(self) -> None:
        """Take the node out of the scene."""
        if self.node is not None and slicer.mrmlScene.IsNodePresent(self.node):
            slicer.mrmlScene.RemoveNode(self.node)
        self.node = self._input_id = None

    def _make(self, volume) -> None:
        self.node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{volume.GetName()} lens")
        self._input_id = volume.GetID()
        self.node.SetSaveWithScene(False)
        self.node.CreateDefaultDisplayNodes()
        display, input_display = self.node.GetDisplayNode(), volume.GetScalarVolumeDisplayNode()
        display.SetSaveWithScene(False)
        if input_display is not None:
            # The tissue around the box must look as in the input.
            display.CopyContent(input_display)
