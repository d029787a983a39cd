"""Runs the thesis' experiments: fits what is missing, computes all units, gathers their rows.

Every process that is started on the same folder takes units that nobody has; one that is killed loses its current unit
only. Units are stored under everything that decides them, so that a rerun goes on, also with more tables.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from ...datasets.cohort import CohortSubject
from ...errors import FAError
from ...io.atomic import atomic_write
from ...models.manifest import sha256_of
from ...models.registry import find_model
from ...pipeline.loaded_model import template_folder
from ...preprocessing.native_crop import THESIS_VOXELS
from ...preprocessing.template import load_template
from ...runtime.progress import CancelToken, Progress, ProgressCallback
from ..methods.method_model import model_sha256
from ..methods.registry import MethodChoice, RegisteredMethod
from ..methods.scoring_method import FitOptions
from ..methods.thesis_ddpm import fit
from ..methods.thesis_model import SAMPLING, find_thesis_model
from ..rows import FAANOMALY
from .design import CUBIC, MASK_SIZES, WHITE_MATTER, SphereCase, ThesisTable, spheres
from .fitting import Fitting, fit_all
from .laboratory import Equipment, Laboratory, grid_of
from .units import Finished, Unit, UnitStore, finish_units

QUICK_CHANGE, QUICK_DIAMETER = 0.2, 16
"""Least change and diameter that whole-brain methods are run on in a trial."""
NETWORK_EFFORT = 0.5
"""Share of the recipe ``tiny`` that a thesis network is trained for in a trial."""
TRIAL_EFFORT, TRIAL_PEOPLE = 0.1, 2
"""The same of a comparator, and on how many people."""
TRIAL_CASES = (SphereCase(16, 0.2), SphereCase(16, -0.2))
"""What these comparators are run on: a row in each of the tables."""
TRIED = "trial.json"
"""Says that such a comparator is trained."""
NETWORKS = {"conditional": True, "unconditional": False}
STAGES = {
    "training the thesis' networks": 3.0,
    "training methods": 2.0,
    "filling holes": 4.0,
    "roaming and whole brains": 4.0,
    "assembling": 0.2,
}


@dataclass(frozen=True)
class ExperimentDesign:
    """What is run, on whom.

    Attributes
    ----------
    tables
        Tables of the thesis.
    subjects
        Maps that anomalies are planted in, one of each person.
    learning
        Maps of other people: the thesis' networks learn from them, and the comparators' thresholds come from them.
    choices
        Whole-brain comparators beside the detector.
    quick
        Whether this is a trial: tiny networks, few sampling steps, whole-brain methods on changes of
        :data:`QUICK_CHANGE` in :data:`QUICK_DIAMETER` voxels and more alone, one registration of a brain for all
        comparators.
    trained_in_trial
        Comparators that learn and have no model: with *quick* each is trained for a moment.
    networks
        Folders of thesis networks that were trained before, by name; the others are trained in the output folder.
    model
        The detector's model.
    device, seed
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    """

    tables: Sequence[ThesisTable]
    subjects: Sequence[CohortSubject]
    learning: Sequence[CohortSubject]
    choices: Sequence[MethodChoice] = ()
    quick: bool = False
    trained_in_trial: Sequence[RegisteredMethod] = ()
    networks: dict[str, Path] = field(default_factory=dict)
    model: str = "default"
    device: str = "auto"
    seed: int = 0

    @property
    def reconstructs(self) -> bool:
        """Whether figures 3.1 to 3.16 are made: with all tables."""
        return len(self.tables) > 1


@dataclass(frozen=True)
class UnitRow:
    """Row of a finished unit, with what it is of and the stem of its file."""

    kind: str
    subject: str
    method: str
    setting: dict
    file: str
    row: dict


class ThesisExperiment:
    """One run of the thesis' experiments in a folder.

    Parameters
    ----------
    design
        What is run.
    output
        Folder; shared with other processes that run the same design.
    progress, cancel
        As in :class:`~FAAnomalyLib.runtime.progress.Progress`.
    """

    def __init__(
        self,
        design: ExperimentDesign,
        output: Path,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        self._design, self._output = design, output
        self._store = UnitStore(output)
        self._progress = Progress(progress, cancel, STAGES)
        self.networks: dict[str, Path] = {}
        self.choices: Sequence[MethodChoice] = design.choices

    def run(self) -> list[UnitRow]:
        """Finish all units and return their rows, in the order of the plan.

        Raises
        ------
        FAError
            ``cancelled``: what is finished stays and is not computed again. Others as what runs raises.
        """
        with self._store.told_what_is_kept():
            return self._run()

    def _run(self) -> list[UnitRow]:
        self.networks, self.choices = self._fit_networks(), self._fit_methods()
        laboratory = Laboratory(self._equipment(), self._store, self._progress.check)
        holes = self._hole_units(laboratory)
        brains = self._brain_units(laboratory)
        roaming = self._roaming_units()
        for stage, units in zip(list(STAGES)[2:], (holes, brains, roaming), strict=True):
            self._finish(stage, units, laboratory)
        self._progress.finish()
        rows = []
        for unit in [*holes, *[unit for unit in brains if unit.kind != "cube"], *roaming]:
            finished = self._store.read(unit)
            if finished is None:
                raise FAError("bad-input", f"A unit in {self._store.folder} is damaged", "", "Run the experiment again")
            rows.append(UnitRow(unit.kind, unit.subject, unit.method, unit.setting, unit.name, finished.row))
        return rows

    def _finish(self, stage: str, units: list[Unit], laboratory: Laboratory) -> None:
        def report(done: int) -> None:
            self._progress.step(stage, done / max(len(units), 1))

        def compute(unit: Unit) -> Finished:
            self._progress.check()
            return laboratory.compute(unit)

        finish_units(units, compute, self._store, report)

    def _fit_networks(self) -> dict[str, Path]:
        """Folder of each thesis network that the tables need; those that were not given are trained."""
        design = self._design
        wanted = [name for name in NETWORKS if name == "conditional" or design.reconstructs]
        folders = {name: design.networks.get(name, self._output / "networks" / name) for name in wanted}
        missing = [
            Fitting(f"network-{name}", folders[name], _is_sampled, partial(self._fit_network, name))
            for name in wanted
            if name not in design.networks
        ]
        if missing and grid_of(design.networks) != THESIS_VOXELS:
            raise FAError(
                "bad-request",
                f"The {' and '.join(design.networks)} network has a grid of {grid_of(design.networks)} voxels",
                f"the other network would be trained on {THESIS_VOXELS}",
                "Give both networks with --thesis-model, or one table that needs one, such as thesis-3.9",
            )
        self._fit(list(STAGES)[0], missing)
        return folders

    def _fit_network(self, name: str, folder: Path) -> None:
        options = self._fit_options(folder, "tiny" if self._design.quick else "paper")
        options = replace(options, effort=NETWORK_EFFORT if self._design.quick else 1.0)
        fit(self._design.learning, options, conditional=NETWORKS[name])

    def _fit_methods(self) -> list[MethodChoice]:
        """The comparators; in a trial with those that learn, trained in a moment on few people."""
        design, choices, fittings = self._design, list(self._design.choices), []
        for entry in design.trained_in_trial:
            folder = self._output / "methods" / entry.option
            fittings.append(Fitting(f"method-{entry.option}", folder, _is_tried, partial(self._fit_method, entry)))
            choices.append(MethodChoice(entry, folder))
        self._fit(list(STAGES)[1], fittings)
        return choices

    def _fit_method(self, entry: RegisteredMethod, folder: Path) -> None:
        assert entry.fit is not None, "only methods that learn are trained"
        template = load_template(template_folder(find_model(self._design.model)))
        options = replace(
            self._fit_options(folder, "tiny"), template=template, cache=self._output / "registered", effort=TRIAL_EFFORT
        )
        entry.fit(self._design.learning[:TRIAL_PEOPLE], options)
        with atomic_write(folder / TRIED) as temporary:
            temporary.write_text(json.dumps({"recipe": "tiny", "effort": TRIAL_EFFORT}) + "\n", encoding="utf-8")

    def _fit(self, stage: str, fittings: list[Fitting]) -> None:
        def report(done: int) -> None:
            self._progress.step(stage, done / max(len(fittings), 1))

        fit_all(fittings, self._store.claims, report)

    def _fit_options(self, folder: Path, recipe: str) -> FitOptions:
        def report(text: str) -> None:
            self._progress.check()

        return FitOptions(folder, recipe, self._design.device, self._design.seed, report)

    def _equipment(self) -> Equipment:
        design = self._design
        subjects = {subject.name: subject for subject in (*design.subjects, *design.learning)}
        return Equipment(
            subjects,
            self.networks,
            self.choices,
            design.model,
            design.device,
            design.seed,
            design.quick,
            {entry.name for entry in design.trained_in_trial},
        )

    def _identity(self, subject: CohortSubject) -> tuple:
        files = [sha256_of(path) for path in (subject.path, subject.mask) if path is not None]
        return (*files, self._design.seed)

    def _hole_units(self, laboratory: Laboratory) -> list[Unit]:
        """Masks: figures 2.5 to 2.8. Fills of one hole: figures 3.1 to 3.16, tables 3.1 to 3.8."""
        first = self._design.subjects[0]
        masked = (*self._identity(first), grid_of(self.networks))
        units = [Unit("mask", first.name, "", {"mask_size": size}, masked) for size in MASK_SIZES]
        for subject in self._design.subjects:
            identity = self._identity(subject)
            for name in self.networks if self._design.reconstructs else ():
                network = (*identity, *laboratory.network(name).identity)
                units += [
                    Unit("reconstruction", subject.name, name, {"mask_type": kind, "mask_size": size}, network)
                    for size in MASK_SIZES
                    for kind in (CUBIC, WHITE_MATTER)
                ]
            network = (*identity, *laboratory.network("conditional").identity)
            units += [
                Unit(
                    "hole",
                    subject.name,
                    "conditional",
                    {
                        "mask_type": table.mask_type,
                        "mask_size": row.mask_size,
                        **asdict(SphereCase(row.anomaly_size, row.change)),
                    },
                    network,
                )
                for table in self._design.tables
                if not table.roaming
                for row in table.rows
            ]
        return units

    def _brain_units(self, laboratory: Laboratory) -> list[Unit]:
        """Thresholds of the comparators, whole brains by every method, and the roaming cubes."""
        design = self._design
        comparators = [choice.entry.name for choice in self.choices]
        units = [unit for name in comparators for unit in laboratory.healthy_units(name)]
        # The methods of a map follow one another, because they share its registration.
        names = list(dict.fromkeys(unit.subject for unit in units))
        units.sort(key=lambda unit: names.index(unit.subject))
        model, tried = read_model_sha(design.model), {entry.name for entry in design.trained_in_trial}
        for subject in design.subjects:
            for case in self._brain_cases(subject):
                identity = (*self._identity(subject), model)
                units += [
                    Unit("brain", subject.name, name, asdict(case), (*identity, *self._choice_identity(name, subject)))
                    for name in (FAANOMALY, *comparators)
                    if case in TRIAL_CASES or name not in tried
                ]
        for subject, case in self._roaming_cases():
            units += laboratory.roaming_units(subject, case)
        return list(dict.fromkeys(units))

    def _brain_cases(self, subject: CohortSubject) -> list[SphereCase]:
        """The anomalies of a person that whole-brain methods are run on."""
        tables = [table for table in self._design.tables if not table.roaming or self._roams(subject)]
        cases = spheres(tables)
        if self._design.quick:
            return [one for one in cases if abs(one.change) >= QUICK_CHANGE and one.diameter >= QUICK_DIAMETER]
        return list(cases)

    def _choice_identity(self, name: str, subject: CohortSubject) -> tuple:
        """What decides a comparator beside the map: its fitted model, and the healthy maps of its thresholds."""
        if name == FAANOMALY:
            return ()
        choice = next(choice for choice in self.choices if choice.entry.name == name)
        folder = choice.model_of(subject.person)
        fitted = () if folder is None else (model_sha256(folder),)
        others = sorted(one.name for one in (*self._design.subjects, *self._design.learning))
        return (*fitted, *others, *(["one registration"] if self._design.quick else []))

    def _roaming_units(self) -> list[Unit]:
        weights = find_thesis_model(self.networks["conditional"]).sha256
        return [
            Unit("roaming", subject.name, "conditional", asdict(case), (*self._identity(subject), weights))
            for subject, case in self._roaming_cases()
        ]

    def _roams(self, subject: CohortSubject) -> bool:
        """Whether table 3.9 is made of *subject*: with --quick of the first one only (171 cubes for an anomaly)."""
        return not self._design.quick or subject == self._design.subjects[0]

    def _roaming_cases(self) -> list[tuple[CohortSubject, SphereCase]]:
        tables = [table for table in self._design.tables if table.roaming]
        return [
            (subject, case) for subject in self._design.subjects if self._roams(subject) for case in spheres(tables)
        ]


def _is_sampled(folder: Path) -> bool:
    return (folder / SAMPLING).is_file()


def _is_tried(folder: Path) -> bool:
    return (folder / TRIED).is_file()


def read_model_sha(model: str) -> str:
    """SHA-256 over the weights and calibration of the detector's model."""
    folder = find_model(model)
    return "".join(
        sha256_of(path)[:16] for path in sorted(folder.glob("*.*")) if path.suffix in (".pt", ".npz", ".json")
    )
