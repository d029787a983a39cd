"""Runs tables 3.10 and 3.11: patients' T2 images by methods that have learned from healthy people's.

Every patient and method is a unit (:mod:`.units`): a run that was stopped goes on, and several processes may share the
folder. Those of validation keep their residual, from which the threshold comes; those of test keep their scores alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...datasets.cohort import CohortSubject, naming
from ...errors import FAError
from ...io.volumes import load_volume
from ...models.manifest import sha256_of
from ...preprocessing.preparation import prepare
from ...preprocessing.template import Template
from ...public_data.preparation import read_manifest
from ...public_data.split_file import TEST, VALIDATION
from ...public_data.t2_cohort import IMAGE, LESIONS, MASK
from ...runtime.progress import CancelToken, Progress, ProgressCallback
from ...volume import Volume
from ..methods.registry import MethodChoice, MethodContext
from .t2_scoring import best_threshold, filtered_residual, scores_of
from .units import Finished, Unit, UnitStore, finish_units

STAGES = {"validation": 1.0, "test": 10.0}
DATA_OF_TABLE = {"3.10": "brats21", "3.11": "mslub"}


@dataclass(frozen=True)
class T2Cohort:
    """Patients that ``faanomaly preprocess t2`` has prepared.

    Attributes
    ----------
    folder
        Where their files are.
    data
        Name of the data set's layout.
    validation, test
        Names.
    sha256
        Of each patient's files, by name.
    """

    folder: Path
    data: str
    validation: tuple[str, ...]
    test: tuple[str, ...]
    sha256: Mapping[str, tuple[str, ...]]

    def read(self, name: str) -> tuple[Volume, np.ndarray, np.ndarray]:
        """Image, brain and lesions of a patient; raises ``FAError('bad-input')`` for a damaged file."""
        image, brain, lesions = (load_volume(self.folder / one.format(name))[0] for one in (IMAGE, MASK, LESIONS))
        return image, brain.data > 0.5, lesions.data > 0.5


def read_cohort(folder: Path, table: str) -> T2Cohort:
    """The patients of a table.

    Raises
    ------
    FAError
        ``bad-input`` when *folder* was not prepared, or lacks patients for validation or test; ``bad-request`` when
        it holds another data set than the table is of.
    """
    manifest = read_manifest(folder)
    wanted = DATA_OF_TABLE[table]
    if manifest.get("data") != wanted:
        raise FAError(
            "bad-request",
            f"Table {table} is of {wanted}",
            f"{folder} holds {manifest.get('data')}",
            f"Name the folder that faanomaly preprocess t2 --layout {wanted} made",
        )
    subjects = manifest["subjects"]
    sets = {which: tuple(n for n, one in subjects.items() if one["set"] == which) for which in (VALIDATION, TEST)}
    for which, names in sets.items():
        if not names:
            raise FAError(
                "bad-input",
                f"No patient of {folder} is in the set {which}",
                f"its split has {len(subjects)} patients",
                "Prepare more patients, or correct split.csv and run faanomaly preprocess again",
            )
    files = {name: tuple(sorted(one["files"].values())) for name, one in subjects.items()}
    return T2Cohort(folder, wanted, sets[VALIDATION], sets[TEST], files)


@dataclass(frozen=True)
class T2Design:
    """What is run.

    Attributes
    ----------
    table
        ``3.10`` or ``3.11``.
    cohort
        Patients.
    template
        Grid of the healthy images; :attr:`~FAAnomalyLib.preprocessing.template.Template.aligned`.
    choices
        Methods.
    device, seed
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    """

    table: str
    cohort: T2Cohort
    template: Template
    choices: Sequence[MethodChoice]
    device: str = "auto"
    seed: int = 0


@dataclass(frozen=True)
class T2Result:
    """What a method has scored.

    Attributes
    ----------
    method
        Name.
    threshold
        On the residual, from validation.
    rows
        Patient -> scores (fields of :class:`~.t2_scoring.T2Scores`), or ``left_out`` with the reason.
    """

    method: str
    threshold: float
    rows: Mapping[str, Mapping]


class T2Experiment:
    """One run in a folder; parameters as :class:`~.thesis_experiment.ThesisExperiment`."""

    def __init__(
        self,
        design: T2Design,
        output: Path,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        self._design, self._store = design, UnitStore(output)
        self._progress = Progress(progress, cancel, STAGES)
        self._choices = {choice.entry.name: choice for choice in design.choices}

    def run(self) -> list[T2Result]:
        """Finish all units; the results of the methods in their order.

        Raises
        ------
        FAError
            ``cancelled``: finished units are kept. Others as what runs raises.
        """
        with self._store.told_what_is_kept():
            return self._run()

    def _run(self) -> list[T2Result]:
        validation = {name: self._units(VALIDATION, name, {}) for name in self._choices}
        self._finish(VALIDATION, [unit for units in validation.values() for unit in units])
        thresholds = {name: self._threshold(units) for name, units in validation.items()}
        test = {name: self._units(TEST, name, {"threshold": thresholds[name]}) for name in self._choices}
        self._finish(TEST, [unit for units in test.values() for unit in units])
        self._progress.finish()
        return [
            T2Result(name, thresholds[name], {unit.subject: self._read(unit).row for unit in units})
            for name, units in test.items()
        ]

    def _units(self, which: str, method: str, setting: dict) -> list[Unit]:
        cohort = self._design.cohort
        names = cohort.validation if which == VALIDATION else cohort.test
        identity = (self._design.template.sha256, self._design.seed, *self._models[method])
        return [Unit(f"t2-{which}", name, method, setting, (*cohort.sha256[name], *identity)) for name in names]

    @cached_property
    def _models(self) -> dict[str, tuple[str, ...]]:
        """SHA-256 of all files in each method's model folder."""
        folders = {name: choice.model for name, choice in self._choices.items()}
        return {
            name: () if folder is None else tuple(sha256_of(p) for p in sorted(folder.rglob("*")) if p.is_file())
            for name, folder in folders.items()
        }

    def _finish(self, stage: str, units: list[Unit]) -> None:
        def report(done: int) -> None:
            self._progress.step(stage, done / max(len(units), 1))

        def compute(unit: Unit) -> Finished:
            self._progress.check()
            return self._compute(unit)

        finish_units(units, compute, self._store, report)

    def _compute(self, unit: Unit) -> Finished:
        cohort = self._design.cohort
        path = cohort.folder / IMAGE.format(unit.subject)
        with naming(path):
            image, brain, lesions = cohort.read(unit.subject)
            residual = filtered_residual(self._difference(unit, image, brain), brain)
        if unit.kind == f"t2-{VALIDATION}":
            return Finished({}, {"residual": residual.astype(np.float16), "lesions": lesions})
        return Finished(asdict(scores_of(residual, lesions, brain, unit.setting["threshold"])))

    def _difference(self, unit: Unit, image: Volume, brain: np.ndarray) -> np.ndarray:
        """Image minus expected image by the unit's method, (X, Y, Z)."""
        choice = self._choices[unit.method]
        template = self._design.template
        context = MethodContext(
            CohortSubject.from_file(self._design.cohort.folder / IMAGE.format(unit.subject)),
            lambda volume: prepare(volume, template, brain),
            seed=self._design.seed if choice.entry.is_stochastic else None,
            model=choice.model_of(unit.subject),
            device=self._design.device,
        )
        return choice.entry.create(context).score(image).difference.data

    def _threshold(self, units: Sequence[Unit]) -> float:
        finished = [self._read(unit) for unit in units]
        usable = [one for one in finished if "left_out" not in one.row]
        if not any(one.arrays["lesions"].any() for one in usable):
            why = next((one.row["left_out"] for one in finished if "left_out" in one.row), "none has a lesion")
            raise FAError(
                "bad-input",
                f"There is no threshold for {units[0].method}",
                f"no validation patient could be used: {why}",
                "Prepare other patients for validation",
            )
        residuals = [one.arrays["residual"].astype(np.float32) for one in usable]
        return best_threshold(residuals, [one.arrays["lesions"] for one in usable])

    def _read(self, unit: Unit) -> Finished:
        finished = self._store.read(unit)
        if finished is None:
            raise FAError("bad-input", f"A unit in {self._store.folder} is damaged", "", "Run the experiment again")
        return finished
