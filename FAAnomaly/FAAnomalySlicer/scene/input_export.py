"""The file of the input volume: written once for each version of its voxels, then used again.

The engine keeps what it has prepared (registration above all) for as long as it is asked about the same file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from FAAnomalyLib.errors import FAError

from ..events.scheduling import in_background, run_in_steps
from ..events.timer import Timer
from ..worker_client.workspace import Workspace
from .geometry import InputRecord, record_input
from .nrrd_writer import write_nrrd

BYTES = 4
ROOM = 12
"""Free disk that a run needs, in inputs: the input itself, four results and as much while they are written."""

COPIED_AT_ONCE = 2**20
"""Voxels copied in one turn of the event loop."""


class InputExport:
    """Keeps the last input's file."""

    def __init__(self, workspace: Workspace, timer: Timer) -> None:
        self._workspace, self._timer = workspace, timer
        self._record: InputRecord | None = None
        self._path: Path | None = None

    def write(self, volumeNode, done: Callable[[Path | None, Exception | None], None]) -> InputRecord:
        """Write the node's voxels in the background, unless they are there already.

        Returns what the node is now, at once; *done* gets the path or an error, later, on this thread. Raises
        ``FAError`` when the node cannot be given to the engine or there is no room.
        """
        record = record_input(volumeNode)
        if self._record is not None and _same_file(record, self._record) and self._path.is_file():
            path = self._path
            self._timer.after(0, lambda: done(path, None))
            return record
        path = self._workspace.new_folder(ROOM * BYTES * math.prod(record.shape)) / "input.nrrd"
        self.forget()

        def write(data: np.ndarray) -> Path:
            with self._workspace.writing():
                write_nrrd(data, record.ijk_to_ras, path)
            return path

        def copied(data: np.ndarray | None, error: Exception | None) -> None:
            if error is not None:
                done(None, error)
            else:
                in_background(lambda: write(data), self._timer, written)

        def written(value: Path | None, error: Exception | None) -> None:
            if error is None:
                self._record, self._path = record, path
            done(value, error)

        run_in_steps(_copy_steps(volumeNode.GetImageData(), record), self._timer, copied, lambda: False)
        return record

    def forget(self) -> None:
        """Remove the file."""
        if self._path is not None and self._workspace.root is not None:
            self._workspace.remove(self._path.parent)
        self._record = self._path = None


def _copy_steps(image, record: InputRecord) -> Iterator[None]:
    """Copy the voxels as float32: the node's own array may change or go while a thread writes.

    A few slices a step, so that the event loop goes on. Where the voxels change in between, all are taken as they are
    then; :func:`~.geometry.changed` tells the user.
    """
    data = np.empty(record.shape[::-1], np.float32)
    slices = max(COPIED_AT_ONCE // data[0].size, 1)
    for first in range(0, len(data), slices):
        whole = image.GetMTime() != record.image_mtime
        if whole and image.GetDimensions() != record.shape:
            raise FAError("bad-input", _("The volume got another size while it was read"), "", _("Run again"))
        part = slice(None) if whole else slice(first, first + slices)
        data[part] = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(data.shape)[part]
        if whole:
            break
        yield
    return data


def _same_file(one: InputRecord, other: InputRecord) -> bool:
    """Whether both mean the same voxels in the same place of the node's own frame."""
    return (
        one.node_id == other.node_id
        and one.image_mtime == other.image_mtime
        and one.shape == other.shape
        and np.array_equal(one.ijk_to_ras, other.ijk_to_ras)
    )
