"""The experiment ``tracts``: names of spheres, tracts of untouched brains, changes of tracts; in units that survive.

Everybody's tracts are compared with norms that know nothing of them. Regions come from the model's own calibration.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ...anatomy.tract_atlas import TABLE_FILE, TRACTS_FILE
from ...anatomy.tract_norms import TractNorms, save_norms
from ...datasets.cohort import CohortSubject, load_subject
from ...errors import FAError
from ...geometry.subject_to_atlas import SubjectToAtlas
from ...models.manifest import sha256_of
from ...pipeline.anatomy import atlas_folder, mapping_of, open_atlas
from ...pipeline.detector import Detector
from ...preprocessing.template import Template
from ...request import DetectRequest
from ...result import Result
from ...runtime.progress import CancelToken, Progress, ProgressCallback
from ...training.tract_norms_fit import PersonTracts, fit_norms, mean_of_each_person, measure_map, prepared_map
from ...volume import Volume
from ..experiments.units import Finished, Unit, UnitStore, finish_units
from ..planting.lesions import plant
from .changes import TractChange, changed_voxels, outcome, planned_changes
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
    model, device, seed
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    """

    cohort: Sequence[CohortSubject]
    subjects: Sequence[CohortSubject]
    changed: Sequence[CohortSubject]
    quick: bool = False
    model: str = "default"
    device: str = "auto"
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
    template
        Of the model.
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
        self._design, self._template, self._loaded = design, template, loaded
        self._store = UnitStore(output)
        self._progress, self._cancel = Progress(progress, cancel, STAGES), cancel
        self._detector = Detector()
        self._by_name = {subject.name: subject for subject in (*design.cohort, *design.subjects)}
        self._folders: dict[str, Path] = {}
        self._mappings: dict[str, SubjectToAtlas] = {}
        self._hashed: dict[str, tuple[str, ...]] = {}

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
        with tempfile.TemporaryDirectory(prefix="faanomaly-atlas-") as folder:
            self._folders = self._atlases_without(people, Path(folder))
            self._finish(stages[2], cases)
        self._progress.finish()
        z = np.stack([self._without(people, one.person).mean.z(one.deviation) for one in people])
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
        identity = (*self._hashes(subject), self._loaded.sha256, self._template.sha256, design.seed, design.model)
        return Unit(kind, subject.name, "tracts", setting or {}, (*identity, norms) if norms else identity)

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
        """An untouched or a changed map through the whole detector, with norms that do not know the person."""
        volume, brain = load_subject(subject)
        volume = volume if brain is None else volume.with_data(np.where(brain, volume.data, 0.0).astype(np.float32))
        if unit.kind == UNTOUCHED:
            result = self._detect(volume, subject.person)
            beyond = [score.tract for score in result.tracts if score.verdict in ("increased", "decreased")]
            return Finished({"tracts": beyond, "regions": len(result.regions)})
        case = TractChange(**unit.setting)
        where = changed_voxels(volume, self._loaded.atlas, self._mapping(subject), case)
        result = self._detect(plant(volume, where, case.change), subject.person)
        ml = float(where.sum() * volume.voxel_ml)
        return Finished(asdict(case) | asdict(outcome(result, case, where)) | {"changed_ml": ml})

    def _mapping(self, subject: CohortSubject) -> SubjectToAtlas:
        """Where the untouched brain lies in the atlas; registered once for all of its changes."""
        if subject.name not in self._mappings:
            self._mappings[subject.name] = mapping_of(prepared_map(subject, self._template))
        return self._mappings[subject.name]

    def _detect(self, volume: Volume, person: str) -> Result:
        request = DetectRequest(
            "(in memory)",
            model=self._design.model,
            device=self._design.device,
            atlas=str(self._folders[person]),
            report=False,
        )
        return self._detector.detect(request, volume, cancel=self._cancel)

    def _atlases_without(self, people: list[PersonTracts], folder: Path) -> dict[str, Path]:
        """For each person the folder of the atlas with norms of all others."""
        source, folders = atlas_folder("default"), {}
        for one in people:
            own = folder / one.person
            own.mkdir()
            for name in (TRACTS_FILE, TABLE_FILE):
                shutil.copy(source / name, own / name)
            save_norms(self._without(people, one.person), own)
            folders[one.person] = own
        return folders

    def _without(self, people: list[PersonTracts], person: str) -> TractNorms:
        return fit_norms([one for one in people if one.person != person], self._template.sha256)

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
