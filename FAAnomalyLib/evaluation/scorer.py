"""Scoring of untouched and planted brains by one method, each volume once: what has a record is not scored again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..anomaly.regions import find_regions
from ..datasets.cohort import naming
from ..result import Result
from ..runtime.progress import CancelToken, Progress, ProgressCallback
from ..volume import Volume
from .cases import LESION, Case
from .methods.method import Method
from .methods.registry import MethodChoice, MethodContext, RegisteredMethod
from .methods.thresholds import Thresholds
from .planting.lesion_simulator import LesionSimulator
from .planting.truth import MIN_TRUTH_ML
from .records import RecordStore, record_identity
from .rows import FAANOMALY, by_paper_rule, detector_rows, healthy_rows, planted_row, rule_row, untouched_arrays

UNTOUCHED, PLANTED = "untouched brains", "planted anomalies"


@dataclass(frozen=True)
class MethodRun:
    """One method on one subject.

    Attributes
    ----------
    entry
        Name and needs of the method.
    simulator
        The subject.
    context
        What the method was made with.
    method
        The method itself.
    untouched_record
        Identity of the untouched brain's record.
    """

    entry: RegisteredMethod
    simulator: LesionSimulator
    context: MethodContext
    method: Method
    untouched_record: str

    @classmethod
    def start(cls, choice: MethodChoice, simulator: LesionSimulator, seed: int, device: str) -> MethodRun:
        """The method as it scores the untouched brain; its networks run on *device*."""
        entry, subject = choice.entry, simulator.subject
        context = MethodContext(
            subject,
            simulator.prepare,
            seed=seed if entry.is_stochastic else None,
            model=choice.model_of(subject.person),
            device=device,
        )
        method = entry.create(context)
        identity = record_identity(entry.name, method.identity, simulator.fingerprint)
        return cls(entry, simulator, context, method, identity)

    def calibrated(self, thresholds: Thresholds) -> MethodRun:
        """The same method with thresholds from healthy brains."""
        context = replace(self.context, thresholds=thresholds)
        return replace(self, context=context, method=self.entry.create(context))

    def record(self, case: Case) -> str:
        """Identity of a planted case's record."""
        return record_identity(self.entry.name, self.method.identity, self.simulator.fingerprint, case)

    def score(self, volume: Volume) -> tuple[Result, float | None]:
        """The result and its seconds, None where the registration is shared with other methods."""
        begin = time.perf_counter()
        with naming(self.simulator.subject.path):
            result = self.method.score(volume)
        return result, None if self.entry.needs_template else time.perf_counter() - begin


class Scorer:
    """Scores volumes, keeps a record of each, and reports progress.

    Parameters
    ----------
    store
        The records.
    runs
        All methods on all subjects, before calibration.
    cases
        The anomalies that will be planted.
    progress, cancel
        As in :class:`~FAAnomalyLib.runtime.progress.Progress`.
    """

    def __init__(
        self,
        store: RecordStore,
        runs: Sequence[MethodRun],
        cases: Sequence[Case],
        progress: ProgressCallback | None,
        cancel: CancelToken | None,
    ) -> None:
        self._store = store
        # The other methods follow those with a network closely enough for a time left.
        costly = [run for run in runs if run.entry.needs_network]
        self._missing = {
            UNTOUCHED: sum(store.read(run.untouched_record) is None for run in costly),
            PLANTED: sum(store.read(run.record(case)) is None for run in costly for case in cases),
        }
        self._done = {UNTOUCHED: 0, PLANTED: 0}
        weights = {stage: max(count, 1e-3) for stage, count in self._missing.items()}
        self._progress = Progress(progress, cancel, weights)

    def untouched(self, run: MethodRun) -> list[dict]:
        """Rows of the untouched brain."""
        self._report(UNTOUCHED)
        rows = self._store.read(run.untouched_record)
        if rows is None:
            reference = run.simulator.reference
            result, seconds = run.score(reference.volume)
            rows = healthy_rows(run.entry.name, result, reference, seconds)
            self._store.write(run.untouched_record, rows, untouched_arrays(result))
            self._done[UNTOUCHED] += run.entry.needs_network
        subject = run.simulator.subject
        return [{"subject": subject.name, "person": subject.person, **row} for row in rows]

    def count_regions(self, run: MethodRun, row: dict) -> None:
        """Enter into a calibrated method's *row* the regions that the untouched brain has at its thresholds."""
        arrays, thresholds = self._store.arrays(run.untouched_record), run.context.thresholds
        z = Volume(arrays["z"], arrays["affine"])
        count = len(find_regions(z, z, thresholds)[1])
        row.update(regions=count, any_region=float(count > 0), threshold_z=list(thresholds))

    def planted(self, run: MethodRun, case: Case) -> list[dict]:
        """Rows of the brain with an anomaly."""
        self._report(PLANTED)
        identity = run.record(case)
        rows = self._store.read(identity)
        if rows is None:
            rows = self._score_planted(run, case)
            self._store.write(identity, rows)
            self._done[PLANTED] += run.entry.needs_network
        return rows

    def finish(self) -> None:
        """Report completion."""
        self._progress.finish()

    def _score_planted(self, run: MethodRun, case: Case) -> list[dict]:
        planted = run.simulator.plant(case)
        truth_ml = run.simulator.reference.millilitres(planted.truth)
        if case.kind == LESION and truth_ml < MIN_TRUTH_ML:
            return [{"method": run.entry.name, "left_out": True, "truth_ml": truth_ml}]
        truth = run.simulator.ground_truth(case)
        untouched = self._store.arrays(run.untouched_record)
        result, seconds = run.score(planted.volume)
        if run.entry.name == FAANOMALY:
            return detector_rows(result, truth, untouched, seconds)
        rows = [{"method": run.entry.name, **planted_row(result, truth, untouched["pseudo_healthy"], seconds)}]
        if run.entry.paper_rule is not None:
            found = run.entry.paper_rule(result, run.context.model)
            rows.append({"method": by_paper_rule(run.entry.name), **rule_row(found, result.z_map.data, truth)})
        return rows

    def _report(self, stage: str) -> None:
        self._progress.step(stage, self._done[stage] / max(self._missing[stage], 1))
