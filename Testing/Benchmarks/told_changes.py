"""Is half of what an empty result says would have been found really found?

    python Testing/Benchmarks/told_changes.py DATA PERSON ... --keep boxes.pickle [--measured FILE]
    python Testing/Benchmarks/told_changes.py DATA PERSON ... --whole --diameters 20 --changes 0.2 [--measured FILE]

Spheres at places of white matter drawn at random, one at a time, both signs, with a small and a large change of FA (or
with ``--changes``); for each the template is warped and boxes are filled anew, over the affine alignment of the
untouched one. The needed change of a place is where the largest z in the sphere crosses the threshold, interpolated
between untouched and planted; beyond the largest change it is not known. The told change of the untouched brain is
right where 30 to 70 % of the places need less. Drawn: boxes about each sphere (``--edges``), judged by the limits of
the other people (KEEP as in drawn_regions.py); a box tells of the spheres that fit. Whole: the search of the whole
brain. MEASURED keeps the heights: a later run measures only what is missing in it, and every run tells anew.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from drawn_regions import cube, limits_without, say

from FAAnomalyLib.anomaly.calibration import Calibration, Limits
from FAAnomalyLib.anomaly.detectable_change import DetectableChange, detectable_changes, detectable_in_region
from FAAnomalyLib.anomaly.drawn_region import drawn_edge_mm, drawn_hole
from FAAnomalyLib.anomaly.region_limits import ROUNDING
from FAAnomalyLib.anomaly.residual_maps import MapKey
from FAAnomalyLib.anomaly.scoring import score_region, search_brain
from FAAnomalyLib.datasets.cohort import find_subjects, load_subject
from FAAnomalyLib.evaluation.planting.lesions import plant, sphere, white_matter_centre
from FAAnomalyLib.inpainting.masks import pass_from_mask
from FAAnomalyLib.inpainting.pass_runner import inpaint_passes
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.pipeline.loaded_model import LoadedModel, open_model
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject, with_other_fa
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.volume import Volume

PLANTED = {10.0: (0.3, 0.55), 20.0: (0.15, 0.3), 40.0: (0.08, 0.2)}
"""Diameter in mm -> the smaller and the larger change of FA."""
WHOLE = 0.0
"""Stands for the edge of a box where the whole brain is searched."""
APART_MM = 20.0
BEYOND = ("none up to 0.4", "more than planted")
"""Words for an infinite change, told and needed."""


@dataclass(frozen=True)
class Heights:
    """The largest z of either sign in one sphere, as it was judged.

    Attributes
    ----------
    asked_mm
        Edge of the box as drawn, :data:`WHOLE` for the whole brain.
    edge_mm
        Edge of the cube of its volume of brain.
    z
        Change -> largest z of its sign; of 0 both signs.
    threshold, scale
        Of the untouched brain.
    """

    asked_mm: float
    edge_mm: float
    z: dict[float, Limits]
    threshold: Limits
    scale: dict[MapKey, float]

    def needed(self, sign: int) -> float:
        """The change of this sign at which the threshold is reached, FA, positive; infinite beyond the planted ones."""
        side = 0 if sign > 0 else 1
        changes = sorted(abs(change) for change in self.z if change * sign >= 0)
        heights = np.maximum.accumulate([self.z[sign * change if change else 0.0][side] for change in changes])
        wanted = self.threshold[side]
        return float(np.interp(wanted, heights, changes)) if wanted <= heights[-1] else np.inf


Judged = tuple[Volume, float, Limits, dict[MapKey, float]]
"""z on the native grid, edge, threshold, scale."""
Judge = Callable[[PreparedSubject, np.ndarray], Judged]
"""A prepared brain and a place (RAS mm) -> what is judged there."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="+", metavar="PERSON")
    parser.add_argument("--people", type=Path)
    parser.add_argument("--model", default="default", metavar="NAME|DIR")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--edges", type=float, nargs="+", default=[10.0, 20.0, 30.0, 40.0, 60.0], metavar="MM")
    parser.add_argument("--diameters", type=float, nargs="+", default=list(PLANTED), choices=list(PLANTED))
    parser.add_argument("--changes", type=float, nargs="+", metavar="FA")
    parser.add_argument("--places", type=int, default=4, metavar="N")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--measured", type=Path, metavar="FILE")
    args = parser.parse_args()
    if not args.whole and not args.keep:
        parser.error("give --keep of drawn_regions.py, or --whole")
    loaded = open_model(args.model)
    by_name = {one.name: one for one in find_subjects(args.data, args.people)}
    known: dict[tuple, list[Heights]] = {}
    if args.measured and args.measured.exists():
        known = pickle.loads(args.measured.read_bytes())
    rows = []
    for name in args.names:
        volume, brain = load_subject(by_name[name])
        calibration = loaded.calibration
        if not args.whole:
            limits = limits_without(pickle.loads(args.keep.read_bytes()), by_name[name].person)
            calibration = replace(calibration, regions=limits)
        healthy: PreparedSubject | None = None
        search = whole_brain(loaded)
        for diameter in args.diameters:
            edges = [WHOLE] if args.whole else edges_for(diameter, args.edges)
            wanted = [(name, diameter, place, edge) for place in range(args.places) for edge in edges]
            missing = [key for key in wanted if key not in known]
            for place in dict.fromkeys(key[2] for key in missing):
                healthy = healthy or prepare(volume, loaded.template, brain)
                judges = {
                    key: search if args.whole else drawn(loaded, calibration, key[3])
                    for key in missing
                    if key[2] == place
                }
                known |= measured(healthy, volume, brain, judges, args.changes or PLANTED[diameter])
                say(f"{name}: sphere {place + 1} of {args.places}, {diameter:g} mm")
                if args.measured:
                    args.measured.write_bytes(pickle.dumps(known))
            rows += [(diameter, known[key], told(calibration, known[key], diameter)) for key in wanted if key in known]
    show(rows)


def edges_for(diameter: float, edges: list[float]) -> list[float]:
    """Boxes that tell of a sphere."""
    fitting = [edge for edge in edges if diameter <= ROUNDING * edge]
    return fitting if diameter > min(PLANTED) else [edge for edge in fitting if edge < ROUNDING * diameter]


def measured(
    healthy: PreparedSubject, volume: Volume, brain: np.ndarray, judges: dict[tuple, Judge], changes: Sequence[float]
) -> dict[tuple, Heights]:
    """The heights of one sphere for every judge; their keys are map, diameter, number of the place, and edge."""
    _, diameter, number, _ = next(iter(judges))
    place = places(volume, healthy, diameter, number + 1)[number]
    ball = sphere(volume, tuple(place), diameter) & brain
    before = {key: judge(healthy, place) for key, judge in judges.items()}
    z = {key: {0.0: heights(one[0], ball)} for key, one in before.items()}
    for change in (sign * size for sign in (1, -1) for size in changes):
        ill = with_other_fa(healthy, plant(volume, ball, change), warps=True)
        for key, judge in judges.items():
            z[key][change] = heights(judge(ill, place)[0], ball)
    return {key: Heights(key[3], edge, z[key], threshold, scale) for key, (_, edge, threshold, scale) in before.items()}


def heights(z: Volume, ball: np.ndarray) -> Limits:
    return float(z.data[ball].max()), float(-z.data[ball].min())


def places(volume: Volume, healthy: PreparedSubject, diameter: float, count: int) -> list[np.ndarray]:
    """Places of white matter, RAS mm, no two nearer than :data:`APART_MM`."""
    white = healthy.native_brain & (healthy.grid.to_native(healthy.grid.priors.white_matter) > 0.5)
    found: list[np.ndarray] = []
    seed = 0
    while len(found) < count:
        place = np.array(white_matter_centre(volume, white, diameter, seed))
        if all(np.linalg.norm(place - other) >= APART_MM for other in found):
            found.append(place)
        seed += 1
    return found


def drawn(loaded: LoadedModel, calibration: Calibration, edge_mm: float) -> Judge:
    """Judges a box of this edge about a place, as the detector does."""

    def judge(prepared: PreparedSubject, place: np.ndarray) -> Judged:
        region = cube(prepared.grid.native, place, edge_mm)
        passes = [pass_from_mask(drawn_hole(prepared, region))]
        filled = inpaint_passes(loaded.inpainter, prepared.fa, passes, Sampling(), priors=prepared.grid.priors)
        edge = drawn_edge_mm(prepared, region)
        scores = score_region(prepared, filled, calibration, edge)
        z = prepared.z_on_native(scores.z, region & prepared.inpainted_on_native(filled.covered))
        return z, edge, calibration.regions.at(edge).threshold, scores.scale

    return judge


def whole_brain(loaded: LoadedModel) -> Judge:
    """Searches the whole brain, as the detector does; the network changes no z and is left out."""
    calibration = loaded.calibration
    first: list[tuple[PreparedSubject, Judged]] = []

    def judge(prepared: PreparedSubject, place: np.ndarray) -> Judged:
        if first and first[0][0] is prepared:
            return first[0][1]
        found = searched(prepared)
        if not first:  # the untouched brain, which is asked for at every place
            first.append((prepared, found))
        return found

    def searched(prepared: PreparedSubject) -> Judged:
        found = search_brain(prepared, calibration)
        return prepared.whole_brain_z(found.z), WHOLE, calibration.threshold, found.scale

    return judge


def told(calibration: Calibration, one: Heights, diameter: float) -> dict[int, float]:
    """Sign -> the told change, FA, positive; infinite where none would be found."""
    if one.asked_mm == WHOLE:
        changes = detectable_changes(calibration, one.scale, one.threshold, (diameter,))
    else:
        changes = detectable_in_region(calibration, one.scale, one.threshold, one.edge_mm)
    # A small box tells of a sphere as wide as its own volume of brain.
    nearest: DetectableChange = min(changes, key=lambda change: abs(change.diameter_mm - diameter))
    return {sign: np.inf if c is None else c for sign, c in ((1, nearest.increased), (-1, nearest.decreased))}


def show(rows: list[tuple[float, Heights, dict[int, float]]]) -> None:
    print("| sphere, mm | judged | sign | spheres | told, median | needed, median | of them need no more than told |")
    print("|---" * 7 + "|")
    for diameter, asked in dict.fromkeys((diameter, one.asked_mm) for diameter, one, _ in rows):
        own = [(one, said) for size, one, said in rows if (size, one.asked_mm) == (diameter, asked)]
        for label, signs in (("increase", [1]), ("decrease", [-1]), ("both", [1, -1])):
            pairs = np.array([(said[sign], one.needed(sign)) for one, said in own for sign in signs])
            judged = "whole brain" if asked == WHOLE else f"box of {asked:g} mm"
            share = np.mean(np.isfinite(pairs[:, 1]) & (pairs[:, 1] <= pairs[:, 0]))
            words = [f"{m:.2f}" if np.isfinite(m) else beyond for m, beyond in zip(median(pairs), BEYOND, strict=True)]
            print(f"| {diameter:g} | {judged} | {label} | {len(pairs)} | {' | '.join(words)} | {share:.0%} |")


def median(pairs: np.ndarray) -> Iterator[float]:
    """Of each column; of an even number the upper one of the middle, so that infinity stays apart."""
    for column in np.sort(pairs, axis=0).T:
        yield float(column[len(column) // 2])


if __name__ == "__main__":
    main()
