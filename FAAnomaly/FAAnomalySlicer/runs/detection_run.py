"""One run, from a volume node in the scene to result nodes in the scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.request import SIGNS, THRESHOLDS, DetectRequest

from ..events.scheduling import Steps, Stopped, in_background, next_emission, run_in_steps
from ..events.signal import Signal
from ..scene.geometry import InputRecord, check_transforms, describe_change, record_input, write_roi, write_segment
from ..scene.node_attributes import result_problem
from ..scene.result_list import ResultNodes
from ..scene.result_nodes import ResultArrays, import_steps, read_result
from ..scene.scope import scope_of_region
from ..scene.tensor_fa import ROLE as FA_OF_TENSORS
from ..scene.tensor_fa import fa_steps, is_tensor_volume
from ..scene.threshold import Selection, both_tails, select
from ..worker_client.job import Job, cancelled
from .connection import EngineConnection

PREPARING, RUNNING, IMPORTING = "preparing", "running", "importing"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"
WRITING, READING = "writing the volume", "reading the results"
"""Stages before and after those of the engine."""
INPUT_PLACEHOLDER = "(volume of the scene)"
"""Stands for the input's path while the request is checked: the volume is written only afterwards."""


@dataclass
class RunOptions:
    """The choices for one run.

    Attributes
    ----------
    volumeNode
        The FA map, a ``vtkMRMLScalarVolumeNode``, or a ``vtkMRMLDiffusionTensorVolumeNode``.
    roi
        A ``vtkMRMLMarkupsROINode``: only its inside is analysed, inpainted as one mask.
    segment
        ``(vtkMRMLSegmentationNode, segment ID or name)``, used like *roi*.
    threshold
        ``auto``, ``sensitive``, a positive z, or one for each tail ``(increased, decreased)``.
    signs
        ``both``, ``increased`` or ``decreased``: which tail becomes segments and table. For a single tail the
        sensitive threshold is lower, see :class:`FAAnomalyLib.anomaly.calibration.Calibration`.
    previous
        Result nodes of an earlier run that are to be used again; by default those of the same scope: the whole brain,
        the same box, or the same segment.
    options
        Further fields of :class:`~FAAnomalyLib.request.DetectRequest`.
    """

    volumeNode: Any
    roi: Any = None
    segment: tuple | None = None
    threshold: str | float | tuple[float, float] = "auto"
    signs: str = "both"
    previous: ResultNodes | None = None
    options: dict = field(default_factory=dict)

    def check(self) -> None:
        """Raise ``FAError('bad-request')`` naming every problem."""
        problems = self.problems()
        if problems:
            raise FAError("bad-request", _("The run cannot start"), "; ".join(problems), _("Correct it and try again"))

    def problems(self) -> list[str]:
        """Everything that keeps the run from starting, one sentence each."""
        request = DetectRequest.from_dict({**self.options, "input": INPUT_PLACEHOLDER if self.volumeNode else ""})
        problems = request.problems()
        if self.volumeNode is not None:
            problems += filter(None, [result_problem(self.volumeNode)])
            try:
                check_transforms(self.volumeNode)
            except FAError as error:
                problems.append(str(error))
        if self.roi is not None and self.segment is not None:
            problems.append(_("give a box or a segment, not both"))
        if self.threshold not in THRESHOLDS:
            try:
                both_tails(self.threshold)
            except FAError as error:
                problems.append(str(error))
        if self.signs not in SIGNS:
            problems.append(_("signs {signs!r} is none of {known}").format(signs=self.signs, known=", ".join(SIGNS)))
        return problems


class DetectionRun:
    """A run in progress; made by :meth:`..logic.RunManager.start`.

    Attributes
    ----------
    progress
        Emits ``(fraction, stage, eta_seconds)``: 0 to 1, a few words, and ``None`` while no estimate is possible.
    finished
        Emits this object, exactly once.
    state
        ``preparing``, ``running``, ``importing``, then ``done``, ``failed`` or ``cancelled``.
    result
        :class:`~..scene.result_list.ResultNodes` when done.
    regions
        The regions beyond the threshold, strongest first, when done.
    provenance
        The engine's ``result.json`` when done: versions, device, every parameter, seconds by stage.
    warnings
        Remarks for the user.
    error
        :class:`~FAAnomalyLib.errors.FAError` when failed or cancelled.
    request
        The request sent to the engine; empty before.
    """

    def __init__(self, options: RunOptions, connection: EngineConnection) -> None:
        self.progress, self.finished = Signal(), Signal()
        self.state = PREPARING
        self.result: ResultNodes | None = None
        self.regions: list = []
        self.provenance: dict = {}
        self.warnings: list[str] = []
        self.error: FAError | None = None
        self.request: dict = {}
        self._options, self._connection = options, connection
        self._job: Job | None = None
        self._cancelled = False
        self._temporary_nodes: list = []
        self._scene = slicer.mrmlScene

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in (DONE, FAILED, CANCELLED)

    def outcome(self) -> ResultNodes:
        """The result nodes. Raises :attr:`error` of a run that failed or was cancelled."""
        if self.result is None:
            raise self.error or RuntimeError("the run has not ended")
        return self.result

    def cancel(self) -> None:
        """Stop; nothing is left in the scene. ``finished`` is emitted once the engine is free again.

        Without effect once the results are in the scene.
        """
        if not self.over and not self._cancelled and self.result is None:
            self._cancelled = True
            if self._job is not None:
                self._job.cancel()

    def begin(self) -> None:
        """For the logic: start. Raises ``FAError`` when that is impossible; ``finished`` is not emitted then."""
        self._options.check()
        connection = self._connection
        folder = connection.workspace.new_folder()
        connection.client.start()  # it loads while the volume is prepared
        try:
            steps = run_in_steps(self._steps(folder), connection.timer, self._is_stopped, at_once=True)
        except Exception:
            connection.workspace.remove(folder)
            raise
        steps.when_done(lambda nodes, error: self._end(folder, nodes, error))

    def _is_stopped(self) -> bool:
        return self._cancelled and self.result is None

    def _steps(self, folder: Path) -> Steps[ResultNodes]:
        """The whole run. Every ``yield`` ends a turn of the event loop, and may be the last one: see :meth:`cancel`."""
        options, connection = self._options, self._connection
        volume = options.volumeNode
        if is_tensor_volume(volume):
            volume = yield from self._compute_fa(volume)

        scope = scope_of_region(options.roi, options.segment)
        region = self._write_region(volume, folder)
        record = record_input(volume)
        writing = connection.inputs.write(volume, record)
        self.progress.emit(0.0, WRITING, None)
        path = yield writing

        self.request = {**options.options, **region, "input": str(path), "output": str(folder / "result")}
        answer = yield from self._ask_engine("inpaint" if region else "detect")

        self.state = IMPORTING
        self.progress.emit(1.0, READING, None)
        arrays, selection, report = yield in_background(
            lambda: _read(answer["files"], record, options.threshold, options.signs), connection.timer
        )

        # The node is not held during the run: the user may have removed it.
        volume = self._scene.GetNodeByID(record.node_id)
        self.warnings = [*answer.get("warnings", []), *filter(None, [describe_change(record, self._scene)])]
        self.provenance, self.regions = arrays.provenance, selection.found.regions
        yield
        named = {**answer, "name": record.name}
        self.result = yield from import_steps(
            arrays, named, volume, options.previous, scope=scope, selection=selection, report=report
        )
        yield  # the import was a turn, and each has to be short
        return self.result

    def _compute_fa(self, tensors) -> Steps[Any]:
        """The FA volume node of a tensor volume; a new one is removed when the run fails."""
        earlier = tensors.GetNodeReference(FA_OF_TENSORS)
        yield
        node = yield from fa_steps(tensors)
        if node is not earlier:
            self._temporary_nodes.append(node)
        return node

    def _write_region(self, volumeNode, folder: Path) -> dict[str, str]:
        """Write the box or the segment; the field of the request that names its file."""
        options = self._options
        with self._connection.workspace.writing():
            if options.roi is not None:
                write_roi(options.roi, volumeNode, folder / "roi.mrk.json")
                return {"roi": str(folder / "roi.mrk.json")}
            if options.segment is not None:
                segment_id = scope_of_region(segment=options.segment).segment_id
                write_segment(options.segment[0], segment_id, volumeNode, folder / "region.nrrd")
                return {"region": str(folder / "region.nrrd")}
        return {}

    def _ask_engine(self, method: str) -> Steps[dict]:
        """The engine's answer to :attr:`request`."""
        client = self._connection.client
        while client.job is not None:  # of the live preview, and cancelled
            yield next_emission(client.job.finished)
        job = self._job = client.submit(method, self.request)
        self.state = RUNNING
        job.progress.connect(self.progress.emit)
        yield next_emission(job.finished)
        return job.answer()

    def _end(self, folder: Path, nodes: ResultNodes | None, error: Exception | None) -> None:
        if nodes is not None and nodes.zMap.GetScene() is not None:
            self.state = DONE
        elif nodes is not None or _is_cancellation(error):
            # A result without a scene: the scene was closed in the last turn.
            self.state, self.error, self.result = CANCELLED, cancelled(), None
        else:
            self.state, self.error = FAILED, error if isinstance(error, FAError) else _unexpected(error)
        for node in self._temporary_nodes if self.state != DONE else ():
            if node.GetScene() is not None:
                node.GetScene().RemoveNode(node)
        workspace = self._connection.workspace
        if workspace.root is not None:
            in_background(lambda: workspace.remove(folder), self._connection.timer)
        self.finished.emit(self)


def _read(files: dict[str, str], record: InputRecord, threshold, signs: str) -> tuple[ResultArrays, Selection, str]:
    arrays = read_result(files, record)
    return arrays, select(arrays, threshold, signs), Path(files["report"]).read_text(encoding="utf-8")


def _is_cancellation(error: Exception | None) -> bool:
    return isinstance(error, Stopped) or (isinstance(error, FAError) and error.code == "cancelled")


def _unexpected(error: Exception | None) -> FAError:
    return FAError(
        "bug",
        _("The run failed"),
        f"{type(error).__name__}: {error}",
        _("Please report it with the text of 'Copy diagnostics'"),
    )
