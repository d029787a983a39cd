"""The file of the input volume: written once for each version of its voxels, then used again.

The engine keeps its preparation of an input (registration above all) while requests name the same file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from FAAnomalyLib.errors import FAError

from ..events.scheduling import Future, Steps, in_background, run_in_steps
from ..events.timer import Timer
from ..worker_client.workspace import Workspace
from .geometry import InputRecord
from .nrrd_writer import write_nrrd

BYTES_PER_VOXEL = 4
DISK_RESERVE = 12
"""Free disk that a run needs, in inputs: the input itself, four results and as much while they are written."""

VOXELS_PER_STEP = 2**20
"""Voxels copied in one turn of the event loop."""


@dataclass(frozen=True, eq=False)
class ExportedInput:
    """A file in the workspace and what it holds."""

    record: InputRecord
    path: Path


class InputExport:
    """Keeps the last input's file."""

    def __init__(self, workspace: Workspace, timer: Timer) -> None:
        self._workspace, self._timer = workspace, timer
        self._exported: ExportedInput | None = None

    def write(self, volumeNode, record: InputRecord) -> Future[Path]:
        """Write the node's voxels in the background, unless the file is there already.

        Parameters
        ----------
        volumeNode
            Scalar volume.
        record
            What the node is now, from :func:`~.geometry.record_input`.

        Raises
        ------
        FAError
            ``bad-input``, at once, when the disk has no room.
        """
        exported = self._exported
        if exported is not None and _same_file(record, exported.record) and exported.path.is_file():
            present: Future[Path] = Future()
            self._timer.after(0, lambda: present.resolve(exported.path))
            return present
        needed = DISK_RESERVE * BYTES_PER_VOXEL * math.prod(record.shape)
        path = self._workspace.new_folder(needed) / "input.nrrd"
        self.forget()
        return run_in_steps(self._write_steps(volumeNode.GetImageData(), record, path), self._timer)

    def forget(self) -> None:
        """Remove the file."""
        if self._exported is not None and self._workspace.root is not None:
            self._workspace.remove(self._exported.path.parent)
        self._exported = None

    def _write_steps(self, image, record: InputRecord, path: Path) -> Steps[Path]:
        data = yield from _copy_steps(image, record)

        def write() -> None:
            with self._workspace.writing():
                write_nrrd(data, record.ijk_to_ras, path)

        yield in_background(write, self._timer)
        self._exported = ExportedInput(record, path)
        return path


def _copy_steps(image, record: InputRecord) -> Steps[np.ndarray]:
    """Copy the voxels as float32: the node's own array may change or go while a thread writes.

    A few slices a step, so that no turn of the event loop is long. Where the voxels change in between, all of them
    are copied as they are then; :func:`~.geometry.describe_change` reports it to the user.
    """
    data = np.empty(record.shape[::-1], np.float32)
    slices = max(VOXELS_PER_STEP // data[0].size, 1)
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
    """Whether both describe the same voxels in the same place of the node's local frame."""
    return (
        one.node_id == other.node_id
        and one.image_mtime == other.image_mtime
        and one.shape == other.shape
        and np.array_equal(one.ijk_to_ras, other.ijk_to_ras)
    )
