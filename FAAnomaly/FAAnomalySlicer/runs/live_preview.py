"""The healthy lens: wherever the box is dragged, the tissue inside it is shown as the model expects it."""

from __future__ import annotations

from pathlib import Path

import slicer
import slicer.util

from FAAnomalyLib.errors import FAError

from ..events.scheduling import in_background
from ..events.signal import Signal
from ..scene.geometry import write_roi
from ..scene.result_nodes import read_volume
from .connection import Connection

QUALITY = {"sampler": "mean", "steps": 0, "samples": 1, "report": False}
"""One evaluation of the network, and no time for pictures that nobody sees."""


class LivePreview:
    """Fills the box anew whenever it has moved: at most one fill in flight, the newest position wins.

    Parameters
    ----------
    connection
        The engine, shared with the runs of the panel.

    Attributes
    ----------
    filled
        Emits ``(array, record)``: float32 (k, j, i) with healthy tissue in the box and the input around it, and the
        :class:`~.geometry.InputRecord` of the volume.
    failed
        Emits an ``FAError``; the next move tries again.
    idle
        Emitted when a fill has ended and no other follows.
    """

    def __init__(self, connection: Connection) -> None:
        self.filled, self.failed, self.idle = Signal(), Signal(), Signal()
        self._connection = connection
        self._wanted: tuple | None = None
        self._busy = False
        self._job = None
        self._stopped = True

    @property
    def busy(self) -> bool:
        """Whether a fill is in flight."""
        return self._busy

    def show(self, volumeNode, roiNode, options: dict) -> None:
        """Fill the box where it is now, as soon as the fill in flight has ended."""
        self._stopped = False
        self._wanted = (volumeNode, roiNode, options)
        self._next()

    def stop(self) -> None:
        """Forget what was wanted and cancel the fill in flight; :attr:`idle` follows when there is one."""
        self._stopped, self._wanted = True, None
        if self._job is not None:
            self._job.cancel()

    def _next(self) -> None:
        if self._busy or self._wanted is None:
            return
        (volume, roi, options), self._wanted = self._wanted, None
        self._busy = True
        workspace = self._connection.workspace
        folder = None
        try:
            folder = workspace.new_folder()
            with workspace.writing():
                write_roi(roi, volume, folder / "roi.mrk.json")
            record = self._connection.inputs.write(
                volume, lambda path, error: self._on_written(folder, path, error, options, record)
            )
        except FAError as error:
            self._end(folder, error)

    def _on_written(self, folder: Path, path: Path | None, error: Exception | None, options: dict, record) -> None:
        if error is not None or self._stopped:
            self._end(folder, error)
            return
        params = {
            **options,
            **QUALITY,
            "input": str(path),
            "roi": str(folder / "roi.mrk.json"),
            "output": str(folder / "result"),
        }
        try:
            self._job = self._connection.client.submit("inpaint", params)
        except FAError as refused:
            self._end(folder, refused)
            return
        self._job.finished.connect(lambda job: self._on_answer(job, folder, record))

    def _on_answer(self, job, folder: Path, record) -> None:
        self._job = None
        if job.error is not None or self._stopped:
            self._end(folder, None if self._stopped else job.error)
            return
        path = job.result["files"]["pseudo_healthy"]
        in_background(
            lambda: read_volume(path, record),
            self._connection.timer,
            lambda array, error: self._on_read(array, error, folder, record),
        )

    def _on_read(self, array, error: Exception | None, folder: Path, record) -> None:
        if error is None and not self._stopped:
            self.filled.emit(array, record)
        self._end(folder, error)

    def _end(self, folder: Path | None, error: Exception | None) -> None:
        if folder is not None and self._connection.workspace.root is not None:
            self._connection.workspace.remove(folder)
        self._busy = False
        if error is not None and not self._stopped:
            self.failed.emit(error)
        self._next()
        if not self._busy:
            self.idle.emit()


class PreviewPicture:
    """The volume node that shows what the lens sees; it is not saved and goes with the lens."""

    def __init__(self) -> None:
        self.node = None
        self._of: str | None = None

    def show(self, array, record) -> None:
        """Put *array* (k, j, i) where the input of *record* lies."""
        volume = slicer.mrmlScene.GetNodeByID(record.node_id)
        if volume is None:
            return
        if self.node is None or self._of != record.node_id:
            self.remove()
            self._make(volume)
        self.node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(record.ijk_to_ras))
        self.node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        slicer.util.updateVolumeFromArray(self.node, array)

    def remove(self) -> None:
        """Take the node out of the scene."""
        if self.node is not None and slicer.mrmlScene.IsNodePresent(self.node):
            slicer.mrmlScene.RemoveNode(self.node)
        self.node = self._of = None

    def _make(self, volume) -> None:
        self.node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{volume.GetName()} lens")
        self._of = volume.GetID()
        self.node.SetSaveWithScene(False)
        self.node.CreateDefaultDisplayNodes()
        display, shown = self.node.GetDisplayNode(), volume.GetScalarVolumeDisplayNode()
        display.SetSaveWithScene(False)
        if shown is not None:
            # The tissue around the box must look as it did.
            display.CopyContent(shown)
