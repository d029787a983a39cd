"""Every subject, untouched and with every anomaly, before every method: rows of scores.

First all untouched brains are judged (their z tells the comparators' thresholds, their prediction is what
leakage is measured against), then the planted ones, subject by subject.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np

from .._version import __version__
from ..anomaly.regions import find_regions
from ..datasets.cohort import naming
from ..errors import FAError
from ..preprocessing.template import Template
from ..result import Result
from ..runtime.progress import CancelToken, Progress, ProgressCallback
from ..volume import Volume
from .cases import LESION, Case, EvaluationProtocol, EvaluationSubject, Judge, JudgeFor
from .methods.comparators import COMPARATORS, NOBODY, Comparator, limits_for
from .metrics.froc import free_response
from .planting.shapes import Shape
from .planting.truth import MIN_TRUTH_ML
from .records import RecordStore
from .rows import (
    ALL_POSITIVE,
    FAANOMALY,
    ONE_SIDED,
    THESIS_RULE,
    all_positive_row,
    at_lower_thresholds,
    found_by_chance,
    healthy_row,
    planted_row,
    thesis_row,
)
from .subject_study import Study

UNTOUCHED, PLANTED = "untouched brains", "planted anomalies"
RECORD = 5
"""Raised whenever rows change their meaning, so that old records are not resumed from."""


@dataclass
class Rows:
    """What an evaluation found, before anything is averaged; flat dicts fit for JSON.

    Attributes
    ----------
    healthy
        One for each subject and method: ``subject``, ``person``, ``method``, and :func:`.scores.healthy_row`.
    planted
        One for each subject, anomaly and method: the same names, the fields of
        :class:`~.protocol.Case`, and :func:`.scores.planted_row`.
    left_out
        Lesion shapes with too little white matter in a subject: ``subject``, ``lesion``, ``truth_ml``.
    """

    healthy: list[dict] = field(default_factory=list)
    planted: list[dict] = field(default_factory=list)
    left_out: list[dict] = field(default_factory=list)


def evaluate(
    subjects: list[EvaluationSubject],
    judge_for: JudgeFor,
    template_for: Callable[[EvaluationSubject], Template],
    protocol: EvaluationProtocol,
    shapes: list[Shape],
    store: RecordStore,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Rows:
    """Judge everything that is not in *store* yet and give back all rows.

    Parameters
    ----------
    subjects
        At least one.
    judge_for
        The method under evaluation.
    template_for
        What a subject's untouched map is registered to for its truth, and the comparators': the template of
        the model that judges them, so that neither has seen more than the other.
    shapes
        Lesion shapes; may be empty.
    store
        What it has of the same subjects and methods is told as well, whether this run asks for it or not.

    Raises
    ------
    FAError
        ``cancelled`` (what is done is in the store), or whatever a method raises, with the subject's file name.
    """
    try:
        return _Run(subjects, judge_for, template_for, protocol, shapes, store, progress, cancel).rows()
    except FAError as error:
        if error.code != "cancelled":
            raise
        raise FAError(
            "cancelled",
            "Cancelled",
            f"{store.written} judgements of this run are kept in {store.folder}",
            "Run again with --resume to go on",
        ) from error


class _Run:
    def __init__(self, subjects, judge_for, template_for, protocol, shapes, store, progress, cancel) -> None:
        self._studies = [Study(subject, template_for(subject), protocol.seed, shapes) for subject in subjects]
        self._judges: list[Judge] = [judge_for(subject) for subject in subjects]
        self._cases: list[Case] = protocol.cases(shapes)
        self._store: RecordStore = store
        # The comparators follow the method under evaluation closely enough for a time left.
        missing = {UNTOUCHED: 0, PLANTED: 0}
        for study, judge in zip(self._studies, self._judges, strict=True):
            missing[UNTOUCHED] += store.read(_key(study, FAANOMALY, judge)) is None
            missing[PLANTED] += sum(store.read(_key(study, FAANOMALY, judge, case)) is None for case in self._cases)
        self._missing, self._done = missing, dict.fromkeys(missing, 0)
        self._progress = Progress(progress, cancel, {stage: max(count, 1e-3) for stage, count in missing.items()})

    def rows(self) -> Rows:
        found = Rows()
        for study, judge in zip(self._studies, self._judges, strict=True):
            for method, one in self._methods(study, judge, dict.fromkeys(COMPARATORS, NOBODY)):
                found.healthy += self._untouched(study, method, one)
            study.close()
        earlier = self._earlier()
        limits = {s.subject.person: _limits(s.subject.person, found.healthy) for s in self._studies}
        for row in found.healthy:
            kept = row.pop("key")
            if row["method"] in COMPARATORS:
                self._apply(limits[row["person"]][row["method"]], kept, row)
        for study, judge in zip(self._studies, self._judges, strict=True):
            methods = list(self._methods(study, judge, limits[study.subject.person]))
            for case in self._cases:
                for method, one in methods:
                    self._sort(study, case, self._planted(study, method, one, case), found)
            for case in (Case(**told) for told in earlier.get(_key(study, FAANOMALY, judge), ())):
                kept = [self._store.read(_key(study, method, one, case)) for method, one in methods]
                if case not in self._cases and None not in kept:
                    for rows in kept:
                        self._sort(study, case, rows, found)
            study.close()
        self._progress.finish()
        return found

    def _earlier(self) -> dict[str, list[dict]]:
        """Fields of the anomalies that runs in this folder have planted, by the untouched brain's key."""
        found: dict[str, list[dict]] = {}
        for told in map(json.loads, self._store.identities()):
            if told["case"] is not None:
                found.setdefault(_as_key({**told, "case": None}), []).append(told["case"])
        return found

    @staticmethod
    def _methods(study: Study, judge: Judge, limits: dict) -> Iterator[tuple[str, Judge]]:
        yield FAANOMALY, judge
        for name in COMPARATORS:
            yield name, Comparator(name, study.prepare, limits[name])

    def _untouched(self, study: Study, method: str, judge: Judge) -> list[dict]:
        self._step(UNTOUCHED)
        key = _key(study, method, judge)
        kept = self._store.read(key)
        if kept is None:
            result, seconds = _judged(study, judge, study.known.volume)
            kept = [{"method": method, **healthy_row(result, study.known, seconds)}]
            arrays = {
                "pseudo_healthy": result.pseudo_healthy.data,
                "z": result.z_map.data,
                "affine": result.z_map.affine,
                "segmentation": result.segmentation.data,
            }
            for lower_method, lower in at_lower_thresholds(result).items():
                kept.append({"method": lower_method, **healthy_row(lower, study.known, seconds)})
                arrays[lower_method] = lower.segmentation.data
            self._store.write(key, kept, arrays)
            self._count(UNTOUCHED, method)
        return [{"subject": study.subject.name, "person": study.subject.person, "key": key, **row} for row in kept]

    def _apply(self, limits: tuple[float, float], key: str, row: dict) -> None:
        """Count the regions that a comparator reports in an untouched brain, now that its thresholds are known."""
        kept = self._arrays(key)
        z = Volume(kept["z"], kept["affine"])
        count = len(find_regions(z, z, limits)[1])
        row.update(regions=count, any_region=float(count > 0), threshold_z=list(limits))

    def _planted(self, study: Study, method: str, judge: Judge, case: Case) -> list[dict]:
        self._step(PLANTED)
        key = _key(study, method, judge, case)
        kept = self._store.read(key)
        if kept is None:
            kept = self._plant_and_judge(study, method, judge, case)
            self._store.write(key, kept)
            self._count(PLANTED, method)
        return kept

    def _plant_and_judge(self, study: Study, method: str, judge: Judge, case: Case) -> list[dict]:
        anomaly, known = study.anomaly(case), study.known
        truth = anomaly.truth
        if case.kind == LESION and known.millilitres(truth) < MIN_TRUTH_ML:
            return [{"method": method, "left_out": True, "truth_ml": known.millilitres(truth)}]
        change = study.change(case)
        blind = judge if method == FAANOMALY else Comparator(method, study.prepare)
        before = self._arrays(_key(study, method, blind))
        result, seconds = _judged(study, judge, anomaly.volume)
        rows = [
            {"method": method, **planted_row(result, known, truth, case, change, before["pseudo_healthy"], seconds)}
        ]
        if method == FAANOMALY:
            rows[0]["found_untouched"] = found_by_chance(before["segmentation"], truth, case)
            rows[0]["free_response"] = free_response(result, truth, case.sign)
            for lower_method, lower in at_lower_thresholds(result, (case.sign,)).items():
                rows.append(
                    {
                        "method": lower_method,
                        "found_untouched": found_by_chance(before[lower_method], truth, case),
                        **planted_row(lower, known, truth, case, change, before["pseudo_healthy"], seconds),
                    }
                )
                if lower_method == ONE_SIDED[case.sign]:
                    rows[-1]["free_response"] = free_response(result, truth, case.sign, case.sign)
            rows.append({"method": THESIS_RULE, **thesis_row(result, known, truth, case, change)})
            rows.append({"method": ALL_POSITIVE, **all_positive_row(known, truth, change)})
        return rows

    @staticmethod
    def _sort(study: Study, case: Case, rows: list[dict], found: Rows) -> None:
        for row in rows:
            if "left_out" not in row:
                found.planted.append(
                    {"subject": study.subject.name, "person": study.subject.person, **asdict(case), **row}
                )
            elif row["method"] == FAANOMALY:
                found.left_out.append(
                    {"subject": study.subject.name, "lesion": case.lesion, "truth_ml": row["truth_ml"]}
                )

    def _arrays(self, key: str) -> dict[str, np.ndarray]:
        kept = self._store.arrays(key)
        if kept is None:
            raise FAError("bad-input", f"A record in {self._store.folder} is damaged", "", "Run again without --resume")
        return kept

    def _step(self, stage: str) -> None:
        self._progress.step(stage, self._done[stage] / max(self._missing[stage], 1))

    def _count(self, stage: str, method: str) -> None:
        self._done[stage] += method == FAANOMALY


def _key(study: Study, method: str, judge: Judge, case: Case | None = None) -> str:
    """Everything that decides a judgement's rows."""
    return _as_key(
        {
            "faanomaly": __version__,
            "record": RECORD,
            "method": method,
            "judge": judge.identity,
            "study": study.fingerprint,
            "case": None if case is None else asdict(case),
        }
    )


def _as_key(what: dict) -> str:
    return json.dumps(what, sort_keys=True)


def _judged(study: Study, judge: Judge, volume: Volume) -> tuple[Result, float | None]:
    """A result and its seconds; the comparators share a registration, so that theirs would mean nothing."""
    begin = time.perf_counter()
    with naming(study.subject.path):
        result = judge.judge(volume)
    return result, None if isinstance(judge, Comparator) else time.perf_counter() - begin


def _limits(person: str, healthy: list[dict]) -> dict[str, tuple[float, float]]:
    """Each comparator's thresholds for one person."""
    return {
        name: limits_for(
            person,
            [
                (row["person"], row["z_highest"] or 0.0, row["z_lowest"] or 0.0)
                for row in healthy
                if row["method"] == name
            ],
        )
        for name in COMPARATORS
    }
