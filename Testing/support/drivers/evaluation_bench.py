"""Healthy synthetic brains and a method that knows them, for tests of the evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.datasets.cohort import CohortSubject, load_subject
from FAAnomalyLib.evaluation.cases import EvaluationDesign, EvaluationProtocol
from FAAnomalyLib.evaluation.experiment import Rows, evaluate
from FAAnomalyLib.evaluation.records import RecordStore
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.result import Result
from FAAnomalyLib.volume import Volume
from support.phantoms import synthetic_brain as sb

PROTOCOL = EvaluationProtocol(diameters=(16,), changes=(0.2, -0.2), places=1, seed=3)


def save_subjects(folder: Path) -> list[CohortSubject]:
    """Two volumes of person A and one of B."""
    subjects = []
    shape, affine = sb.grid((4.5, 4.5, 4.5))
    for seed, (name, person) in enumerate((("a1", "A"), ("a2", "A"), ("b1", "B"))):
        path = folder / f"{name}_FA.nii.gz"
        save_volume(sb.brain(shape, affine, seed=seed), path)
        subjects.append(CohortSubject(name, person, path))
    return subjects


class Knowing:
    """Knows the healthy brain: reports exactly what differs from it."""

    def __init__(self, subject: CohortSubject, calls: list | None = None) -> None:
        self.identity = "knowing"
        self.calls = calls if calls is not None else []
        self.healthy, _ = load_subject(subject)

    def predict(self, volume: Volume) -> np.ndarray:
        return self.healthy.data

    def score(self, volume: Volume) -> Result:
        self.calls.append(volume)
        prediction = volume.with_data(self.predict(volume))
        difference = volume.with_data(volume.data - prediction.data)
        z = volume.with_data(10.0 * np.sign(volume.data - self.healthy.data))
        return Result(
            volume,
            prediction,
            difference,
            z,
            *find_regions(z, difference, 3.0),
            {"threshold_z": 3.0, "network_evaluations": 7},
        )


class Provider:
    """One kind of method and one template for all."""

    def __init__(self, method_for, template) -> None:
        self.method_for, self._template = method_for, template

    def template_for(self, subject):
        return self._template


ALONE: tuple = ()
"""No comparators: they register every planted brain, and take most of an evaluation's time."""


def run(
    folder, subjects, template, method=Knowing, protocol=PROTOCOL, shapes=(), resume=False, methods=None, **more
) -> Rows:
    """An evaluation of *method* in *folder*, beside the comparators *methods* (None: those by default)."""
    design = EvaluationDesign(subjects, protocol, shapes, methods)
    return evaluate(design, Provider(method, template), RecordStore(folder, resume), **more)


def of(rows: list[dict], method: str) -> list[dict]:
    """The rows of one method."""
    return [row for row in rows if row["method"] == method]
