"""One run, from a volume node in the scene to result nodes in the scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.request import SIGNS, THRESHOLDS, DetectRequest

from ..events.scheduling import in_background, run_in_steps
from ..events.signal import Signal
from ..scene.geometry import InputRecord, changed, check_transforms, write_roi, write_segment
from ..scene.result_nodes import ResultArrays, ResultNodes, import_steps, read_result
from ..scene.tensor_fa import ROLE as FA_OF_TENSORS
from ..scene.tensor_fa import fa_steps, is_tensor_volume
from ..scene.threshold import Selection, both_tails, select
from ..worker_client.job import cancelled
from .connection import Connection

PREPARING, RUNNING, IMPORTING = "preparing", "running", "importing"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"
WRITING, READING = "writing the volume", "reading the results"
"""Stages before and after those of the engine."""
CHOSEN_LATER = "(volume of the scene)"
"""Stands for the input's path while the request is checked: the volume is written only afterwards."""


@dataclass
class RunOptions:
    """What is asked for.

    Attributes
    ----------
    volumeNode
        The FA map.
    roi
        A ``vtkMRMLMarkupsROINode``: only its inside is judged, filled as one hole.
    segment
        ``(vtkMRMLSegmentationNode, segment ID or name)``, used like *roi*.
    threshold
        ``auto``, ``sensitive``, a positive z, or one for each tail ``(increased, decreased)``.
    signs
        ``both``, ``increased`` or ``decreased``: which tail becomes segments and table. For one alone the sensitive
        threshold is lower, see :class:`FAAnomalyLib.anomaly.calibration.Calibration`.
    previous
        Result nodes of an earlier run that are to be used again.
    options
        Further fields of :class:`~FAAnomalyLib.request.DetectRequest`.
    """

    volumeNode: object
    roi: object = None
    segment: tuple | None = None
    threshold: str | float | tuple[float, float] = "auto"
    signs: str = "both"
    previous: ResultNodes | None = None
    options: dict = field(default_factory=dict)

    def check(self) -> None:
        """Raise ``FAError('bad-request')`` naming everything that is wrong."""
        found = self.problems()
        if found:
            raise FAError("bad-request", _("The run cannot start"), "; ".join(found), _("Correct it and try again"))

    def problems(self) -> list[str]:
        """Everything wrong with the order, one sentence each; empty when it can run."""
        request = DetectRequest.from_dict({**self.options, "input": CHOSEN_LATER if self.volumeNode else ""})
        found = request.problems()
        if self.volumeNode is not None:
            try:
                check_transforms(self.volumeNode)
            except FAError as error:
                found.append(str(error))
        if self.roi is not None and self.segment is not None:
            found.append(_("give a box or a segment, not both"))
        if self.threshold not in THRESHOLDS:
            try:
                both_tails(self.threshold)
            except FAError as error:
                found.append(str(error))
        if self.signs not in SIGNS:
            found.append(_("signs {signs!r} is none of {known}").format(signs=self.signs, known=", ".join(SIGNS)))
        return found


class DetectionRun:
    """A run in progress; made by :meth:`.logic.Detections.start`.

    Attributes
    ----------
    progress
        Emits ``(fraction, stage, eta_seconds)``: 0 to 1, a few words, and ``None`` where no time can be told.
    finished
        Emits this object, exactly once.
    state
        ``preparing``, ``running``, ``importing``, then ``done``, ``failed`` or ``cancelled``.
    result
        :class:`~.results.ResultNodes` when done.
    regions
        What lies beyond the threshold, strongest first, when done.
    provenance
        The engine's ``result.json`` when done: versions, device, every parameter, seconds by stage.
    warnings
        Remarks for the user.
    error
        :class:`~FAAnomalyLib.errors.FAError` when failed or cancelled.
    request
        What the engine was asked for; empty before.
    """

    def __init__(self, order: RunOptions, connection: Connection) -> None:
        self.progress, self.finished = Signal(), Signal()
        self.state = PREPARING
        self.result: ResultNodes | None = None
        self.regions: list = []
        self.provenance: dict = {}
        self.warnings: list[str] = []
        self.error: FAError | None = None
        self.request: dict = {}
        self._order, self._connection = order, connection
        self._job = None
        self._cancelled = False
        self._had_fa = None
        self._made: list = []
        self._record: InputRecord | None = None
        self._folder: Path | None = None
        self._scene = slicer.mrmlScene

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in (DONE, FAILED, CANCELLED)

    def cancel(self) -> None:
        """Stop; nothing is left in the scene. ``finished`` comes when the engine has let go.

        Without effect once the results are in the scene.
        """
        if not self.over and not self._cancelled and self.result is None:
            self._cancelled = True
            if self._job is not None:
                self._job.cancel()

    def begin(self) -> None:
        """For the logic: start. Raises ``FAError`` when that is impossible; ``finished`` is not emitted then."""
        order = self._order
        order.check()
        self._folder = self._connection.workspace.new_folder()
        self._connection.client.start()  # it loads while the volume is made ready
        if is_tensor_volume(order.volumeNode):
            self._had_fa = order.volumeNode.GetNodeReference(FA_OF_TENSORS)
            run_in_steps(fa_steps(order.volumeNode), self._connection.timer, self._on_fa, self._ended_early)
        else:
            try:
                self._write(order.volumeNode)
            except Exception:
                self._connection.workspace.remove(self._folder)
                raise

    def _on_fa(self, node, error: Exception | None) -> None:
        if error is not None:
            self._fail(error)
            return
        if node is not self._had_fa:
            self._made.append(node)
        try:
            self._write(node)
        except Exception as failure:
            self._fail(failure)

    def _write(self, volumeNode) -> None:
        self._region = self._write_region(self._order, volumeNode)
        self._record = self._connection.inputs.write(volumeNode, self._on_written)
        self.progress.emit(0.0, WRITING, None)

    def _write_region(self, order: RunOptions, volumeNode) -> dict:
        with self._connection.workspace.writing():
            if order.roi is not None:
                write_roi(order.roi, volumeNode, self._folder / "roi.mrk.json")
                return {"roi": str(self._folder / "roi.mrk.json")}
            if order.segment is not None:
                node, segment = order.segment
                known = node.GetSegmentation()
                segment_id = segment if known.GetSegment(segment) else known.GetSegmentIdBySegmentName(segment)
                write_segment(node, segment_id, volumeNode, self._folder / "region.nrrd")
                return {"region": str(self._folder / "region.nrrd")}
        return {}

    def _on_written(self, path: Path | None, error: Exception | None) -> None:
        if error is not None:
            self._fail(error)
        elif self._cancelled:
            self._end(CANCELLED)
        else:
            self.request = {
                **self._order.options,
                **self._region,
                "input": str(path),
                "output": str(self._folder / "result"),
            }
            self._submit()

    def _submit(self, *_) -> None:
        client = self._connection.client
        if self._cancelled:
            self._end(CANCELLED)
        elif client.job is not None:
            # A fill of the lens, which has been cancelled.
            client.job.finished.connect(self._submit)
        else:
            try:
                self._job = client.submit("inpaint" if self._region else "detect", self.request)
            except FAError as refused:
                self._fail(refused)
                return
            self.state = RUNNING
            self._job.progress.connect(self.progress.emit)
            self._job.finished.connect(self._on_answer)

    def _on_answer(self, job) -> None:
        if self._cancelled or job.state == "cancelled":
            self._end(CANCELLED)
        elif job.error is not None:
            self._fail(job.error)
        else:
            self.state = IMPORTING
            self.progress.emit(1.0, READING, None)
            files, record, order = job.result["files"], self._record, self._order
            in_background(
                lambda: _read(files, record, order.threshold, order.signs),
                self._connection.timer,
                lambda value, error: self._on_read(job.result, value, error),
            )

    def _on_read(
        self, answer: dict, value: tuple[ResultArrays, Selection, str] | None, error: Exception | None
    ) -> None:
        if error is not None:
            self._fail(error)
            return
        arrays, selection, report = value
        # The nodes are not held during the run: the user may have removed them.
        volume = self._scene.GetNodeByID(self._record.node_id)
        self.warnings = [*answer.get("warnings", []), *filter(None, [changed(self._record, self._scene)])]
        self.provenance, self.regions = arrays.provenance, selection.found.regions
        steps = import_steps(
            arrays,
            {**answer, "name": self._record.name},
            volume,
            self._order.previous,
            selection=selection,
            report=report,
        )
        run_in_steps(steps, self._connection.timer, self._on_imported, self._ended_early)

    def _ended_early(self) -> bool:
        if self._cancelled:
            self._end(CANCELLED)
        return self._cancelled

    def _on_imported(self, nodes: ResultNodes | None, error: Exception | None) -> None:
        if error is not None:
            self._fail(error)
            return
        self.result = nodes
        # In a turn of its own: the import was one, and each has to be short.
        self._connection.timer.after(0, self._finish)

    def _finish(self) -> None:
        if self.result.zMap.GetScene() is not None:
            self._end(DONE)
        else:  # the scene was closed since
            self.result = None
            self._end(CANCELLED)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, FAError):
            self.error = error
        else:
            self.error = FAError(
                "bug",
                _("The run failed"),
                f"{type(error).__name__}: {error}",
                _("Please report it with the text of 'Copy diagnostics'"),
            )
        self._end(FAILED)

    def _end(self, state: str) -> None:
        self.state = state
        if state == CANCELLED:
            self.error = cancelled()
        for node in self._made if state != DONE else ():
            if node.GetScene() is not None:
                node.GetScene().RemoveNode(node)
        self._remove_folder()
        self.finished.emit(self)

    def _remove_folder(self) -> None:
        workspace, folder = self._connection.workspace, self._folder
        if workspace.root is not None:
            in_background(lambda: workspace.remove(folder), self._connection.timer, lambda done, error: None)


def _read(files: dict[str, str], record: InputRecord, threshold, signs: str) -> tuple[ResultArrays, Selection, str]:
    arrays = read_result(files, record)
    return arrays, select(arrays, threshold, signs), Path(files["report"]).read_text(encoding="utf-8")
