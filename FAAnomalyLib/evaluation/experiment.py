"""An evaluation: every subject, untouched and with every planted anomaly, scored by every method.

Untouched brains come first: their z-maps give the comparators' thresholds, and leakage is measured against their
predictions. Planted brains follow, subject by subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from ..datasets.cohort import CohortSubject
from ..errors import FAError
from ..runtime.progress import CancelToken, ProgressCallback
from .cases import Case, EvaluationDesign
from .methods.method import MethodProvider
from .methods.registry import MethodChoice, RegisteredMethod, untrained_choices
from .methods.thresholds import leave_one_person_out
from .planting.lesion_simulator import LesionSimulator
from .records import RecordStore
from .rows import FAANOMALY
from .scorer import MethodRun, Scorer


@dataclass
class Rows:
    """All rows of an evaluation before anything is averaged; flat dicts fit for JSON.

    Attributes
    ----------
    healthy
        One for each subject and method: ``subject``, ``person``, ``method``, and :func:`.rows.healthy_row`.
    planted
        One for each subject, anomaly and method: the same names, the fields of :class:`~.cases.Case`, and
        :func:`.rows.planted_row`.
    left_out
        Lesion shapes with too little white matter in a subject: ``subject``, ``lesion``, ``truth_ml``.
    """

    healthy: list[dict] = field(default_factory=list)
    planted: list[dict] = field(default_factory=list)
    left_out: list[dict] = field(default_factory=list)

    def add_planted(self, subject: CohortSubject, case: Case, rows: Sequence[dict]) -> None:
        """Add the rows of one method on one planted case."""
        for row in rows:
            if "left_out" not in row:
                self.planted.append({"subject": subject.name, "person": subject.person, **asdict(case), **row})
            elif row["method"] == FAANOMALY:
                self.left_out.append({"subject": subject.name, "lesion": case.lesion, "truth_ml": row["truth_ml"]})


def evaluate(
    design: EvaluationDesign,
    provider: MethodProvider,
    store: RecordStore,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Rows:
    """Score everything that has no record yet and return all rows.

    Parameters
    ----------
    design
        Subjects and anomalies.
    provider
        The method under evaluation. The design's comparators run beside it, with the same template.
    store
        Records of earlier runs. Anomalies that those planted in the same subjects, with the same methods, are
        returned as well, whether *design* has them or not.
    progress, cancel
        As in :class:`~FAAnomalyLib.runtime.progress.Progress`.

    Returns
    -------
    Rows
        Of all subjects in their order.

    Raises
    ------
    FAError
        ``cancelled`` (finished scores are in the store), or whatever a method raises, with the subject's file name.
    """
    comparators = untrained_choices() if design.methods is None else design.methods
    choices = (MethodChoice(_method_under_evaluation(provider)), *comparators)
    seed, cases = design.protocol.seed, design.cases()
    simulators = [
        LesionSimulator(subject, provider.template_for(subject), seed, design.shapes, cancel.check if cancel else None)
        for subject in design.subjects
    ]
    device = design.device
    runs = [[MethodRun.start(choice, simulator, seed, device) for choice in choices] for simulator in simulators]
    rows = Rows()
    try:
        scorer = Scorer(store, [run for own in runs for run in own], cases, progress, cancel)
        runs = _score_untouched(runs, scorer, rows)
        earlier = store.planted_cases()
        for own in runs:
            _score_planted(own, cases, scorer, rows)
            _add_earlier(
                own, [case for case in earlier.get(own[0].untouched_record, ()) if case not in cases], store, rows
            )
            own[0].simulator.close()
    except FAError as error:
        if error.code != "cancelled":
            raise
        raise FAError(
            "cancelled",
            "Cancelled",
            f"{store.written} scored volumes of this run are kept in {store.folder}",
            "Run again with --resume to go on",
        ) from error
    scorer.finish()
    return rows


def _method_under_evaluation(provider: MethodProvider) -> RegisteredMethod:
    return RegisteredMethod(FAANOMALY, lambda context: provider.method_for(context.subject), needs_network=True)


def _score_untouched(runs: list[list[MethodRun]], scorer: Scorer, rows: Rows) -> list[list[MethodRun]]:
    """Add the rows of all untouched brains; returns the runs with the thresholds that they give."""
    scored = []
    for own in runs:
        for run in own:
            scored.append((run, scorer.untouched(run)))
        own[0].simulator.close()
    rows.healthy = [row for _, own_rows in scored for row in own_rows]
    calibrated = [[_calibrated(run, rows.healthy) for run in own] for own in runs]
    for run, (_, own_rows) in zip((run for own in calibrated for run in own), scored, strict=True):
        if run.entry.needs_calibration:
            scorer.count_regions(run, own_rows[0])
    return calibrated


def _calibrated(run: MethodRun, healthy: Sequence[dict]) -> MethodRun:
    """The run with thresholds from untouched brains of other people, where its method needs them."""
    if not run.entry.needs_calibration:
        return run
    extremes = [
        (row["person"], row["z_highest"] or 0.0, row["z_lowest"] or 0.0)
        for row in healthy
        if row["method"] == run.entry.name
    ]
    return run.calibrated(leave_one_person_out(run.simulator.subject.person, extremes))


def _score_planted(runs: Sequence[MethodRun], cases: Sequence[Case], scorer: Scorer, rows: Rows) -> None:
    """Add the rows of one subject with every anomaly."""
    for case in cases:
        for run in runs:
            rows.add_planted(run.simulator.subject, case, scorer.planted(run, case))


def _add_earlier(runs: Sequence[MethodRun], cases: Sequence[Case], store: RecordStore, rows: Rows) -> None:
    """Add the rows of *cases* of earlier runs of which every method has a record."""
    for case in cases:
        records = [store.read(run.record(case)) for run in runs]
        if None not in records:
            for record in records:
                rows.add_planted(runs[0].simulator.subject, case, record or ())
