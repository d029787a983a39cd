"""What the units of the thesis' experiments compute: fills of holes, whole-brain results, assembled roaming brains."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from ...datasets.cohort import CohortSubject
from ...errors import FAError
from ...inpainting.roaming_cubes import Origin, cube_box, cube_hole, roaming_cubes, tiles
from ...models.registry import find_model
from ...pipeline.loaded_model import template_folder
from ...pipeline.thesis_procedure.scan_inpainter import ScanInpainter, scan_white_matter
from ...preprocessing.model_grid import PreparedSubject, with_other_fa
from ...preprocessing.native_crop import THESIS_VOXELS
from ...preprocessing.preparation import prepare
from ...preprocessing.template import Template, load_template
from ...result import Result
from ...training.objective import TEMPLATE_PERSON
from ..methods.detector import DetectorMethods
from ..methods.method_model import model_sha256
from ..methods.registry import MethodChoice, MethodContext
from ..methods.thesis_model import find_thesis_model
from ..methods.thesis_network import ThesisNetwork
from ..methods.thesis_rule import MARGIN
from ..methods.thresholds import UNCALIBRATED, Thresholds, leave_one_person_out
from ..metrics.binary_overlap import binary_overlap
from ..metrics.reconstruction import measure_reconstruction
from ..metrics.roc import roc_curve
from ..rows import FAANOMALY
from .bench import Bench, PlantedSphere
from .design import CUBIC, MASK_SIZES, WHITE_MATTER, HoleSetting, SphereCase
from .units import Finished, Unit, UnitStore

ROAMING_SIZE = 16
ROC_POINTS = 200
THRESHOLD_PEOPLE = 1
"""Give the thresholds of a comparator that was trained for a moment."""
QUICK_STEPS = 5
"""Most steps of the thesis networks' sampler in a trial."""
THESIS_RULE, SIGNED_RULE, ALL_POSITIVE = "thesis' rule", "thesis' rule, signed", "all positive"


@dataclass(frozen=True)
class Equipment:
    """What an experiment runs with.

    Attributes
    ----------
    subjects
        Every subject that is needed, by name.
    networks
        Model folder of each thesis network, ``conditional`` and ``unconditional``.
    choices
        Whole-brain comparators beside the detector.
    model
        The detector's model.
    device, seed
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    quick
        Whether this is a trial: at most :data:`QUICK_STEPS` sampling steps, one registration of each brain for the
        comparators.
    tried
        Names of comparators that were trained for a moment: :data:`THRESHOLD_PEOPLE` people give their thresholds.
    """

    subjects: Mapping[str, CohortSubject]
    networks: Mapping[str, Path]
    choices: Sequence[MethodChoice]
    model: str
    device: str
    seed: int
    quick: bool = False
    tried: Collection[str] = ()


class Laboratory:
    """Computes units; networks and maps are opened when they are first needed.

    Parameters
    ----------
    equipment
        What it runs with.
    store
        Units that others build on.
    check
        Called before every step of a thesis network; may raise to cancel.
    """

    def __init__(self, equipment: Equipment, store: UnitStore, check: Callable[[], None] | None = None) -> None:
        self._equipment, self._store = equipment, store
        self._on_step = None if check is None else lambda step, steps: check()
        self.bench = Bench(equipment.seed, grid_of(equipment.networks))
        self._roaming_edge = self.bench.edge(ROAMING_SIZE)
        self._networks: dict[str, ThesisNetwork] = {}
        self._choices = {choice.entry.name: choice for choice in equipment.choices}
        self._cubes: dict[Unit, tuple[CohortSubject, SphereCase]] = {}
        self._prepared = lru_cache(maxsize=2)(self._prepare)
        self._kinds: dict[str, Callable[[Unit], Finished]] = {
            "reconstruction": self._reconstruction,
            "hole": self._hole,
            "roaming": self._roaming,
            "healthy": self._healthy,
            "brain": self._brain,
            "mask": self._mask,
        }

    def compute(self, unit: Unit) -> Finished:
        """Result of a unit; raises ``FAError`` as what it runs does."""
        if unit in self._cubes:
            return self._roaming_cube(unit, *self._cubes[unit])
        return self._kinds[unit.kind](unit)

    def network(self, name: str) -> ThesisNetwork:
        """The thesis network ``conditional`` or ``unconditional``."""
        if name not in self._networks:
            folder, equipment = self._equipment.networks[name], self._equipment
            self._networks[name] = ThesisNetwork(folder, equipment.device, QUICK_STEPS if equipment.quick else None)
        return self._networks[name]

    def planted(self, unit: Unit) -> PlantedSphere:
        """The map with the unit's anomaly."""
        return self.bench.planted(self._subject(unit), case_of(unit))

    def roaming_units(self, subject: CohortSubject, case: SphereCase) -> list[Unit]:
        """The units that cover a map with an anomaly, one for each cube that holds white matter.

        Its identity is what the network sees. With a windowed network, cubes far from the anomaly see the same for
        every anomaly, and are generated once.
        """
        network, scan = self._roaming_scan(subject, case)
        units = []
        for origin in roaming_cubes(scan.fa, self._roaming_edge):
            hole = scan.cube(origin, self._roaming_edge, WHITE_MATTER).hole
            if not hole.any():
                continue
            setting: dict = {"corner": list(origin)}
            if not scan.windowed:
                setting |= asdict(case)
            content = _sha(scan.fa[scan.window(hole)]), _sha(hole[cube_box(origin, self._roaming_edge)])
            units.append(
                Unit("cube", subject.name, "conditional", setting, (*network.identity, *content, self._equipment.seed))
            )
            self._cubes[units[-1]] = (subject, case)
        return units

    def _roaming_scan(self, subject: CohortSubject, case: SphereCase) -> tuple[ThesisNetwork, ScanInpainter]:
        network = self.network("conditional")
        return network, network.scan(self.bench.planted(subject, case).volume.data)

    def _subject(self, unit: Unit) -> CohortSubject:
        return self._equipment.subjects[unit.subject]

    def _mask(self, unit: Unit) -> Finished:
        """The axial slice of a healthy map through a hole of each mask type; holes of all sizes have one centre."""
        subject, edge = self._subject(unit), self.bench.edge(unit.setting["mask_size"])
        healthy, largest = self.bench.healthy(subject), max(MASK_SIZES)
        x, y, z = (first + (self.bench.edge(largest) - edge) // 2 for first in self.bench.corner(subject, largest))
        cube = cube_hole(healthy.volume.shape, (x, y, z), edge)
        arrays = {"lesioned": healthy.volume.data, CUBIC: cube, WHITE_MATTER: cube & healthy.white_matter}
        cut = {name: one[:, :, z + edge // 2] for name, one in arrays.items()}
        cut["lesioned"] = cut["lesioned"].astype(np.float16)
        return Finished({}, cut | {"corner": np.array([x, y, edge], np.int16)})

    def _filled(self, name: str, fa: np.ndarray, origins: Sequence[Origin], setting: HoleSetting) -> np.ndarray:
        """A map with the cubes at *origins* generated, each in a run of its own."""
        network, edge = self.network(name), self.bench.edge(setting.mask_size)
        scan = network.scan(fa)
        cubes = [scan.cube(origin, edge, setting.mask_type) for origin in origins]
        return network.filled(scan, cubes, self._equipment.seed, self._on_step)

    def _reconstruction(self, unit: Unit) -> Finished:
        """The four measures of one filled hole in a healthy map."""
        subject, setting = self._subject(unit), HoleSetting(**unit.setting)
        healthy, corner = self.bench.healthy(subject), self.bench.corner(subject, setting.mask_size)
        hole = cube_hole(healthy.volume.shape, corner, self.bench.edge(setting.mask_size))
        if setting.mask_type == WHITE_MATTER:
            hole &= healthy.white_matter
        filled = self._filled(unit.method, healthy.volume.data, [corner], setting)
        measured = asdict(measure_reconstruction(healthy.volume.data, filled, hole))
        return Finished(
            {name: value if value is None or np.isfinite(value) else None for name, value in measured.items()}
        )

    def _hole(self, unit: Unit) -> Finished:
        """The cube round an anomaly, filled in one hole or in eight, and judged by the thesis' rule."""
        planted = self.planted(unit)
        setting = HoleSetting(unit.setting["mask_type"], unit.setting["mask_size"])
        scan, domain = planted.volume.data, planted.domain(setting.mask_type)
        corners = tiles(planted.corner, planted.edge, self.bench.edge(setting.mask_size))
        filled = self._filled(unit.method, scan, corners, setting)
        scores = rule_scores(scan - filled, domain, planted.truth(setting.mask_type), planted.case.change)
        found = domain & (np.abs(scan - filled) > abs(planted.case.change) - MARGIN)
        return Finished({"scores": scores}, _slices(planted, filled, found, planted.truth(setting.mask_type)))

    def _roaming_cube(self, unit: Unit, subject: CohortSubject, case: SphereCase) -> Finished:
        """FA of the white matter of one roaming cube, generated; (V,) in C order of its hole."""
        network, scan = self._roaming_scan(subject, case)
        cube = scan.cube(_origin(unit), self._roaming_edge, WHITE_MATTER)
        return Finished({}, {"filled": network.filled(scan, [cube], self._equipment.seed, self._on_step)[cube.hole]})

    def _roaming(self, unit: Unit) -> Finished:
        """The assembled brain of a map with an anomaly: its cubes pasted inside their holes, the input elsewhere."""
        subject, case = self._subject(unit), case_of(unit)
        planted = self.bench.planted(subject, case)
        _, scan = self._roaming_scan(subject, case)
        filled, domain = scan.fa.copy(), np.zeros(scan.fa.shape, bool)
        for one in self.roaming_units(subject, case):
            finished = self._store.read(one)
            if finished is None or "filled" not in finished.arrays:
                raise FAError("bug", f"Roaming cubes of {subject.name} are missing", "", "Run the experiment again")
            hole = scan.cube(_origin(one), self._roaming_edge, WHITE_MATTER).hole
            domain |= hole
            filled[hole] = finished.arrays["filled"]
        truth = planted.truth(WHITE_MATTER)
        scores = rule_scores(scan.fa - filled, domain, truth, case.change)
        row = {"scores": scores, **_roc(np.abs(scan.fa - filled), truth, domain)}
        found = domain & (np.abs(scan.fa - filled) > abs(case.change) - MARGIN)
        return Finished(row, _slices(planted, filled, found, truth))

    def _healthy(self, unit: Unit) -> Finished:
        """Extremes of a comparator's score in a healthy map."""
        subject = self._subject(unit)
        score = self._scored(unit.method, subject, None, UNCALIBRATED).z_map.data
        return Finished({"person": subject.person, "highest": float(score.max()), "lowest": float(score.min())})

    def _brain(self, unit: Unit) -> Finished:
        """A whole-brain method on a map with an anomaly, at its own threshold, judged like the thesis' tables."""
        subject, case = self._subject(unit), case_of(unit)
        thresholds = UNCALIBRATED
        if unit.method != FAANOMALY:
            thresholds = self._thresholds(unit, subject)
        result = self._scored(unit.method, subject, case, thresholds)
        planted, found = self.planted(unit), result.segmentation.data > 0
        scores = {}
        for mask_type in (CUBIC, WHITE_MATTER):
            domain = planted.domain(mask_type)
            scores[mask_type] = asdict(binary_overlap(found & domain, planted.truth(mask_type)))
        truth = planted.truth(WHITE_MATTER)
        everywhere = scan_white_matter(planted.volume.data)
        scores["roaming"] = asdict(binary_overlap(found & everywhere, truth))
        row = {"scores": scores, "regions": len(result.regions), **_roc(np.abs(result.z_map.data), truth, everywhere)}
        return Finished(row, _slices(planted, result.expected.data, found, truth))

    def _thresholds(self, unit: Unit, subject: CohortSubject) -> Thresholds:
        rows = [self._store.read(healthy) for healthy in self.healthy_units(unit.method)]
        known = [row.row for row in rows if row is not None and "person" in row.row]
        if not known:
            raise FAError("bad-input", f"{unit.method} has no healthy brain to take its threshold from", "", "")
        return leave_one_person_out(subject.person, [(row["person"], row["highest"], row["lowest"]) for row in known])

    def healthy_units(self, method: str) -> list[Unit]:
        """The untouched maps that give a comparator's thresholds: one of each person, no population average."""
        first: dict[str, CohortSubject] = {}
        for subject in self._equipment.subjects.values():
            if subject.person != TEMPLATE_PERSON:
                first.setdefault(subject.person, subject)
        people = list(first.values())
        if method in self._equipment.tried:
            people = people[-THRESHOLD_PEOPLE:]
        return [Unit("healthy", subject.name, method, {}, self._healthy_identity(method)) for subject in people]

    def _healthy_identity(self, method: str) -> tuple:
        choice = self._choices.get(method)
        model = None if choice is None else choice.model
        return (self.template.sha256,) if model is None else (self.template.sha256, model_sha256(model))

    @cached_property
    def detectors(self) -> DetectorMethods:
        """The detector with its model."""
        return DetectorMethods(self._equipment.model, None, self._equipment.device)

    @cached_property
    def template(self) -> Template:
        """Template of the detector's model; the comparators use the same one."""
        return load_template(template_folder(find_model(self._equipment.model)))

    def _scored(self, method: str, subject: CohortSubject, case: SphereCase | None, thresholds: Thresholds) -> Result:
        """A method's result on a healthy map (no case) or one with an anomaly, both on the thesis' grid."""
        volume = self.bench.healthy(subject).volume if case is None else self.bench.planted(subject, case).volume
        if method == FAANOMALY:
            # The brain mask lies on the native grid; here the map is 0 outside the brain.
            without_mask = CohortSubject(subject.name, subject.person, subject.path, None)
            return self.detectors.method_for(without_mask).score(volume)
        choice = self._choices[method]
        context = MethodContext(
            subject,
            lambda scan: self._prepared(subject, case),
            thresholds,
            self._equipment.seed if choice.entry.is_stochastic else None,
            choice.model_of(subject.person),
            self._equipment.device,
        )
        return choice.entry.create(context).score(volume)

    def _prepare(self, subject: CohortSubject, case: SphereCase | None) -> PreparedSubject:
        """A map for the comparators; in a trial a brain is registered once for all of its anomalies."""
        if case is None:
            volume = self.bench.healthy(subject).volume
        else:
            volume = self.bench.planted(subject, case).volume
            if self._equipment.quick:
                return with_other_fa(self._prepared(subject, None), volume)
        return prepare(volume, self.template, volume.data > 0)


def grid_of(networks: Mapping[str, Path]) -> int:
    """Voxels along each edge of the grid that thesis networks were trained on, 128 where there are none.

    Raises ``FAError('bad-request')`` for networks of different grids, which would not see the same maps.
    """
    grids = {name: find_thesis_model(folder).voxels for name, folder in networks.items()} or {"": THESIS_VOXELS}
    if len(set(grids.values())) > 1:
        told = ", ".join(f"the {name} one {voxels}" for name, voxels in grids.items())
        raise FAError("bad-request", "The thesis networks have different grids", told, "Give networks of one grid")
    return next(iter(grids.values()))


def case_of(unit: Unit) -> SphereCase:
    """The anomaly of a unit."""
    return SphereCase(unit.setting["diameter"], unit.setting["change"])


def _origin(unit: Unit) -> Origin:
    x, y, z = unit.setting["corner"]
    return x, y, z


def rule_scores(difference: np.ndarray, domain: np.ndarray, truth: np.ndarray, change: float) -> dict[str, dict]:
    """Overlap of what the thesis' rules find in *domain* with *truth*, bool (X, Y, Z), by the rule's name.

    The thesis' threshold lies 0.02 below the planted change, without a sign; at a change of 0.01 it is negative and
    everything is found. The signed rule asks for a difference of the planted sign: with a threshold of -0.01 it finds
    about half, which is what the thesis' rows for 0.01 look like.
    """
    limit = abs(change) - MARGIN
    found = {
        THESIS_RULE: np.abs(difference) > limit,
        SIGNED_RULE: np.sign(change) * difference > limit,
        ALL_POSITIVE: np.ones(domain.shape, bool),
    }
    return {name: asdict(binary_overlap(one & domain, truth)) for name, one in found.items()}


def _roc(score: np.ndarray, truth: np.ndarray, domain: np.ndarray) -> dict:
    """Area and thinned points of the ROC over *domain*; None where it is not defined."""
    curve = roc_curve(score[domain], truth[domain])
    if curve is None:
        return {"auc": None, "roc": None}
    thin = curve.thinned(ROC_POINTS)
    points = [thin.false_positive_rate.round(5).tolist(), thin.true_positive_rate.round(5).tolist()]
    return {"auc": curve.area, "roc": points}


def _slices(planted: PlantedSphere, filled: np.ndarray, found: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """The axial slice through the anomaly's centre, for figures: lesioned, filled, truth, found."""
    z = planted.corner[2] + planted.edge // 2
    arrays = {"lesioned": planted.volume.data, "filled": filled, "truth": truth, "found": found}
    cut = {name: array[:, :, z] for name, array in arrays.items()}
    corner = np.array([*planted.corner[:2], planted.edge], np.int16)
    return {name: one if one.dtype == bool else one.astype(np.float16) for name, one in cut.items()} | {
        "corner": corner
    }


def _sha(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
