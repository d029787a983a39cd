"""Regions drawn by hand: false ones in healthy people by size, and planted spheres in boxes about and opposite to them.

    python Testing/Benchmarks/drawn_regions.py DATA --folds folds.csv --keep boxes.pickle
    python Testing/Benchmarks/drawn_regions.py DATA --folds folds.csv --keep boxes.pickle --planted PERSON ...

FOLDS are what ``faanomaly calibrate ... --cross CROSS`` wrote: everybody's boxes are filled and judged by template,
weights and calibration without them, and the limits of the others. With ``--seen NAME ...`` further people's boxes are
judged by everybody's limits and ``--model``, whether it has seen them or not. KEEP holds the boxes once they are
filled. Regions are counted as in a result, on the model grid. Planted: spheres (``--diameters``), FA +-0.2 and +-0.3,
boxes larger by ``--factors``, none beyond 60 mm; found is a region that overlaps the sphere. Opposite: a box as large
as the sphere, where the other hemisphere has it, before and after planting. Both sides: the sphere of 30 mm in both
hemispheres, the box on one.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from FAAnomalyLib.anomaly.calibration import Calibration
from FAAnomalyLib.anomaly.drawn_region import drawn_edge_mm, drawn_hole
from FAAnomalyLib.anomaly.region_limits import RegionLimits, SizeLimits
from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.anomaly.scoring import score_region
from FAAnomalyLib.anomaly.screening import analysed_voxels
from FAAnomalyLib.datasets.cohort import CohortSubject, find_subjects, load_subject
from FAAnomalyLib.datasets.folds import read_folds
from FAAnomalyLib.evaluation.planting.lesions import plant, sphere, white_matter_centre
from FAAnomalyLib.inpainting.masks import pass_from_mask
from FAAnomalyLib.inpainting.pass_runner import inpaint_passes
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.pipeline.loaded_model import LoadedModel, open_model
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.training.drawn_regions import (
    EDGES_MM,
    PLACES,
    HealthyBox,
    boxes,
    draw_in_cohort,
    fit_regions,
    healthy_boxes,
)
from FAAnomalyLib.training.healthy_maps import register
from FAAnomalyLib.volume import Volume

CHANGES = (0.2, -0.2, 0.3, -0.3)
SYMMETRIC_MM = 30.0


@dataclass(frozen=True)
class PlacedBox:
    """A healthy box and the voxels that it is of, bool (X, Y, Z), on a grid of *spacing_mm*."""

    box: HealthyBox
    judged: np.ndarray
    spacing_mm: float

    def z(self, limits: SizeLimits) -> Volume:
        """The box alone, on the model grid."""
        data = np.zeros(self.judged.shape, np.float32)
        data[self.judged] = self.box.evidence(limits.inpainter_spread) / limits.spread
        return Volume(data, np.diag([self.spacing_mm] * 3 + [1.0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=Path)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--model", default="default", metavar="NAME|DIR")
    parser.add_argument("--keep", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seen", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--planted", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--diameters", nargs="+", type=float, default=[20.0, 30.0, 40.0], metavar="MM")
    parser.add_argument("--factors", nargs="+", type=float, default=[1.0, 1.5, 2.0])
    args = parser.parse_args()
    folds = read_folds(args.folds)

    @cache
    def model_of(person: str) -> LoadedModel:
        return open_model(str(folds[person]))

    by_name = {one.name: one for one in find_subjects(args.data, args.people)}
    unseen = [one for one in by_name.values() if one.person in folds]
    if not args.keep.exists():
        drawn = draw_in_cohort(unseen, folds, "auto", lambda person: model_of(person).calibration, say)
        args.keep.write_bytes(pickle.dumps(drawn))
    kept: list[HealthyBox] = pickle.loads(args.keep.read_bytes())
    if args.planted:
        for name in args.planted:
            person = by_name[name].person
            limits = limits_without(kept, person)
            planted_rows(by_name[name], model_of(person), limits, (args.diameters, args.factors))
        return
    print("| people | box, mm | boxes | regions a box, auto | sensitive | boxes with any, auto | sensitive | SD of z |")
    print("|---" * 8 + "|")
    placed = {one.person: on_the_grid(kept, one, model_of(one.person)) for one in unseen}
    print_healthy("held out", placed, {one.person: limits_without(kept, one.person) for one in unseen})
    for name in args.seen:
        one, loaded = by_name[name], open_model(args.model)
        drawn = list(healthy_boxes(one.person, register(one, loaded.template), loaded.inpainter, loaded.calibration))
        print_healthy(name, {one.person: on_the_grid(drawn, one, loaded)}, {one.person: fit_regions(kept)})


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def limits_without(drawn: list[HealthyBox], person: str) -> RegionLimits:
    return fit_regions([box for box in drawn if box.person != person])


def on_the_grid(drawn: list[HealthyBox], subject: CohortSubject, loaded: LoadedModel) -> list[PlacedBox]:
    """One person's boxes with the voxels they are of: the same places drawn again."""
    prepared = register(subject, loaded.template)
    spacing = prepared.grid.spacing_mm
    whole = analysed_voxels(prepared)
    placed = []
    for edge in EDGES_MM:
        own = iter([box for box in drawn if box.person == subject.person and box.edge_mm == edge])
        for cubic in boxes(prepared, edge, PLACES, seed=sum(subject.person.encode())):
            judged = cubic & whole
            if judged.any():
                box = next(own)
                if len(box.template) != judged.sum():
                    raise SystemExit(f"the boxes of {subject.name} are of other places: draw them again")
                placed.append(PlacedBox(box, judged, spacing))
    return placed


def print_healthy(label: str, placed: dict[str, list[PlacedBox]], limits: dict[str, RegionLimits]) -> None:
    """A row for each size: means over people."""
    for edge in EDGES_MM:
        counts, squares, number = [], [], 0
        for person, drawn in placed.items():
            some = [one for one in drawn if one.box.edge_mm == edge]
            known = limits[person].at(edge)
            z = [one.z(known) for one in some]
            regions = [[len(find_regions(one, one, t)[1]) for t in (known.threshold, known.sensitive)] for one in z]
            counts.append([*np.mean(regions, axis=0), *np.mean(np.array(regions) > 0, axis=0)])
            squares.append(np.mean([np.mean(v.data[one.judged] ** 2) for v, one in zip(z, some, strict=True)]))
            number += len(some)
        auto, sensitive, any_auto, any_sensitive = np.mean(counts, axis=0)
        print(
            f"| {label} | {edge:g} | {number} | {auto:.2f} | {sensitive:.2f} | {100 * any_auto:.0f} % | "
            f"{100 * any_sensitive:.0f} % | {np.sqrt(np.mean(squares)):.2f} |",
            flush=True,
        )


def planted_rows(
    subject: CohortSubject, loaded: LoadedModel, limits: RegionLimits, sizes: tuple[list[float], list[float]]
) -> None:
    """Print a row for every planted sphere and box; *sizes* are diameters, mm, and factors."""
    volume, brain = load_subject(subject)
    healthy = prepare(volume, loaded.template, brain)
    calibration = replace(loaded.calibration, regions=limits)
    white = healthy.native_brain & (healthy.grid.to_native(healthy.grid.priors.white_matter) > 0.5)
    judge = Judge(loaded, calibration)
    print(
        "| map | sphere, mm | FA | box | found auto | sensitive | Dice auto | other regions | median z |\n"
        + "|---" * 9
        + "|"
    )
    for diameter in sizes[0]:
        centre = np.array(white_matter_centre(volume, white, diameter, seed=3))
        here, there = sphere(volume, tuple(centre), diameter) & white, opposite(healthy, centre)
        other = sphere(volume, tuple(there), diameter) & white
        cases = [(change, here, sizes[1], "") for change in CHANGES]
        if diameter == SYMMETRIC_MM:
            cases += [(change, here | other, [1.0], ", both sides") for change in CHANGES[2:]]
        row = f"| {subject.name} | {diameter:g} | "
        print(row + f"0 | opposite {judge.row(healthy, cube(volume, there, diameter), None)}", flush=True)
        for change, truth, factors, also in cases:
            ill = prepare(plant(volume, truth, change), loaded.template, brain)
            for factor in (one for one in factors if one * diameter <= EDGES_MM[-1]):
                found = judge.row(ill, cube(volume, centre, factor * diameter), here)
                print(row + f"{change:+.1f} | {factor:g} x{also} {found}", flush=True)
            if not also:
                found = judge.row(ill, cube(volume, there, diameter), None)
                print(row + f"{change:+.1f} | opposite {found}", flush=True)


class Judge:
    """Judges drawn regions as the detector does."""

    def __init__(self, loaded: LoadedModel, calibration: Calibration) -> None:
        self.loaded, self.calibration = loaded, calibration

    def row(self, prepared: PreparedSubject, region: np.ndarray, truth: np.ndarray | None) -> str:
        """The right half of a row of the table."""
        passes = [pass_from_mask(drawn_hole(prepared, region))]
        inpainter, priors = self.loaded.inpainter, prepared.grid.priors
        filled = inpaint_passes(inpainter, prepared.fa, passes, Sampling(), priors=priors)
        edge = drawn_edge_mm(prepared, region)
        scores = score_region(prepared, filled, self.calibration, edge)
        z = prepared.z_on_native(scores.z, region & prepared.inpainted_on_native(filled.covered))
        limits = self.calibration.regions.at(edge)
        found = [overlapping(z, threshold, truth) for threshold in (limits.threshold, limits.sensitive)]
        judged = z.data[z.data != 0] if truth is None else z.data[truth & region]
        words = [f"{'yes' if one[0] else 'no'}" for one in found]
        median = float(np.median(judged)) if judged.size else 0.0
        return f"| {words[0]} | {words[1]} | {found[0][1]:.2f} | {found[0][2]} | {median:+.2f} |"


def overlapping(z: Volume, threshold: tuple[float, float], truth: np.ndarray | None) -> tuple[bool, float, int]:
    """Whether a region overlaps the truth, its Dice, and the number of other regions."""
    segmentation, regions = find_regions(z, z, threshold)
    if truth is None:
        return False, 0.0, len(regions)
    both = (segmentation.data > 0) & truth
    dice = 2 * both.sum() / max((segmentation.data > 0).sum() + truth.sum(), 1)
    return bool(both.any()), float(dice), max(len(regions) - int(both.any()), 0)


def cube(volume: Volume, centre: np.ndarray, edge_mm: float) -> np.ndarray:
    """Voxels whose centre lies in a cube along the world's axes, bool."""
    inside = np.ones(volume.shape, bool)
    for axis, place in zip(range(3), world(volume), strict=True):
        inside &= np.abs(place - centre[axis]) <= edge_mm / 2
    return inside


def world(volume: Volume) -> Iterator[np.ndarray]:
    """R, A and S of every voxel, mm."""
    index = np.indices(volume.shape)
    for axis in range(3):
        yield np.tensordot(volume.affine[axis, :3], index, 1) + volume.affine[axis, 3]


def opposite(prepared: PreparedSubject, centre: np.ndarray) -> np.ndarray:
    """The homologous place in the other hemisphere by the template's mid-plane, RAS mm."""
    matrix = prepared.grid.alignment.matrix
    there = np.linalg.inv(matrix) @ [*centre, 1.0]
    there[0] = -there[0]
    return (matrix @ there)[:3]


if __name__ == "__main__":
    main()
