"""The experiment ``tracts``: names of spheres, tracts of untouched brains, changes of tracts; in units that survive.

Everybody's tracts are compared with norms that know nothing of them. Regions come from the model's own calibration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ...anatomy.tract_norms import TractNorms
from ...anomaly.calibration import Calibration
from ...datasets.cohort import CohortSubject
from ...errors import FAError
from ...models.manifest import sha256_of
from ...pipeline.anatomy import atlas_folder, mapping_of, open_atlas
from ...preprocessing.model_grid import PreparedSubject, with_other_fa
from ...preprocessing.template import Template
from ...runtime.progress import CancelToken, Progress, ProgressCallback
from ...training.tract_norms_fit import PersonTracts, fit_norms, mean_of_each_person, measure_map, prepared_map
from ..experiments.units import Finished, Unit, UnitStore, finish_units
from ..planting.lesions import plant
from .changes import TractChange, changed_voxels, outcome, planned_changes
from .judgement import Judgement, judge
from .naming import name_spheres

MEASURES, NAMES, UNTOUCHED, CHANGE = "tract-measures", "tract-names", "tract-untouched", "tract-change"
STAGES = {"measuring tracts": 2.0, "naming spheres": 2.0, "changed tracts": 20.0}


@dataclass(frozen=True)
class TractDesign:
    """Who is measured, and who is changed.

    Attributes
    ----------
    cohort
        All maps; those of everybody else are a person's norms.
    subjects
        One map of each person in whom spheres are named and tracts changed.
    changed
        Those of them whose tracts are changed.
    quick
        Fewer changes.
    seed
        Of places.
    """

    cohort: Sequence[CohortSubject]
    subjects: Sequence[CohortSubject]
    changed: Sequence[CohortSubject]
    quick: bool = False
    seed: int = 0


@dataclass(frozen=True)
class TractResults:
    """Rows of all units.

    Attributes
    ----------
    names, untouched, changes
        Plain rows with the subject's name and person.
    z
        Of each person's tracts against the others, (people, T).
    people
        Who, in the rows of ``z``.
    tracts
        Names, in the columns of ``z``.
    """

    names: list[dict]
    untouched: list[dict]
    changes: list[dict]
    z: np.ndarray
    people: list[str]
    tracts: list[str]


class TractExperiment:
    """One run of the experiment in a folder that other processes may share.

    Parameters
    ----------
    design
        Who, and what.
    output
        Folder of the units.
    template, calibration
        Of the model.
    calibration_sha256
        Of the file that the calibration was read from.
    progress, cancel
        As in :class:`~FAAnomalyLib.runtime.progress.Progress`.

    Raises
    ------
    FAError
        ``missing`` where no tract atlas is installed.
    """

    def __init__(
        self,
        design: TractDesign,
        output: Path,
        template: Template,
        calibration: Calibration,
        calibration_sha256: str,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        loaded = open_atlas("default", template.sha256)
        if loaded is None:
            raise FAError(
                "missing",
                "The tract atlas is not installed",
                f"{atlas_folder('default')} is absent",
                "Install FAAnomaly again: the experiment changes the tracts of its atlas",
            )
        self._design, self._template, self._calibration, self._loaded = design, template, calibration, loaded
        self._calibration_sha256 = calibration_sha256
        self._store = UnitStore(output)
        self._progress = Progress(progress, cancel, STAGES)
        self._by_name = {subject.name: subject for subject in (*design.cohort, *design.subjects)}
        self._people: list[PersonTracts] = []
        self._prepared: tuple[str, PreparedSubject] | None = None
        self._hashed: dict[str, tuple[str, ...]] = {}
        self._fitted: dict[str, TractNorms] = {}

    def run(self) -> TractResults:
        """Finish all units and return their rows.

        Raises
        ------
        FAError
            ``cancelled``: what is finished stays. Others as what runs raises.
        """
        with self._store.told_what_is_kept():
            return self._run()

    def _run(self) -> TractResults:
        stages = list(STAGES)
        measures = [self._unit(MEASURES, subject) for subject in self._design.cohort]
        self._finish(stages[0], measures)
        people = mean_of_each_person([self._measured(unit) for unit in measures if _usable(self._read(unit))])
        names = [self._unit(NAMES, subject) for subject in self._design.subjects]
        self._finish(stages[1], names)
        cases = [unit for subject in self._design.changed for unit in self._change_units(subject)]
        self._people = people
        self._fitted = {}
        self._finish(stages[2], cases)
        self._progress.finish()
        z = np.stack([self._without(one.person).mean.z(one.deviation) for one in people])
        rows = self._rows(cases)
        return TractResults(
            [row | self._who(unit) for unit in names for row in self._read(unit).row.get("namings", [])],
            [row for row in rows if "change" not in row],
            [row for row in rows if "change" in row],
            z,
            [one.person for one in people],
            [tract.name for tract in self._loaded.atlas.tracts],
        )

    def _unit(self, kind: str, subject: CohortSubject, setting: dict | None = None, norms: str = "") -> Unit:
        design = self._design
        identity = (*self._hashes(subject), self._loaded.sha256, self._template.sha256, design.seed)
        judged = (norms, self._calibration_sha256) if norms else ()
        return Unit(kind, subject.name, "tracts", setting or {}, (*identity, *judged))

    def _hashes(self, subject: CohortSubject) -> tuple[str, ...]:
        """SHA-256 of a subject's map and mask, each read once."""
        if subject.name not in self._hashed:
            files = [path for path in (subject.path, subject.mask) if path is not None]
            self._hashed[subject.name] = tuple(sha256_of(path) for path in files)
        return self._hashed[subject.name]

    def _norms_of(self, person: str) -> str:
        """SHA-256 of who stands behind a person's norms, and of their maps."""
        others = [(one.person, *self._hashes(one)) for one in self._design.cohort if one.person != person]
        return hashlib.sha256(repr(sorted(others)).encode()).hexdigest()

    def _change_units(self, subject: CohortSubject) -> list[Unit]:
        rng = np.random.default_rng([self._design.seed, *subject.name.encode()])
        planned = planned_changes(rng)
        if self._design.quick:
            planned = [case for case in planned if abs(case.change) == 0.1]
        norms = self._norms_of(subject.person)
        return [
            self._unit(UNTOUCHED, subject, norms=norms),
            *[self._unit(CHANGE, subject, asdict(case), norms) for case in planned],
        ]

    def _finish(self, stage: str, units: list[Unit]) -> None:
        if units:
            finish_units(units, self._compute, self._store, lambda done: self._progress.step(stage, done / len(units)))

    def _compute(self, unit: Unit) -> Finished:
        self._progress.check()
        subject = self._by_name[unit.subject]
        if unit.kind in (UNTOUCHED, CHANGE):
            return self._detected(unit, subject)
        prepared = prepared_map(subject, self._template)
        if unit.kind == MEASURES:
            one = measure_map(subject.person, prepared, self._loaded.atlas)
            arrays = {"deviation": one.deviation, "asymmetry": one.asymmetry, "profile": one.profile}
            return Finished({}, arrays)
        namings = name_spheres(prepared, self._loaded.atlas, self._design.seed)
        return Finished(
            {
                "namings": [
                    asdict(one) | {"first": one.first, "among_three": one.among_three, "other_side": one.other_side}
                    for one in namings
                ]
            }
        )

    def _detected(self, unit: Unit, subject: CohortSubject) -> Finished:
        """An untouched or a changed map, with norms that do not know the person.

        The affine alignment is that of the untouched map; the template is warped anew to every changed one.
        """
        healthy = self._healthy(subject)
        if unit.kind == UNTOUCHED:
            found = self._judged(healthy, subject.person)
            return Finished({"tracts": [score.tract for score in found.beyond], "regions": found.regions})
        case, volume = TractChange(**unit.setting), healthy.grid.native
        where = changed_voxels(volume, self._loaded.atlas, mapping_of(healthy), case) & healthy.native_brain
        ill = with_other_fa(healthy, plant(volume, where, case.change), warps=True, check=self._progress.check)
        ml = float(where.sum() * volume.voxel_ml)
        told = outcome(self._judged(ill, subject.person), case, where)
        return Finished(asdict(case) | asdict(told) | {"changed_ml": ml})

    def _healthy(self, subject: CohortSubject) -> PreparedSubject:
        """The untouched brain, kept for its changes."""
        if self._prepared is None or self._prepared[0] != subject.name:
            self._prepared = subject.name, prepared_map(subject, self._template)
        return self._prepared[1]

    def _judged(self, prepared: PreparedSubject, person: str) -> Judgement:
        loaded = replace(self._loaded, norms=self._without(person))
        return judge(prepared, self._calibration, loaded, self._progress.check)

    def _without(self, person: str) -> TractNorms:
        """Norms of everybody else."""
        if person not in self._fitted:
            others = [one for one in self._people if one.person != person]
            self._fitted[person] = fit_norms(others, self._template.sha256)
        return self._fitted[person]

    def _read(self, unit: Unit) -> Finished:
        finished = self._store.read(unit)
        assert finished is not None, f"the unit {unit.name} is gone"
        return finished

    def _measured(self, unit: Unit) -> PersonTracts:
        return PersonTracts(self._by_name[unit.subject].person, **self._read(unit).arrays)

    def _who(self, unit: Unit) -> dict[str, str]:
        return {"subject": unit.subject, "person": self._by_name[unit.subject].person}

    def _rows(self, units: list[Unit]) -> list[dict]:
        read = [(unit, self._read(unit)) for unit in units]
        return [finished.row | self._who(unit) for unit, finished in read if _usable(finished)]


def _usable(finished: Finished) -> bool:
    """Whether the unit could be computed."""
    return "left_out" not in finished.row
